// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

import {InstanceCodec} from "../src/InstanceCodec.sol";
import {ModelRegistry} from "../src/ModelRegistry.sol";
import {Direction, Kind, Port, Visibility} from "../src/Port.sol";
import {Entry} from "../src/interfaces/IModelRegistry.sol";
import {IZkinferModel} from "../src/interfaces/IZkinferModel.sol";
import {Test, Vm} from "./Test.sol";

/// @notice Runs every file of test/vectors: models, proofs and verdicts, on the very bytecode that is deployed.
/// @dev A vector is an object with
/// - `name`;
/// - `verifier`: the address that the model's contract delegates to; `verifierRuntime`: the code there, or absent for
///   that of verifier/artifacts/ZkinferVerifier.json;
/// - `modelInit`: creation code of the model's contract, or `modelRuntime`: its code;
/// - `proof`, `instances` (an array of hexadecimal words), `expected`: the verdict.
contract VectorsTest is Test {
    uint256 private constant R = 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001;
    string private constant FOLDER = "test/vectors";
    string private constant ARTIFACT = "../verifier/artifacts/ZkinferVerifier.json";
    address private constant MODEL = address(0x30de1);
    /// @dev How many bytes of an accepted proof are changed, one at a time.
    uint256 private constant TAMPERED_BYTES = 24;

    struct Vector {
        string name;
        address verifier;
        address model;
        bytes proof;
        uint256[] instances;
        bool expected;
    }

    function load(string memory path) private returns (Vector memory v) {
        string memory json = vm.readFile(path);
        v.name = vm.parseJsonString(json, ".name");
        v.verifier = vm.parseJsonAddress(json, ".verifier");
        bytes memory runtime = vm.keyExistsJson(json, ".verifierRuntime")
            ? vm.parseJsonBytes(json, ".verifierRuntime")
            : vm.parseJsonBytes(vm.readFile(ARTIFACT), ".runtimeCode");
        vm.etch(v.verifier, runtime);
        if (vm.keyExistsJson(json, ".modelInit")) {
            v.model = create(vm.parseJsonBytes(json, ".modelInit"));
            assertTrue(v.model != address(0), string.concat(v.name, ": the model's contract is created"));
        } else {
            v.model = MODEL;
            vm.etch(MODEL, vm.parseJsonBytes(json, ".modelRuntime"));
        }
        v.proof = vm.parseJsonBytes(json, ".proof");
        v.instances = vm.parseJsonUintArray(json, ".instances");
        v.expected = vm.parseJsonBool(json, ".expected");
    }

    function create(bytes memory init) private returns (address created) {
        assembly ("memory-safe") {
            created := create(0, add(init, 0x20), mload(init))
        }
    }

    /// @dev The answer is looked at raw: one word, zero or one, and no revert.
    function verdict(address model, bytes memory proof, uint256[] memory instances) private view returns (bool) {
        (bool ok, bytes memory answer) =
            model.staticcall(abi.encodeCall(IZkinferModel.verifyProof, (proof, instances)));
        assertTrue(ok, "no revert");
        assertEq(answer.length, 32, "length of the answer");
        uint256 word = abi.decode(answer, (uint256));
        assertTrue(word < 2, "a bool");
        return word == 1;
    }

    function registered(ModelRegistry registry, Vector memory v) private returns (bytes32) {
        Port[] memory ports = new Port[](1);
        ports[0] = Port({
            nameHash: keccak256(bytes(v.name)),
            direction: Direction.Input,
            visibility: Visibility.Public,
            kind: Kind.Real,
            elements: uint32(v.instances.length * (InstanceCodec.WORD_BITS / 64)),
            lo: type(int64).min,
            hi: type(int64).max,
            scaleMantissa: 1,
            scaleExponent: 0
        });
        return registry.register(
            Entry({
                verifier: v.verifier,
                verifierCodeHash: v.verifier.codehash,
                model: v.model,
                modelCodeHash: v.model.codehash,
                program: 0,
                key: 0,
                source: 0,
                ports: ports
            })
        );
    }

    /// @dev What every model refuses, whatever it accepts.
    function refusesTampering(Vector memory v) private view {
        uint256 length = v.proof.length;
        for (uint256 i = 0; i < TAMPERED_BYTES; ++i) {
            uint256 place = i * (length - 1) / (TAMPERED_BYTES - 1);
            v.proof[place] ^= 0x01;
            assertFalse(verdict(v.model, v.proof, v.instances), string.concat("changed byte ", vm.toString(place)));
            v.proof[place] ^= 0x01;
        }
        assertFalse(verdict(v.model, bytes.concat(v.proof, hex"00"), v.instances), "a byte more");
        assertFalse(verdict(v.model, "", v.instances), "no proof");
        assertFalse(verdict(v.model, v.proof, new uint256[](0)), "no words");
        assertFalse(verdict(v.model, v.proof, new uint256[](v.instances.length + 1)), "a word more");
        for (uint256 i = 0; i < v.instances.length; ++i) {
            uint256 word = v.instances[i];
            v.instances[i] = word + R;
            assertFalse(verdict(v.model, v.proof, v.instances), string.concat("plus the order: ", vm.toString(i)));
            v.instances[i] = word ^ 1;
            assertFalse(verdict(v.model, v.proof, v.instances), string.concat("changed word ", vm.toString(i)));
            v.instances[i] = word;
        }
        assertTrue(verdict(v.model, v.proof, v.instances), "as it was");
    }

    /// @dev A call for each vector, so that its memory is given back.
    function check(string calldata path) external returns (bool expected) {
        Vector memory v = load(path);
        assertTrue(verdict(v.model, v.proof, v.instances) == v.expected, v.name);
        if (v.instances.length != 0) {
            ModelRegistry registry = new ModelRegistry();
            bool through = registry.verify(registered(registry, v), v.proof, v.instances);
            assertTrue(through == v.expected, string.concat(v.name, ", through the registry"));
        }
        if (v.expected) refusesTampering(v);
        return v.expected;
    }

    function test_vectors() public {
        // What is compiled for Shanghai runs on chains of today, and so may call code that is not.
        vm.setEvmVersion("osaka");
        Vm.DirEntry[] memory files = vm.readDir(FOLDER);
        uint256 accepted = 0;
        for (uint256 i = 0; i < files.length; ++i) {
            if (this.check(files[i].path)) ++accepted;
        }
        assertTrue(accepted != 0, "a vector is accepted");
    }
}
