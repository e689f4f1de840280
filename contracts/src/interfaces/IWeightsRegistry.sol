// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

import {Side} from "../Side.sol";

/// @notice What the proofs of a registration belong to.
struct Terms {
    /// The SRS.
    bytes32 srs;
    /// The columns have 2^k rows.
    uint256 k;
    /// How many columns there are.
    uint256 columns;
    /// What the registrant calls the model.
    string name;
}

/// @title A registry of private weights
/// @notice A registration says that its columns hold integers of 16 bits, and that somebody knew them. It does not say whose they
/// are, nor that they are good ones: that is for those who pin its digest to find out.
interface IWeightsRegistry {
    /// @notice Weights were registered.
    /// @param digest SHA-256 of the registration's file.
    /// @param name What the registrant calls the model.
    /// @param side The columns as a side of links.
    event WeightsRegistered(bytes32 indexed digest, string name, Side side);

    /// @notice No machine has so many rows.
    error BadRows(uint256 k);
    /// @notice No registration has so many columns.
    error BadColumns(uint256 columns);
    /// @notice The name is empty, too long, or not of ASCII characters that print.
    error BadName();
    /// @notice The columns take another number of proofs.
    error ProofCount(uint256 expected, uint256 found);
    /// @notice The point is not [tau]_2 of the SRS.
    error OtherTau();
    /// @notice A proof does not show that its columns are in range.
    error NotProven(uint256 index);

    /// @notice Verifies the proofs of a registration, and keeps it. Registering again changes nothing.
    /// @param terms What it says.
    /// @param proofs Its proofs.
    /// @param tau [tau]_2 of the SRS, as EIP-197 orders it.
    /// @return digest SHA-256 of the registration's file.
    function register(Terms calldata terms, bytes[] calldata proofs, bytes calldata tau)
        external
        returns (bytes32 digest);

    /// @notice The hash of the columns of a registration as a side of links (`Sides.hash`), or zero where it is not registered.
    /// @param digest SHA-256 of the registration's file.
    function sideHashOf(bytes32 digest) external view returns (bytes32);

    /// @notice SHA-256 of the file of a registration, registered or not.
    /// @param terms What it says.
    /// @param proofs Its proofs.
    function digestOf(Terms calldata terms, bytes[] calldata proofs) external pure returns (bytes32);
}
