#!/usr/bin/env node
// Fabricates an export folder and test vectors around a verifier that accepts exactly one call: what the tests of the
// tooling run on, without a proof system.
//
//   fabricate.mjs export FOLDER     the files that `zkinfer evm export` writes
//   fabricate.mjs vectors FOLDER    mock-*.json, as contracts/test/Vectors.t.sol reads them

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { AbiCoder, Interface, concat, getCreate2Address, id, keccak256, toBeHex, zeroPadValue } from "ethers";
import { CREATE2_DEPLOYER } from "./export.mjs";

const R = 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001n;
const MODEL = new Interface(["function verifyProof(bytes proof, uint256[] instances) view returns (bool)"]);
const SALT = zeroPadValue("0x", 32);

const bytes = (length, at) => `0x${Array.from({ length }, (_, i) => at(i).toString(16).padStart(2, "0")).join("")}`;
const size = (code) => toBeHex((code.length - 2) / 2, 2);

/** Creation code that returns `runtime`; `guard` runs before. */
function creationOf(runtime, guard = "0x") {
    const offset = toBeHex((guard.length - 2) / 2 + 13, 2);
    // PUSH2 size DUP1 PUSH2 offset PUSH1 0 CODECOPY PUSH1 0 RETURN
    return concat([guard, "0x61", size(runtime), "0x8061", offset, "0x6000396000f3", runtime]);
}

/** Answers whether the hash of its calldata is `hash`. */
function verifierAccepting(hash) {
    // CALLDATACOPY(0, 0, size) MSTORE(0, EQ(KECCAK256(0, size), hash)) RETURN(0, 32)
    return concat(["0x366000600037366000207f", hash, "0x1460005260206000f3"]);
}

/** Delegates every call to the verifier; data follows, as a model's do. */
function modelOf(verifier) {
    const data = bytes(2048, (i) => (i * 11) % 255 + 1);
    // CALLDATACOPY(0, 0, size) DELEGATECALL(gas, verifier, 0, size, 0, 32) POP RETURN(0, 32) STOP
    return concat(["0x3660006000376020600036600073", verifier, "0x5af45060206000f300", data]);
}

/** The same with an instruction of Shanghai (PUSH0) and no data: shows that tests run on a present chain's rules. */
function shortModelOf(verifier) {
    return concat(["0x365f5f3760205f365f73", verifier, "0x5af45060205ff3"]);
}

/** Reverts unless the verifier has the code that the hash names. */
function guardOf(verifier, codeHash) {
    // EQ(EXTCODEHASH(verifier), codeHash) PUSH1 64 JUMPI REVERT(0, 0) JUMPDEST
    return concat(["0x73", verifier, "0x3f7f", codeHash, "0x14604057", "0x60006000fd", "0x5b"]);
}

/** The words of a port, as the interface of a proof packs them. */
function pack({ lo, hi }, values) {
    const bits = Math.max(1, (BigInt(hi) - BigInt(lo)).toString(2).length);
    const perWord = Math.floor(248 / bits);
    const words = [];
    for (let i = 0; i < values.length; i += perWord) {
        const chunk = values.slice(i, i + perWord);
        words.push(chunk.reduceRight((word, value) => (word << BigInt(bits)) + BigInt(value) - BigInt(lo), 0n));
    }
    return words;
}

const port = (name, direction, shape, lo, hi, mantissa, exponent) => {
    const elements = shape.reduce((a, b) => a * b);
    const bits = Math.max(1, (BigInt(hi) - BigInt(lo)).toString(2).length);
    const valuesPerWord = Math.floor(248 / bits);
    return {
        name,
        nameHash: id(name),
        direction,
        visibility: "public",
        kind: "real",
        shape,
        elements,
        lo,
        hi,
        bits,
        valuesPerWord,
        words: Math.ceil(elements / valuesPerWord),
        scale: { mantissa, exponent },
    };
};

function fabricate() {
    const ports = [
        port("image", "input", [1, 8, 8], "-128", "127", "1", -7),
        port("logits", "output", [1, 10], "-20000", "20000", "3", -11),
    ];
    const pixels = Array.from({ length: 64 }, (_, i) => (i * 37) % 256 - 128);
    const logits = [-20000, 17, 4242, 4241, 20000, 0, 1, 2, 3, 20000];
    const instances = [...pack(ports[0], pixels), ...pack(ports[1], logits)];
    const proof = bytes(5984, (i) => 1 + ((i * 7) % 255));
    const calldata = MODEL.encodeFunctionData("verifyProof", [proof, instances]);

    const verifier = { runtime: verifierAccepting(keccak256(calldata)) };
    verifier.creation = creationOf(verifier.runtime);
    verifier.address = getCreate2Address(CREATE2_DEPLOYER, SALT, keccak256(verifier.creation));
    const model = { runtime: modelOf(verifier.address) };
    model.creation = creationOf(model.runtime, guardOf(verifier.address, keccak256(verifier.runtime)));
    return { ports, instances, proof, calldata, verifier, model };
}

function write(folder, files) {
    mkdirSync(folder, { recursive: true });
    for (const [name, content] of Object.entries(files)) {
        writeFileSync(join(folder, name), typeof content === "string" ? content : `${JSON.stringify(content, null, 2)}\n`);
    }
}

function writeExport(folder) {
    const { ports, instances, proof, calldata, verifier, model } = fabricate();
    write(folder, {
        "verifier.bin": `${verifier.creation}\n`,
        "model.bin": `${model.creation}\n`,
        "abi.json": JSON.parse(MODEL.formatJson()),
        "calldata.hex": `${calldata}\n`,
        "proof.json": { proof, instances: instances.map((word) => toBeHex(word, 32)) },
        "manifest.json": {
            format: "zkinfer-evm-export",
            version: 1,
            verifier: {
                address: verifier.address,
                salt: SALT,
                codeHash: keccak256(verifier.runtime),
                creationHash: keccak256(verifier.creation),
            },
            model: {
                name: "fabricated",
                codeHash: keccak256(model.runtime),
                creationHash: keccak256(model.creation),
                codeBytes: (model.runtime.length - 2) / 2,
            },
            digests: { program: id("program"), key: id("key"), source: id("source") },
            interface: { words: instances.length, ports },
        },
    });
}

function writeVectors(folder) {
    const { instances, proof, verifier, model } = fabricate();
    const vector = (name, expected, changed, code = { modelInit: model.creation }) => ({
        name,
        verifier: verifier.address,
        verifierRuntime: verifier.runtime,
        ...code,
        proof: changed.proof ?? proof,
        instances: (changed.instances ?? instances).map((word) => toBeHex(word, 32)),
        expected,
    });
    const plus = [instances[0] + R, ...instances.slice(1)];
    write(folder, {
        "mock-accepted.json": vector("mock, accepted", true, {}),
        "mock-plus-order.json": vector("mock, a word plus the group order", false, { instances: plus }),
        "mock-runtime.json": vector("mock, code in place", true, {}, { modelRuntime: shortModelOf(verifier.address) }),
        "mock-no-words.json": vector("mock, no words", false, { instances: [] }),
    });
}

const [what, folder, ...rest] = process.argv.slice(2);
const action = { export: writeExport, vectors: writeVectors }[what];
if (!action || !folder || rest.length !== 0) {
    console.error("usage: fabricate.mjs export|vectors FOLDER");
    process.exit(2);
}
action(folder);
