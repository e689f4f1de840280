#!/usr/bin/env node
// Makes a test vector of a link: what contracts/test/Links.t.sol reads.
//
//   link-vector.mjs LINK EXPORT [EXPORT] > ../test/links/NAME.json
//
// LINK is a folder that `zkinfer evm link` wrote; each EXPORT one that `zkinfer evm export` wrote, with a proof, in the order in which
// the link names the proofs.

import { AbiCoder } from "ethers";
import { readExport, readLink } from "./export.mjs";

const [folder, ...exports] = process.argv.slice(2);
if (!folder || exports.length === 0 || exports.length > 2) {
    console.error("usage: link-vector.mjs LINK EXPORT [EXPORT]");
    process.exit(2);
}
const link = readLink(folder);
if (!link) throw new Error(`${folder}: holds no link`);

const coder = AbiCoder.defaultAbiCoder();
const PORTS = "(bytes32,uint8,uint8,uint8,uint32,int64,int64,uint64,int16)[]";
const PART = "(bytes32,bytes32,uint256,uint8,uint16,uint16,uint16,uint32)";
const SIDE = "(bytes32,uint8,uint16,uint256,bytes32,bytes)";

const stages = exports.map((path, index) => {
    const { manifest, model, ports, proof } = readExport(path);
    if (!proof) throw new Error(`${path}: exported without a proof`);
    const { part } = [link.from, link.to].find((side) => side.proof === index);
    const { program, key, source } = manifest.digests;
    return {
        verifier: manifest.verifier.address,
        model,
        program,
        key,
        source,
        ports: coder.encode([PORTS], [ports.map(Object.values)]),
        part: coder.encode(
            [PART],
            [[part.key, part.srs, part.values, part.k, part.blindedRows, part.firstColumn, part.columns, part.port]],
        ),
        proof: proof.proof,
        instances: proof.instances,
    };
});
const vector = { stages, tau: link.tau, link: link.link, bases: link.bases };
if (link.registration) {
    const { srs, k, blindedRows, values, context, points } = link.from.side;
    vector.registration = {
        call: link.register,
        digest: link.registration.digest,
        side: coder.encode([SIDE], [[srs, k, blindedRows, values, context, points]]),
    };
}
console.log(JSON.stringify(vector, null, 2));
