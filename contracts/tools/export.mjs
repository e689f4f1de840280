// Reads a folder that `zkinfer evm export` wrote. The layout is in contracts/README.md.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { getCreate2Address, id, isHexString, keccak256 } from "ethers";

/** The deterministic deployment proxy: the same address on nearly every chain. */
export const CREATE2_DEPLOYER = "0x4e59b44847b379578588920cA78FbF26c0B4956C";

const DIRECTIONS = ["input", "output"];
const VISIBILITIES = ["public", "private", "hashed", "committed"];
const KINDS = ["real", "index", "nullable"];

function readHex(path) {
    const text = readFileSync(path, "utf8").trim();
    const hex = text.startsWith("0x") ? text : `0x${text}`;
    if (!isHexString(hex) || hex.length % 2 !== 0) throw new Error(`${path}: not hexadecimal bytes`);
    return hex;
}

function member(list, value, what) {
    const index = list.indexOf(value);
    if (index < 0) throw new Error(`manifest: ${what} is ${JSON.stringify(value)}, not one of ${list.join(", ")}`);
    return index;
}

function equal(found, expected, what) {
    if (String(found).toLowerCase() !== String(expected).toLowerCase()) {
        throw new Error(`manifest: ${what} is ${found}, expected ${expected}`);
    }
}

/** A port of the manifest as the struct `Port` of the contracts. */
function portOf(port) {
    return {
        nameHash: id(port.name),
        direction: member(DIRECTIONS, port.direction, "a direction"),
        visibility: member(VISIBILITIES, port.visibility, "a visibility"),
        kind: member(KINDS, port.kind, "a kind"),
        elements: port.elements,
        lo: BigInt(port.lo),
        hi: BigInt(port.hi),
        scaleMantissa: BigInt(port.scale.mantissa),
        scaleExponent: port.scale.exponent,
    };
}

/** The export in a folder: code, manifest, ports as the contracts take them, and the proof where there is one. */
export function readExport(folder) {
    const manifest = JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8"));
    equal(manifest.format, "zkinfer-evm-export", "the format");
    equal(manifest.version, 1, "the version");
    const verifier = readHex(join(folder, "verifier.bin"));
    const model = readHex(join(folder, "model.bin"));
    equal(manifest.verifier.creationHash, keccak256(verifier), "the hash of verifier.bin");
    equal(manifest.model.creationHash, keccak256(model), "the hash of model.bin");
    const { salt, address } = manifest.verifier;
    // Without a salt the verifier was put somewhere by hand.
    if (salt) equal(address, getCreate2Address(CREATE2_DEPLOYER, salt, keccak256(verifier)), "the verifier's address");
    const proofPath = join(folder, "proof.json");
    return {
        manifest,
        verifier,
        model,
        ports: manifest.interface.ports.map(portOf),
        proof: existsSync(proofPath) ? JSON.parse(readFileSync(proofPath, "utf8")) : null,
    };
}

/** The link that `zkinfer evm link` wrote to a folder, with creation code and calls, or null where there is none. */
export function readLink(folder) {
    const path = join(folder, "link.json");
    if (!existsSync(path)) return null;
    const link = JSON.parse(readFileSync(path, "utf8"));
    equal(link.format, "zkinfer-evm-link", "the format");
    equal(link.version, 1, "the version");
    const hex = (name) => (existsSync(join(folder, name)) ? readHex(join(folder, name)) : null);
    return {
        ...link,
        linkVerifier: hex("linkVerifier.bin"),
        weightsRegistry: hex("weightsRegistry.bin"),
        certify: hex("bases.hex"),
        register: hex("registration.hex"),
    };
}

/** How many of the instance words are those of inputs. */
export function inputWords({ manifest }) {
    const inputs = manifest.interface.ports.filter((port) => port.direction === "input");
    return inputs.reduce((words, port) => words + port.words, 0);
}
