// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

import {PinnedModel} from "./PinnedModel.sol";
import {Part, Side, Sides} from "./Side.sol";
import {ILinkVerifier} from "./interfaces/ILinkVerifier.sol";
import {IModelRegistry, Entry} from "./interfaces/IModelRegistry.sol";
import {IWeightsRegistry} from "./interfaces/IWeightsRegistry.sol";

/// @notice What names a model with private weights: its program, and the weights.
struct PrivateModel {
    /// Where programs are registered.
    IModelRegistry registry;
    /// Where weights are registered.
    IWeightsRegistry weightsRegistry;
    /// What judges links.
    ILinkVerifier linkVerifier;
    /// Who registered the program.
    address registrant;
    /// Which columns of the proofs are the weights.
    Part part;
    /// SHA-256 of the weights' registration.
    bytes32 weights;
}

/// @notice A proof of a model with private weights, and what shows whose weights they are.
struct Evidence {
    /// The bytes of the proof.
    bytes proof;
    /// Its instance words.
    uint256[] instances;
    /// The registered columns, as their registration's event has them.
    Side registered;
    /// [tau]_2 of the SRS.
    bytes tau;
    /// The words of the link, from the registration to the proof.
    bytes link;
}

/// @title A contract that relies on the proofs of one model whose weights nobody sees
/// @notice The constructor takes the entry of the program and the registration of the weights, and keeps what names them. A proof alone
/// says "with some weights"; the link that is asked for besides says that they are the registered ones. So whoever has the key of
/// the program and other weights proves nothing here.
/// @dev The part is as much to be trusted as the entry: it says which of a proof's commitments are the weights. Compare both with what
/// `zkinfer evm export` derives from the verifying key.
abstract contract PinnedWeights is PinnedModel {
    /// @notice What judges links.
    ILinkVerifier public immutable linkVerifier;
    /// @notice SHA-256 of the weights' registration.
    bytes32 public immutable weights;
    /// @notice Hash of the registered columns as a side of links.
    bytes32 public immutable weightsSide;

    /// @notice The key of the program.
    bytes32 private immutable _key;
    /// @notice Its SRS.
    bytes32 private immutable _srs;
    /// @notice Numbers of the part: 8 bits of k, 16 each of blinded rows, first column and columns.
    uint56 private immutable _numbers;

    /// @notice No such weights are registered.
    error WeightsNotRegistered(bytes32 digest);
    /// @notice The part is not that of the private weights of the entry's key.
    error NotTheWeights();
    /// @notice The columns are not the registered ones.
    error OtherWeights(bytes32 expected, bytes32 found);
    /// @notice The link between the registered weights and those of the proof was not accepted.
    error LinkRefused();

    /// @param model What names the model.
    /// @param entry The program's entry.
    constructor(PrivateModel memory model, Entry memory entry) PinnedModel(model.registry, entry, model.registrant) {
        Part memory part = model.part;
        bool areWeights = part.port == Sides.WEIGHTS && part.values == Sides.PROVEN_WEIGHTS && part.columns != 0;
        if (part.key != entry.key || !areWeights) revert NotTheWeights();
        bytes32 side = model.weightsRegistry.sideHashOf(model.weights);
        if (side == 0) revert WeightsNotRegistered(model.weights);
        (linkVerifier, weights, weightsSide) = (model.linkVerifier, model.weights, side);
        (_key, _srs) = (part.key, part.srs);
        _numbers = uint56(part.k) << 48 | uint56(part.blindedRows) << 32 | uint56(part.firstColumn) << 16
            | uint56(part.columns);
    }

    /// @notice Which columns of the proofs are the weights.
    function weightsPart() public view returns (Part memory) {
        return Part({
            key: _key,
            srs: _srs,
            values: Sides.PROVEN_WEIGHTS,
            k: uint8(_numbers >> 48),
            blindedRows: uint16(_numbers >> 32),
            firstColumn: uint16(_numbers >> 16),
            columns: uint16(_numbers),
            port: Sides.WEIGHTS
        });
    }

    /// @notice Reverts unless the model accepts the proof, and the link shows that its weights are the registered ones; returns the
    /// words of the inputs and those of the outputs.
    function _requireModel(Evidence calldata evidence)
        internal
        view
        returns (uint256[] calldata inputs, uint256[] calldata outputs)
    {
        (inputs, outputs) = _requireProof(evidence.proof, evidence.instances);
        bytes32 found = Sides.hash(evidence.registered);
        if (found != weightsSide) revert OtherWeights(weightsSide, found);
        Side memory proven = Sides.ofProof(weightsPart(), evidence.proof, evidence.instances);
        bool linked = linkVerifier.verifyLink(evidence.registered, proven, evidence.tau, evidence.link);
        if (!linked) revert LinkRefused();
    }
}
