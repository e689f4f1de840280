// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

import {Bn254} from "./Bn254.sol";
import {RangeProofs} from "./RangeProofs.sol";
import {RegistrationKeys} from "./RegistrationKeys.sol";
import {Side, Sides} from "./Side.sol";
import {IWeightsRegistry, Terms} from "./interfaces/IWeightsRegistry.sol";

/// @title The registry of private weights
/// @notice Keeps registrations whose proofs it has verified: commitments to columns of which every row but the last holds an integer of
/// 16 bits (`docs/soundness.md`, section 15). No owner, no upgrade, no removal. A registration is named as `zkinfer` names it, by the
/// SHA-256 of its file, which the registry computes itself; so a digest stands for the same commitments here and there.
/// @dev One slot for each registration: the hash of the side that links compare. The commitments are in the event. The keys of the
/// proofs lie in the code of an account that the constructor makes, whose address follows from that of the registry: so there is no
/// immutable, and the registry's code has one hash on every chain.
contract WeightsRegistry is IWeightsRegistry {
    /// @notice Rows of machines are at least 2^5 and at most 2^25.
    uint256 private constant LEAST_K = 5;
    uint256 private constant MOST_K = 25;
    /// @notice The last rows, in which registered columns are blinded.
    uint16 private constant BLINDED_ROWS = 6;
    /// @notice Columns of one proof.
    uint256 private constant COLUMNS_OF_A_PROOF = 16;
    /// @notice Most columns of a registration.
    uint256 private constant MOST_COLUMNS = 4096;
    /// @notice Most characters of a name.
    uint256 private constant MOST_CHARACTERS = 200;

    /// @notice The hashes of registered columns as sides of links, by the registration's digest.
    mapping(bytes32 digest => bytes32 sideHash) private _sides;

    /// @notice The account with the keys was not made.
    error NoKeys();

    constructor() {
        // Code that returns what follows it: a STOP, so that nobody runs the keys, and the keys.
        bytes memory code = bytes.concat(hex"612a0180600a3d393df3", hex"00", RegistrationKeys.TABLE);
        address made;
        assembly ("memory-safe") {
            made := create(0, add(code, 0x20), mload(code))
        }
        if (made != _keysAt()) revert NoKeys();
    }

    /// @inheritdoc IWeightsRegistry
    function register(Terms calldata terms, bytes[] calldata proofs, bytes calldata tau)
        external
        returns (bytes32 digest)
    {
        _requireTerms(terms, proofs.length);
        if (!Bn254.isTauOf(tau, terms.srs)) revert OtherTau();
        bytes memory points;
        for (uint256 i = 0; i < proofs.length; ++i) {
            uint256 columns = terms.columns - COLUMNS_OF_A_PROOF * i;
            if (columns > COLUMNS_OF_A_PROOF) columns = COLUMNS_OF_A_PROOF;
            bool proven = RangeProofs.verify(
                RangeProofs.Statement({
                    terms: _termsHash(terms, i),
                    key: _key(terms.k, columns),
                    k: terms.k,
                    columns: columns
                }),
                proofs[i],
                tau
            );
            if (!proven) revert NotProven(i);
            points = bytes.concat(points, proofs[i][:64 * columns]);
        }
        digest = digestOf(terms, proofs);
        Side memory side = Side({
            srs: terms.srs,
            k: uint8(terms.k),
            blindedRows: BLINDED_ROWS,
            values: Sides.REGISTERED_WEIGHTS,
            context: Sides.contextOfRegistration(digest),
            points: points
        });
        _sides[digest] = Sides.hash(side);
        emit WeightsRegistered(digest, terms.name, side);
    }

    /// @inheritdoc IWeightsRegistry
    function sideHashOf(bytes32 digest) external view returns (bytes32) {
        return _sides[digest];
    }

    /// @inheritdoc IWeightsRegistry
    function digestOf(Terms calldata terms, bytes[] calldata proofs) public pure returns (bytes32) {
        bytes memory payload = bytes.concat(
            terms.srs, _varint(terms.k), _varint(terms.columns), _varint(bytes(terms.name).length), bytes(terms.name)
        );
        payload = bytes.concat(payload, _varint(proofs.length));
        for (uint256 i = 0; i < proofs.length; ++i) {
            payload = bytes.concat(payload, _varint(proofs[i].length), proofs[i]);
        }
        // The frame of all files of zkinfer: magic, kind, version, length; at the end a checksum.
        bytes memory file =
            bytes.concat("ZKINFER\x00REGI", hex"01000000", _littleEndian(uint64(payload.length)), payload);
        return sha256(bytes.concat(file, sha256(file)));
    }

    /// @notice Where the keys lie: the first account that this contract made.
    function _keysAt() private view returns (address) {
        return address(uint160(uint256(keccak256(abi.encodePacked(hex"d694", address(this), hex"01")))));
    }

    /// @notice What transcripts have for the key of proofs about so many columns of 2^k rows.
    function _key(uint256 k, uint256 columns) private view returns (uint256 key) {
        address keys = _keysAt();
        uint256 offset = 1 + 32 * (COLUMNS_OF_A_PROOF * (k - LEAST_K) + columns - 1);
        assembly ("memory-safe") {
            extcodecopy(keys, 0, offset, 0x20)
            key := mload(0)
        }
    }

    /// @notice Reverts unless there are such registrations. Names are narrower than in files: characters of ASCII that print.
    function _requireTerms(Terms calldata terms, uint256 proofs) private pure {
        if (terms.k < LEAST_K || terms.k > MOST_K) revert BadRows(terms.k);
        if (terms.columns == 0 || terms.columns > MOST_COLUMNS) revert BadColumns(terms.columns);
        uint256 expected = (terms.columns + COLUMNS_OF_A_PROOF - 1) / COLUMNS_OF_A_PROOF;
        if (proofs != expected) revert ProofCount(expected, proofs);
        bytes calldata name = bytes(terms.name);
        bool prints = name.length != 0 && name.length <= MOST_CHARACTERS;
        for (uint256 i = 0; prints && i < name.length; ++i) {
            prints = name[i] >= 0x20 && name[i] < 0x7f;
        }
        if (!prints) revert BadName();
    }

    /// @notice What the transcript of a proof begins with: the terms, and the proof's place among the others.
    function _termsHash(Terms calldata terms, uint256 index) private pure returns (bytes32) {
        return keccak256(
            bytes.concat(
                "zkinfer registration 1: terms",
                terms.srs,
                bytes8(uint64(terms.k)),
                bytes8(uint64(terms.columns)),
                bytes8(uint64(index)),
                bytes8(uint64(bytes(terms.name).length)),
                bytes(terms.name)
            )
        );
    }

    /// @notice A number as files have it: seven bits a byte, the lowest first.
    function _varint(uint256 number) private pure returns (bytes memory encoded) {
        for (; number >= 128; number >>= 7) {
            encoded = bytes.concat(encoded, bytes1(uint8(number & 0x7f | 0x80)));
        }
        encoded = bytes.concat(encoded, bytes1(uint8(number)));
    }

    /// @notice The eight bytes of a number, the lowest first.
    function _littleEndian(uint64 number) private pure returns (bytes8 encoded) {
        for (uint256 i = 0; i < 8; ++i) {
            encoded |= bytes8(uint64((number >> (8 * i)) & 0xff) << uint64(56 - 8 * i));
        }
    }
}
