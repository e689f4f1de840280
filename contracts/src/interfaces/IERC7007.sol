// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

/// @title ERC-7007: verifiable AI-generated content tokens
/// @dev As in the Final text of ERC-7007 (created 2023-05-10). The ERC-165 identifier is 0x702c55a6; a compliant
/// contract has ERC-721 and ERC-165 too.
interface IERC7007 {
    /// @notice Content was added to a token.
    event AigcData(uint256 indexed tokenId, bytes indexed prompt, bytes indexed aigcData, bytes proof);

    /// @notice Adds the content that a model makes of a prompt to a token.
    function addAigcData(uint256 tokenId, bytes calldata prompt, bytes calldata aigcData, bytes calldata proof)
        external;

    /// @notice Whether the proof shows that the model makes this content of the prompt.
    function verify(bytes calldata prompt, bytes calldata aigcData, bytes calldata proof)
        external
        view
        returns (bool success);
}
