// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

import {InstanceCodec} from "../src/InstanceCodec.sol";
import {ModelRegistry} from "../src/ModelRegistry.sol";
import {Direction, Kind, Port, Visibility} from "../src/Port.sol";
import {Entry} from "../src/interfaces/IModelRegistry.sol";
import {CredulousModel, MockModel} from "./mocks/Models.sol";
import {Test} from "./Test.sol";

/// @notice A registered classifier of small pictures, and one proof that it accepts.
abstract contract Fixture is Test {
    uint256 internal constant R = 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001;
    /// @dev The words of the picture: 40 values of 8 bits, 31 to a word.
    uint256 internal constant INPUT_WORDS = 2;
    /// @dev The word of the scores.
    uint256 internal constant WORDS = 3;
    /// @dev The class that the proof shows.
    uint256 internal constant CLASS = 2;

    ModelRegistry internal registry;
    MockModel internal model;
    /// @dev Stands in for the universal verifier: the registry looks at its code alone.
    address internal verifier;
    bytes32 internal id;
    bytes internal proof;
    uint256[] internal instances;

    function setUp() public virtual {
        registry = new ModelRegistry();
        model = new MockModel();
        verifier = address(new CredulousModel());
        id = registry.register(entry());
        proof = someProof(5984);
        instances = words();
        model.accept(proof, instances);
    }

    function picture() internal pure returns (Port memory) {
        return Port({
            nameHash: keccak256("image"),
            direction: Direction.Input,
            visibility: Visibility.Public,
            kind: Kind.Real,
            elements: 40,
            lo: -128,
            hi: 127,
            scaleMantissa: 1,
            scaleExponent: -7
        });
    }

    function scores() internal pure returns (Port memory) {
        return Port({
            nameHash: keccak256("logits"),
            direction: Direction.Output,
            visibility: Visibility.Public,
            kind: Kind.Real,
            elements: 4,
            lo: -5000,
            hi: 5000,
            scaleMantissa: 3,
            scaleExponent: -10
        });
    }

    function ports() internal pure returns (Port[] memory list) {
        list = new Port[](2);
        (list[0], list[1]) = (picture(), scores());
    }

    function entryOf(address model_, Port[] memory ports_) internal view returns (Entry memory) {
        return Entry({
            verifier: verifier,
            verifierCodeHash: verifier.codehash,
            model: model_,
            modelCodeHash: model_.codehash,
            program: keccak256("program"),
            key: keccak256("key"),
            source: keccak256("source"),
            ports: ports_
        });
    }

    function entry() internal view returns (Entry memory) {
        return entryOf(address(model), ports());
    }

    function pixels() internal pure returns (int64[] memory values) {
        values = new int64[](40);
        for (uint256 i = 0; i < values.length; ++i) {
            values[i] = int64(int256(i * 37 % 256)) - 128;
        }
    }

    function logits() internal pure returns (int64[] memory values) {
        values = new int64[](4);
        (values[0], values[1], values[2], values[3]) = (-5000, 17, 4242, 4241);
    }

    function words() internal pure returns (uint256[] memory all) {
        uint256[] memory inputs = InstanceCodec.pack(picture(), pixels());
        uint256[] memory outputs = InstanceCodec.pack(scores(), logits());
        all = new uint256[](inputs.length + outputs.length);
        for (uint256 i = 0; i < all.length; ++i) {
            all[i] = i < inputs.length ? inputs[i] : outputs[i - inputs.length];
        }
    }

    /// @notice Bytes that look like a proof to whoever pays for them: none is zero.
    function someProof(uint256 length) internal pure returns (bytes memory bytes_) {
        bytes_ = new bytes(length);
        for (uint256 i = 0; i < length; ++i) {
            bytes_[i] = bytes1(uint8(1 + i * 7 % 255));
        }
    }
}
