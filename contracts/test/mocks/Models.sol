// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

import {IZkinferModel} from "../../src/interfaces/IZkinferModel.sol";

/// @notice Accepts exactly the proofs that it was told to, each for its instance words, and no word at or above the
/// group order: what a model's contract does, without the proof system.
contract MockModel is IZkinferModel {
    uint256 internal constant R = 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001;

    mapping(bytes32 statement => bool accepted) private _accepted;

    function accept(bytes calldata proof, uint256[] calldata instances) external {
        _accepted[keccak256(abi.encode(proof, instances))] = true;
    }

    function verifyProof(bytes calldata proof, uint256[] calldata instances) external view returns (bool) {
        for (uint256 i = 0; i < instances.length; ++i) {
            if (instances[i] >= R) return false;
        }
        return _accepted[keccak256(abi.encode(proof, instances))];
    }
}

/// @notice Accepts everything: whatever the registry refuses in front of it, the registry has refused itself.
contract CredulousModel is IZkinferModel {
    function verifyProof(bytes calldata, uint256[] calldata) external pure returns (bool) {
        return true;
    }
}

/// @notice Tries to keep a count of its calls.
contract WritingModel {
    uint256 public calls;

    function verifyProof(bytes calldata, uint256[] calldata) external returns (bool) {
        ++calls;
        return true;
    }
}

/// @notice Tries to say something in the log.
contract LoggingModel {
    event Called();

    function verifyProof(bytes calldata, uint256[] calldata) external returns (bool) {
        emit Called();
        return true;
    }
}

/// @notice Answers with given bytes, whatever is asked.
contract AnsweringModel {
    bytes private _answer;

    constructor(bytes memory answer) {
        _answer = answer;
    }

    fallback(bytes calldata) external returns (bytes memory) {
        return _answer;
    }
}

/// @notice Reverts with the word 1, which reads as true where nobody looks at the success flag.
contract RevertingModel {
    fallback() external {
        assembly ("memory-safe") {
            mstore(0, 1)
            revert(0, 32)
        }
    }
}

/// @notice Answers with a megabyte.
contract LengthyModel {
    fallback() external {
        assembly ("memory-safe") {
            mstore(0, 1)
            return(0, 1000000)
        }
    }
}

/// @notice Takes all gas that it is given.
contract ExhaustingModel {
    fallback() external {
        while (true) {}
    }
}
