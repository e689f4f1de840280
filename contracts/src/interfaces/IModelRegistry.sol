// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

import {Port} from "../Port.sol";

/// @notice What a registration says of a model.
struct Entry {
    /// The universal verifier that the model's contract delegates to.
    address verifier;
    /// Hash of the verifier's code.
    bytes32 verifierCodeHash;
    /// The model's contract.
    address model;
    /// Hash of the model's code.
    bytes32 modelCodeHash;
    /// Digest of the integer program.
    bytes32 program;
    /// Digest of the verifying key.
    bytes32 key;
    /// SHA-256 of the model's file, or zeros where there was none.
    bytes32 source;
    /// All ports, inputs first.
    Port[] ports;
}

/// @title A registry of models whose proofs contracts rely on
/// @notice An id commits to the chain, the registry, the registrant and the whole entry. Whoever pins an id pins all that.
interface IModelRegistry {
    /// @notice A model was registered.
    /// @param id Names the entry.
    /// @param model The model's contract.
    /// @param registrant Who registered it.
    /// @param entry All that the id commits to, besides the chain, the registry and the registrant.
    event ModelRegistered(bytes32 indexed id, address indexed model, address indexed registrant, Entry entry);

    /// @notice The registrant has registered this entry before.
    error AlreadyRegistered(bytes32 id);
    /// @notice No entry has this id.
    error UnknownModel(bytes32 id);
    /// @notice An address without code.
    error NoCode(address account);
    /// @notice The code at an address is another than the entry says.
    error CodeHashMismatch(address account, bytes32 expected, bytes32 found);
    /// @notice The model's contract reverted: it ran out of gas, or is none that `zkinfer` makes.
    error ModelFailed(bytes32 id);
    /// @notice The ports take no instance words, or more than a proof can have.
    error InstanceWordCount(uint256 words);

    /// @notice Registers a model under the caller's name. Entries are final.
    /// @param entry What to register; the code hashes are compared with those of the chain.
    /// @return id Names the entry.
    function register(Entry calldata entry) external returns (bytes32 id);

    /// @notice Whether `proof` is accepted by the model named `id` for `instances`.
    /// @dev False also where the id is unknown, the model's code is no longer what was registered, the number of words is
    /// another, or the model answers anything but the word 1. Reverts where the model reverts, so that too little gas is not
    /// taken for a verdict. Act on true alone: a refused proof does not show that there is no good one.
    /// @param id Names the model.
    /// @param proof The bytes of the proof.
    /// @param instances The instance words of all public ports.
    function verify(bytes32 id, bytes calldata proof, uint256[] calldata instances) external view returns (bool);

    /// @notice The id of an entry, registered or not.
    /// @param entry The entry.
    /// @param registrant Who registers it.
    function idOf(Entry calldata entry, address registrant) external view returns (bytes32 id);

    /// @notice Whether an id names an entry.
    /// @param id The id.
    function isRegistered(bytes32 id) external view returns (bool);

    /// @notice What the registry stores of a model: its contract, the hash of its code, and its number of instance words.
    /// @param id Names the model; reverts where it names none.
    function modelOf(bytes32 id) external view returns (address model, bytes32 codeHash, uint256 words);
}
