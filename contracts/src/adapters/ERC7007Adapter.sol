// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

import {PinnedModel} from "../PinnedModel.sol";
import {IERC165} from "../interfaces/IERC721.sol";
import {IERC7007} from "../interfaces/IERC7007.sol";
import {IModelRegistry, Entry} from "../interfaces/IModelRegistry.sol";
import {ERC721} from "./ERC721.sol";

/// @title Tokens for what one model makes of prompts (ERC-7007)
/// @notice A prompt is the instance words of the model's inputs, 32 bytes each, and the content those of its outputs.
/// Both lengths are fixed by the model, so the two never run into each other, and each tensor has one prompt.
/// @dev A token's id is the hash of its prompt. A prompt is claimed in two steps: first a commitment that hides it and names
/// the claimer, then, `COMMITMENT_AGE` later, the prompt. Who first learns of it from the queue of transactions has to hold
/// the claimer's transaction off for that long.
contract ERC7007Adapter is PinnedModel, ERC721, IERC7007 {
    /// @notice Seconds that a commitment has to be old.
    uint256 public constant COMMITMENT_AGE = 60;

    /// @notice When a commitment was made, in seconds, or zero.
    mapping(bytes32 commitment => uint256 time) public committedAt;
    /// @notice Hash of the content of a token, or zero.
    mapping(uint256 tokenId => bytes32 hash) public contentOf;

    /// @notice A prompt was committed to.
    event Committed(bytes32 indexed commitment);

    /// @notice There is no commitment, or not for long enough.
    error NotCommitted(bytes32 commitment);
    /// @notice The prompt or the content has another length than the model's words.
    error ByteCount(uint256 expected, uint256 found);
    /// @notice The token belongs to another prompt.
    error OtherPrompt(uint256 tokenId, uint256 found);
    /// @notice The token has its content.
    error ContentExists(uint256 tokenId);

    /// @param registry_ Where the model is registered.
    /// @param entry The model's entry.
    /// @param registrant Who registered it.
    constructor(IModelRegistry registry_, Entry memory entry, address registrant)
        PinnedModel(registry_, entry, registrant)
    {}

    /// @notice Announces that the caller will mint a prompt.
    /// @param commitment As `commitmentOf` gives it.
    function commit(bytes32 commitment) external {
        if (committedAt[commitment] == 0) committedAt[commitment] = block.timestamp;
        emit Committed(commitment);
    }

    /// @notice Mints the token of a prompt that the caller committed to long enough ago.
    /// @param prompt The instance words of the inputs.
    /// @param salt Drawn at random, so that the commitment hides the prompt.
    /// @return tokenId Hash of the prompt.
    function mint(bytes calldata prompt, bytes32 salt) external returns (uint256 tokenId) {
        if (prompt.length != 32 * inputWords) revert ByteCount(32 * inputWords, prompt.length);
        tokenId = tokenOf(prompt);
        bytes32 commitment = commitmentOf(msg.sender, tokenId, salt);
        uint256 committed = committedAt[commitment];
        if (committed == 0 || block.timestamp < committed + COMMITMENT_AGE) revert NotCommitted(commitment);
        delete committedAt[commitment];
        _mint(msg.sender, tokenId);
    }

    /// @inheritdoc IERC7007
    /// @dev For the token's owner and those who may act for it; once for each token.
    function addAigcData(uint256 tokenId, bytes calldata prompt, bytes calldata aigcData, bytes calldata proof)
        external
    {
        _requireApproved(tokenId, msg.sender);
        if (tokenOf(prompt) != tokenId) revert OtherPrompt(tokenId, tokenOf(prompt));
        if (contentOf[tokenId] != 0) revert ContentExists(tokenId);
        if (!verify(prompt, aigcData, proof)) revert ProofRefused();
        contentOf[tokenId] = keccak256(aigcData);
        emit AigcData(tokenId, prompt, aigcData, proof);
    }

    /// @inheritdoc IERC7007
    function verify(bytes calldata prompt, bytes calldata aigcData, bytes calldata proof)
        public
        view
        returns (bool success)
    {
        if (prompt.length != 32 * inputWords || aigcData.length != 32 * outputWords) return false;
        uint256[] memory instances = abi.decode(
            bytes.concat(abi.encode(32, inputWords + outputWords), prompt, aigcData), (uint256[])
        );
        return registry.verify(modelId, proof, instances);
    }

    /// @notice The token of a prompt.
    /// @param prompt The instance words of the inputs.
    function tokenOf(bytes calldata prompt) public pure returns (uint256) {
        return uint256(keccak256(prompt));
    }

    /// @notice The commitment to a prompt.
    /// @param claimer Who will mint.
    /// @param tokenId The token of the prompt.
    /// @param salt Drawn at random.
    function commitmentOf(address claimer, uint256 tokenId, bytes32 salt) public view returns (bytes32) {
        return keccak256(abi.encode(block.chainid, address(this), claimer, tokenId, salt));
    }

    /// @inheritdoc IERC165
    function supportsInterface(bytes4 interfaceId) public view override returns (bool) {
        return interfaceId == type(IERC7007).interfaceId || super.supportsInterface(interfaceId);
    }
}
