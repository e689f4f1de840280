// A chain of one's own for the duration of a script.

import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { join } from "node:path";
import { JsonRpcProvider } from "ethers";
import { ROOT } from "./compile.mjs";

const START_MILLISECONDS = 30_000;

function freePort() {
    return new Promise((resolve, reject) => {
        const server = createServer();
        server.once("error", reject);
        server.listen(0, "127.0.0.1", () => {
            const { port } = server.address();
            server.close(() => resolve(port));
        });
    });
}

function whenListening(child) {
    return new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error("anvil does not start")), START_MILLISECONDS);
        let output = "";
        const look = (chunk) => {
            output += chunk;
            if (!output.includes("Listening on")) return;
            clearTimeout(timer);
            resolve();
        };
        child.stdout.on("data", look);
        child.stderr.on("data", look);
        child.once("error", reject);
        child.once("exit", (code) => reject(new Error(`anvil ended with ${code}: ${output}`)));
    });
}

/** Starts anvil with some options, hands `work` a provider, and ends anvil whatever happens. */
export async function withAnvil(options, work) {
    const port = await freePort();
    const binary = join(ROOT, "node_modules", ".bin", "anvil");
    // A group of its own: npm's anvil is a script that starts the binary.
    const child = spawn(binary, ["--port", String(port), ...options], { detached: true });
    const end = () => {
        try {
            process.kill(-child.pid, "SIGKILL");
        } catch (error) {
            if (error.code !== "ESRCH") throw error;
        }
    };
    const interrupted = () => process.exit(130);
    process.once("exit", end);
    process.once("SIGINT", interrupted);
    process.once("SIGTERM", interrupted);
    try {
        await whenListening(child);
        const provider = new JsonRpcProvider(`http://127.0.0.1:${port}`, undefined, {
            cacheTimeout: -1,
            pollingInterval: 20,
        });
        try {
            return await work(provider);
        } finally {
            provider.destroy();
        }
    } finally {
        end();
        process.removeListener("exit", end);
        process.removeListener("SIGINT", interrupted);
        process.removeListener("SIGTERM", interrupted);
    }
}
