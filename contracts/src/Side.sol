// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

import {Port} from "./Port.sol";

/// @notice Committed columns, and what they stand in: one of the two things that a link compares (`docs/linking.md`).
/// @dev Columns of a proof are taken from the very bytes that the model's contract has accepted (`Sides.ofProof`); those of a
/// registration from the registry (`WeightsRegistry`).
struct Side {
    /// SHA-256 of "zkinfer SRS" and [tau]_2, by which the SRS is named.
    bytes32 srs;
    /// The columns have 2^k rows.
    uint8 k;
    /// The last rows, in which the columns are blinded.
    uint16 blindedRows;
    /// What the columns hold: weights of a proof (0) or of a registration (1); for a port its kind plus 1, its number of values, and its
    /// scale (`Sides.valuesOf`).
    uint256 values;
    /// Hash of all that the columns belong to.
    bytes32 context;
    /// The commitments, 64 bytes each.
    bytes points;
}

/// @notice Which columns of the proofs under a key can be linked: its private weights, or a committed port. `zkinfer evm export`
/// derives it from the verifying key. A consumer fixes it when it is deployed, as it does the model: with other columns a link
/// says nothing.
struct Part {
    /// Digest of the verifying key.
    bytes32 key;
    /// The SRS of the key.
    bytes32 srs;
    /// As in `Side`.
    uint256 values;
    /// The key's machine has 2^k rows.
    uint8 k;
    /// As in `Side`.
    uint16 blindedRows;
    /// Which commitment of a proof is that of the first column.
    uint16 firstColumn;
    /// How many columns there are.
    uint16 columns;
    /// The port's position in the interface, or `Sides.WEIGHTS`.
    uint32 port;
}

/// @title What the sides of links are made of
library Sides {
    /// @notice Stands for private weights in the place of a port.
    uint32 internal constant WEIGHTS = type(uint32).max;
    /// @notice What the columns of a proof's private weights hold.
    uint256 internal constant PROVEN_WEIGHTS = 0;
    /// @notice What registered columns hold.
    uint256 internal constant REGISTERED_WEIGHTS = 1;

    /// @notice The proof has fewer points than the part says.
    error ProofTooShort(uint256 needed, uint256 found);

    /// @notice The columns of a proof that are linked. The proof is to be verified apart, with these very instances.
    /// @param part Which columns.
    /// @param proof The bytes of the proof.
    /// @param instances Its instance words.
    function ofProof(Part memory part, bytes calldata proof, uint256[] calldata instances)
        internal
        pure
        returns (Side memory side)
    {
        uint256 start = 64 * uint256(part.firstColumn);
        uint256 end = start + 64 * uint256(part.columns);
        if (proof.length < end) revert ProofTooShort(end, proof.length);
        bool weights = part.port == WEIGHTS;
        bytes32 words = keccak256(abi.encodePacked(instances));
        side = Side({
            srs: part.srs,
            k: part.k,
            blindedRows: part.blindedRows,
            values: part.values,
            context: keccak256(
                bytes.concat(
                    bytes(weights ? "zkinfer link 1: weights of a proof" : "zkinfer link 1: a port of a proof"),
                    part.key,
                    words,
                    keccak256(proof),
                    bytes8(weights ? 0 : uint64(part.port))
                )
            ),
            points: proof[start:end]
        });
    }

    /// @notice The context of registered columns.
    /// @param digest SHA-256 of the registration's file.
    function contextOfRegistration(bytes32 digest) internal pure returns (bytes32) {
        return keccak256(bytes.concat("zkinfer link 1: a registration", digest));
    }

    /// @notice What a port's columns hold, as one word: its kind plus 1, its number of values, and its scale. Two ports can be linked where
    /// these are equal.
    function valuesOf(Port memory port) internal pure returns (uint256) {
        return (uint256(port.kind) + 1) << 112 | uint256(port.elements) << 80 | uint256(port.scaleMantissa) << 16
            | uint16(port.scaleExponent);
    }

    /// @notice Names a side: whoever keeps this hash keeps the side.
    function hash(Side memory side) internal pure returns (bytes32) {
        return keccak256(abi.encode(side));
    }
}
