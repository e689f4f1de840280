// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

/// @title ERC-165: which interfaces a contract has
interface IERC165 {
    /// @notice Whether the contract has the interface. The id of this one is 0x01ffc9a7.
    function supportsInterface(bytes4 interfaceId) external view returns (bool);
}

/// @title ERC-721: tokens that are not alike
/// @dev The ERC-165 identifier is 0x80ac58cd.
interface IERC721 {
    /// @notice A token changed hands, was made (from zero) or ended (to zero).
    event Transfer(address indexed from, address indexed to, uint256 indexed tokenId);
    /// @notice An account may now transfer a token.
    event Approval(address indexed owner, address indexed approved, uint256 indexed tokenId);
    /// @notice An operator may now, or may no longer, act for an owner.
    event ApprovalForAll(address indexed owner, address indexed operator, bool approved);

    /// @notice How many tokens an account owns.
    function balanceOf(address owner) external view returns (uint256);
    /// @notice Who owns a token.
    function ownerOf(uint256 tokenId) external view returns (address);
    /// @notice Transfers a token, asks a receiving contract, and hands it some data.
    function safeTransferFrom(address from, address to, uint256 tokenId, bytes calldata data) external;
    /// @notice Transfers a token and asks a receiving contract.
    function safeTransferFrom(address from, address to, uint256 tokenId) external;
    /// @notice Transfers a token without asking.
    function transferFrom(address from, address to, uint256 tokenId) external;
    /// @notice Lets an account transfer a token.
    function approve(address to, uint256 tokenId) external;
    /// @notice Lets an operator act for the caller, or no longer.
    function setApprovalForAll(address operator, bool approved) external;
    /// @notice Who may transfer a token besides its owner.
    function getApproved(uint256 tokenId) external view returns (address);
    /// @notice Whether an operator may act for an owner.
    function isApprovedForAll(address owner, address operator) external view returns (bool);
}

/// @title Receives tokens that are transferred safely
interface IERC721Receiver {
    /// @notice Answers with this function's selector where the token is welcome.
    function onERC721Received(address operator, address from, uint256 tokenId, bytes calldata data)
        external
        returns (bytes4);
}
