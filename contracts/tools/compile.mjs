// Compiles the contracts with the settings that foundry.toml states.

import { readFileSync, readdirSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import solc from "solc";

/** The folder of the contracts. */
export const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..");

/** The value of a key of foundry.toml's default profile: a string, number or boolean on a line of its own. */
function setting(toml, key) {
    const line = toml.match(new RegExp(`^${key} = (.*)$`, "m"));
    if (!line) throw new Error(`foundry.toml states no ${key}`);
    return JSON.parse(line[1]);
}

/** The compiler's settings, of standard JSON. */
export function settings() {
    const toml = readFileSync(join(ROOT, "foundry.toml"), "utf8");
    return {
        optimizer: { enabled: setting(toml, "optimizer"), runs: setting(toml, "optimizer_runs") },
        viaIR: setting(toml, "via_ir"),
        evmVersion: setting(toml, "evm_version"),
        metadata: { bytecodeHash: setting(toml, "bytecode_hash"), appendCBOR: setting(toml, "cbor_metadata") },
    };
}

/** Version of the compiler: the one that package.json pins. */
export function compilerVersion() {
    const pinned = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")).devDependencies.solc;
    const found = solc.version();
    if (!found.startsWith(`${pinned}+`)) throw new Error(`solc ${pinned} is pinned, ${found} is installed: run npm ci`);
    // Without the platform, which does not show in the code.
    return found.replace(/\.Emscripten.*$/, "");
}

function solidityFiles(folder) {
    return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
        const path = join(folder, entry.name);
        if (entry.isDirectory()) return solidityFiles(path);
        return entry.name.endsWith(".sol") ? [path] : [];
    });
}

/** Compiles the contracts of some folders (`src`, `test/mocks`); by name, each with ABI, creation and runtime code. */
export function compile(folders) {
    compilerVersion();
    const files = folders.flatMap((folder) => solidityFiles(join(ROOT, folder))).sort();
    const input = {
        language: "Solidity",
        sources: Object.fromEntries(files.map((file) => [relative(ROOT, file), { content: readFileSync(file, "utf8") }])),
        settings: {
            ...settings(),
            outputSelection: { "*": { "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"] } },
        },
    };
    const output = JSON.parse(solc.compile(JSON.stringify(input)));
    const faults = output.errors ?? [];
    if (faults.length !== 0) throw new Error(faults.map((fault) => fault.formattedMessage).join("\n"));
    const contracts = Object.values(output.contracts).flatMap((byName) => Object.entries(byName));
    return Object.fromEntries(
        contracts.map(([name, contract]) => [
            name,
            {
                abi: contract.abi,
                creation: `0x${contract.evm.bytecode.object}`,
                runtime: `0x${contract.evm.deployedBytecode.object}`,
            },
        ]),
    );
}
