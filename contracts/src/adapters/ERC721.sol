// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

import {IERC165, IERC721, IERC721Receiver} from "../interfaces/IERC721.sol";

/// @title The obligatory part of ERC-721
abstract contract ERC721 is IERC165, IERC721 {
    /// @notice Owners by token.
    mapping(uint256 tokenId => address owner) private _owners;
    /// @notice How many tokens an account owns.
    mapping(address owner => uint256 count) private _balances;
    /// @notice Who may transfer a token besides its owner.
    mapping(uint256 tokenId => address approved) private _approved;
    /// @notice Who may act for an owner.
    mapping(address owner => mapping(address operator => bool approved)) private _operators;

    /// @notice There is no such token.
    error UnknownToken(uint256 tokenId);
    /// @notice There is such a token already.
    error TokenExists(uint256 tokenId);
    /// @notice The zero address owns nothing.
    error ZeroAddress();
    /// @notice The account does not own the token.
    error NotOwner(uint256 tokenId, address account);
    /// @notice The account may not act for the token's owner.
    error NotApproved(uint256 tokenId, address account);
    /// @notice The contract does not take tokens.
    error ReceiverRefused(address receiver);

    /// @inheritdoc IERC165
    function supportsInterface(bytes4 interfaceId) public view virtual returns (bool) {
        return interfaceId == type(IERC165).interfaceId || interfaceId == type(IERC721).interfaceId;
    }

    /// @inheritdoc IERC721
    function balanceOf(address owner) external view returns (uint256) {
        if (owner == address(0)) revert ZeroAddress();
        return _balances[owner];
    }

    /// @inheritdoc IERC721
    function ownerOf(uint256 tokenId) public view returns (address owner) {
        owner = _owners[tokenId];
        if (owner == address(0)) revert UnknownToken(tokenId);
    }

    /// @inheritdoc IERC721
    function approve(address to, uint256 tokenId) external {
        address owner = ownerOf(tokenId);
        if (msg.sender != owner && !_operators[owner][msg.sender]) revert NotApproved(tokenId, msg.sender);
        _approved[tokenId] = to;
        emit Approval(owner, to, tokenId);
    }

    /// @inheritdoc IERC721
    function setApprovalForAll(address operator, bool approved) external {
        _operators[msg.sender][operator] = approved;
        emit ApprovalForAll(msg.sender, operator, approved);
    }

    /// @inheritdoc IERC721
    function getApproved(uint256 tokenId) external view returns (address) {
        ownerOf(tokenId);
        return _approved[tokenId];
    }

    /// @inheritdoc IERC721
    function isApprovedForAll(address owner, address operator) external view returns (bool) {
        return _operators[owner][operator];
    }

    /// @inheritdoc IERC721
    function transferFrom(address from, address to, uint256 tokenId) public {
        if (to == address(0)) revert ZeroAddress();
        _requireApproved(tokenId, msg.sender);
        if (ownerOf(tokenId) != from) revert NotOwner(tokenId, from);
        delete _approved[tokenId];
        --_balances[from];
        ++_balances[to];
        _owners[tokenId] = to;
        emit Transfer(from, to, tokenId);
    }

    /// @inheritdoc IERC721
    function safeTransferFrom(address from, address to, uint256 tokenId) external {
        safeTransferFrom(from, to, tokenId, "");
    }

    /// @inheritdoc IERC721
    function safeTransferFrom(address from, address to, uint256 tokenId, bytes memory data) public {
        transferFrom(from, to, tokenId);
        if (to.code.length == 0) return;
        bytes4 answer = IERC721Receiver(to).onERC721Received(msg.sender, from, tokenId, data);
        if (answer != IERC721Receiver.onERC721Received.selector) revert ReceiverRefused(to);
    }

    /// @notice Makes a token. Contracts are not asked: who calls for a token takes it.
    function _mint(address to, uint256 tokenId) internal {
        if (to == address(0)) revert ZeroAddress();
        if (_owners[tokenId] != address(0)) revert TokenExists(tokenId);
        ++_balances[to];
        _owners[tokenId] = to;
        emit Transfer(address(0), to, tokenId);
    }

    /// @notice Reverts unless the account owns the token, or may act for who does.
    function _requireApproved(uint256 tokenId, address account) internal view {
        address owner = ownerOf(tokenId);
        if (account != owner && account != _approved[tokenId] && !_operators[owner][account]) {
            revert NotApproved(tokenId, account);
        }
    }
}
