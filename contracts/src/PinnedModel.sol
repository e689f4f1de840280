// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

import {InstanceCodec} from "./InstanceCodec.sol";
import {IModelRegistry, Entry} from "./interfaces/IModelRegistry.sol";

/// @title A contract that relies on the proofs of one model
/// @notice The constructor takes the whole entry and keeps its id: the id names the code, the digests and the ports, so
/// nothing else has to be trusted later. Inputs must show in the instance words, else a proof says only that there is
/// some input with these outputs.
abstract contract PinnedModel {
    /// @notice The registry that names the model.
    IModelRegistry public immutable registry;
    /// @notice The model.
    bytes32 public immutable modelId;
    /// @notice Instance words of the inputs: the first ones.
    uint256 public immutable inputWords;
    /// @notice Instance words of the outputs: the rest.
    uint256 public immutable outputWords;

    /// @notice The entry is not registered.
    error NotRegistered(bytes32 id);
    /// @notice No instance word shows the inputs.
    error InputsNotShown();
    /// @notice No instance word shows the outputs.
    error OutputsNotShown();
    /// @notice The proof was not accepted.
    error ProofRefused();

    /// @param registry_ Where the model is registered.
    /// @param entry The model's entry.
    /// @param registrant Who registered it.
    constructor(IModelRegistry registry_, Entry memory entry, address registrant) {
        bytes32 id = registry_.idOf(entry, registrant);
        if (!registry_.isRegistered(id)) revert NotRegistered(id);
        (uint256 inputs, uint256 outputs) = InstanceCodec.wordsOf(entry.ports);
        if (inputs == 0) revert InputsNotShown();
        if (outputs == 0) revert OutputsNotShown();
        registry = registry_;
        modelId = id;
        inputWords = inputs;
        outputWords = outputs;
    }

    /// @notice Reverts unless the model accepts the proof; returns the words of the inputs and those of the outputs.
    function _requireProof(bytes calldata proof, uint256[] calldata instances)
        internal
        view
        returns (uint256[] calldata inputs, uint256[] calldata outputs)
    {
        if (instances.length != inputWords + outputWords) {
            revert InstanceCodec.WordCount(inputWords + outputWords, instances.length);
        }
        if (!registry.verify(modelId, proof, instances)) revert ProofRefused();
        return (instances[:inputWords], instances[inputWords:]);
    }
}
