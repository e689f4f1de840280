#!/usr/bin/env node
// Writes the bytecode that is shipped to verifier/artifacts. With --check, writes nothing and fails where a committed
// artifact is not what the sources compile to, to the byte.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { keccak256 } from "ethers";
import { ROOT, compile, compilerVersion, settings } from "./tools/compile.mjs";

/** The contracts whose bytecode others rely on, and so must be able to reproduce. */
const SHIPPED = ["LinkVerifier", "ModelRegistry", "WeightsRegistry", "ZkinferVerifier"];
const FOLDER = join(ROOT, "..", "verifier", "artifacts");

function artifact(name, { abi, creation, runtime }) {
    const content = {
        contract: name,
        compiler: `solc ${compilerVersion()}`,
        settings: settings(),
        creationCode: creation,
        runtimeCode: runtime,
        creationCodeHash: keccak256(creation),
        runtimeCodeHash: keccak256(runtime),
        runtimeBytes: (runtime.length - 2) / 2,
        abi,
    };
    return `${JSON.stringify(content, null, 2)}\n`;
}

function isCurrent(path, text) {
    return existsSync(path) && readFileSync(path, "utf8") === text;
}

const usage = process.argv.slice(2).filter((argument) => argument !== "--check");
if (usage.length !== 0) {
    console.error("usage: build.mjs [--check]");
    process.exit(2);
}
const check = process.argv.includes("--check");
const contracts = compile(["src"]);
let stale = false;
for (const name of SHIPPED.filter((name) => name in contracts)) {
    const path = join(FOLDER, `${name}.json`);
    const text = artifact(name, contracts[name]);
    if (isCurrent(path, text)) {
        console.log(`${name}: reproduced, ${keccak256(contracts[name].runtime)}`);
    } else if (check) {
        console.error(`${name}: ${path} is not what the sources compile to; run contracts/build.mjs`);
        stale = true;
    } else {
        mkdirSync(FOLDER, { recursive: true });
        writeFileSync(path, text);
        console.log(`${name}: written to ${path}`);
    }
}
process.exit(stale ? 1 : 0);
