#!/usr/bin/env node
// Makes a test vector of an export with a proof: what contracts/test/Vectors.t.sol reads.
//
//   vector.mjs FOLDER NAME > ../test/vectors/NAME.json

import { readExport } from "./export.mjs";

const [folder, name, ...rest] = process.argv.slice(2);
if (!folder || !name || rest.length !== 0) {
    console.error("usage: vector.mjs FOLDER NAME");
    process.exit(2);
}
const { manifest, model, proof } = readExport(folder);
if (!proof) throw new Error(`${folder}: exported without a proof`);
const vector = {
    name,
    verifier: manifest.verifier.address,
    modelInit: model,
    proof: proof.proof,
    instances: proof.instances,
    expected: true,
};
console.log(JSON.stringify(vector, null, 2));
