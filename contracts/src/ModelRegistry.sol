// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

import {InstanceCodec} from "./InstanceCodec.sol";
import {IModelRegistry, Entry} from "./interfaces/IModelRegistry.sol";
import {IZkinferModel} from "./interfaces/IZkinferModel.sol";

/// @title The registry of models
/// @notice No owner, no upgrade, no removal: an entry says the same for ever. Anybody may register anything; what an
/// entry is worth is for those who pin its id to find out (`zkinfer` compares code hashes and digests).
/// @dev Two slots per model. All else that an entry holds is in the id, which is its hash, and in the event. The
/// registrant is part of the id, so nobody can take an id from somebody else by registering first.
contract ModelRegistry is IModelRegistry {
    /// @notice What `verify` needs, in two slots.
    struct Record {
        /// The model's contract.
        address model;
        /// Its number of instance words.
        uint96 words;
        /// Hash of its code.
        bytes32 codeHash;
    }

    /// @notice Records by id.
    mapping(bytes32 id => Record record) private _records;

    /// @inheritdoc IModelRegistry
    function register(Entry memory entry) external returns (bytes32 id) {
        _requireCode(entry.verifier, entry.verifierCodeHash);
        _requireCode(entry.model, entry.modelCodeHash);
        (uint256 inputWords, uint256 outputWords) = InstanceCodec.wordsOf(entry.ports);
        uint256 words = inputWords + outputWords;
        if (words == 0 || words > type(uint32).max) revert InstanceWordCount(words);

        id = idOf(entry, msg.sender);
        if (isRegistered(id)) revert AlreadyRegistered(id);
        _records[id] = Record({model: entry.model, words: uint96(words), codeHash: entry.modelCodeHash});
        emit ModelRegistered(id, entry.model, msg.sender, entry);
    }

    /// @inheritdoc IModelRegistry
    function verify(bytes32 id, bytes calldata proof, uint256[] calldata instances) external view returns (bool) {
        Record storage record = _records[id];
        address model = record.model;
        if (model == address(0) || instances.length != record.words || model.codehash != record.codeHash) return false;
        (bool ok, bool accepted) = _ask(model, abi.encodeCall(IZkinferModel.verifyProof, (proof, instances)));
        if (!ok) revert ModelFailed(id);
        return accepted;
    }

    /// @inheritdoc IModelRegistry
    function idOf(Entry memory entry, address registrant) public view returns (bytes32 id) {
        return keccak256(abi.encode(block.chainid, address(this), registrant, entry));
    }

    /// @inheritdoc IModelRegistry
    function isRegistered(bytes32 id) public view returns (bool) {
        return _records[id].model != address(0);
    }

    /// @inheritdoc IModelRegistry
    function modelOf(bytes32 id) external view returns (address model, bytes32 codeHash, uint256 words) {
        if (!isRegistered(id)) revert UnknownModel(id);
        Record storage record = _records[id];
        return (record.model, record.codeHash, record.words);
    }

    /// @notice Asks a model: whether the call went through, and whether it answered exactly the word 1.
    /// @dev In assembly, so that an answer of any length costs nothing. Where there is no code, the answer is empty.
    function _ask(address model, bytes memory call_) private view returns (bool ok, bool accepted) {
        assembly ("memory-safe") {
            ok := staticcall(gas(), model, add(call_, 0x20), mload(call_), 0x00, 0x20)
            accepted := and(eq(returndatasize(), 0x20), eq(mload(0x00), 1))
        }
    }

    /// @notice Reverts unless the account has the code that the hash names.
    function _requireCode(address account, bytes32 expected) private view {
        if (account.code.length == 0) revert NoCode(account);
        bytes32 found = account.codehash;
        if (found != expected) revert CodeHashMismatch(account, expected, found);
    }
}
