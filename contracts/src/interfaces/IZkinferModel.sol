// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

/// @title A model that can judge proofs about itself
/// @notice Implemented by the contract that `zkinfer evm export` makes of a verifying key. Its code hash names the
/// verifier's address and the key exactly.
interface IZkinferModel {
    /// @notice Whether `proof` shows that the model's public ports have the values that `instances` packs.
    /// @dev False for anything malformed: lengths other than the key's, numbers that are not below the group order,
    /// points off the curve. Does not revert except where gas runs out.
    /// @param proof The bytes of the proof.
    /// @param instances The instance words of all public ports, in the order of the ports.
    /// @return accepted Whether the proof is accepted.
    function verifyProof(bytes calldata proof, uint256[] calldata instances) external view returns (bool accepted);
}
