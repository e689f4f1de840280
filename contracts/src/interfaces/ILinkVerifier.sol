// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

import {Side} from "../Side.sol";

/// @title A judge of links
/// @notice A link shows that the columns of two commitments hold the same values in all rows but the last ones, and nothing else
/// about them: that the weights of a proof are registered ones, or that one proof takes in what another gives out.
interface ILinkVerifier {
    /// @notice Bases were certified, so that links over them take less gas.
    /// @param id Names SRS, number of rows, bases and certificate.
    event BasesCertified(bytes32 indexed id);

    /// @notice Whether `link` shows that two sides hold the same values.
    /// @dev False for whatever is malformed, besides calldata that the ABI does not decode. Reverts where gas runs out. Nothing
    /// follows for a side whose proof, or registration, was not verified.
    /// @param from One side.
    /// @param to The other.
    /// @param tau [tau]_2 of the sides' SRS, as EIP-197 orders it.
    /// @param link The words of the link.
    function verifyLink(Side calldata from, Side calldata to, bytes calldata tau, bytes calldata link)
        external
        view
        returns (bool);

    /// @notice Checks the bases of the last rows that links carry, once and for all who use them.
    /// @param srs The SRS.
    /// @param k The columns have 2^k rows.
    /// @param tau [tau]_2 of the SRS.
    /// @param bases The bases by increasing rows, then their certificate: what a link starts with.
    /// @return Whether they are the bases of the last rows. Nothing is stored where they are not.
    function certifyBases(bytes32 srs, uint8 k, bytes calldata tau, bytes calldata bases) external returns (bool);
}
