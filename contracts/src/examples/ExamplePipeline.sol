// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

import {Direction, Port, Visibility} from "../Port.sol";
import {Part, Side, Sides} from "../Side.sol";
import {ILinkVerifier} from "../interfaces/ILinkVerifier.sol";
import {IModelRegistry, Entry} from "../interfaces/IModelRegistry.sol";

/// @title Two models, one after the other
/// @notice The second takes in what the first gives out, which nobody sees: both proofs commit to it, and a link shows that they commit to
/// the same values. What the contract records is the second's outputs on the first's inputs.
/// @dev Both proofs are verified, and the sides of the link are taken from the very bytes that were. Proofs whose link is missing, or goes
/// from another port, or from another proof of the same model, say nothing about one another.
contract ExamplePipeline {
    /// @notice A model of the pipeline.
    struct Stage {
        /// Its entry in the registry.
        Entry entry;
        /// Who registered it.
        address registrant;
        /// The port that is linked.
        Part part;
    }

    /// @notice A proof with its instance words.
    struct Proof {
        bytes proof;
        uint256[] instances;
    }

    /// @notice Where both models are registered.
    IModelRegistry public immutable registry;
    /// @notice What judges links.
    ILinkVerifier public immutable linkVerifier;
    /// @notice The first model.
    bytes32 public immutable first;
    /// @notice The second model.
    bytes32 public immutable second;
    /// @notice The port that the first gives out, and the one that the second takes in.
    Part[2] private _parts;

    /// @notice What was shown.
    event Shown(uint256[] firstWords, uint256[] secondWords);

    /// @notice The models can't be linked so.
    error NotLinkable();
    /// @notice A proof was not accepted: the first (0) or the second (1).
    error ProofRefused(uint256 index);
    /// @notice The link was not accepted.
    error LinkRefused();

    /// @param registry_ Where both models are registered.
    /// @param linkVerifier_ What judges links.
    /// @param stages The models.
    constructor(IModelRegistry registry_, ILinkVerifier linkVerifier_, Stage[2] memory stages) {
        (registry, linkVerifier) = (registry_, linkVerifier_);
        first = _pin(registry_, stages[0], Direction.Output);
        second = _pin(registry_, stages[1], Direction.Input);
        (Part memory from, Part memory to) = (stages[0].part, stages[1].part);
        if (from.srs != to.srs || from.k != to.k || from.values != to.values || from.columns != to.columns) {
            revert NotLinkable();
        }
        (_parts[0], _parts[1]) = (from, to);
    }

    /// @notice Shows that the second model gives its outputs on what the first gives out.
    /// @param proofs A proof of each.
    /// @param tau [tau]_2 of the SRS.
    /// @param link The words of the link, from the first proof to the second.
    function show(Proof[2] calldata proofs, bytes calldata tau, bytes calldata link) external {
        if (!registry.verify(first, proofs[0].proof, proofs[0].instances)) revert ProofRefused(0);
        if (!registry.verify(second, proofs[1].proof, proofs[1].instances)) revert ProofRefused(1);
        Side memory from = Sides.ofProof(_parts[0], proofs[0].proof, proofs[0].instances);
        Side memory to = Sides.ofProof(_parts[1], proofs[1].proof, proofs[1].instances);
        if (!linkVerifier.verifyLink(from, to, tau, link)) revert LinkRefused();
        emit Shown(proofs[0].instances, proofs[1].instances);
    }

    /// @notice The id of a stage, which is registered and whose part is a committed port of its entry, in or out as asked for.
    function _pin(IModelRegistry registry_, Stage memory stage, Direction direction) private view returns (bytes32 id) {
        id = registry_.idOf(stage.entry, stage.registrant);
        (Part memory part, Entry memory entry) = (stage.part, stage.entry);
        bool linkable = part.key == entry.key && part.port < entry.ports.length && part.columns != 0;
        if (!registry_.isRegistered(id) || !linkable) revert NotLinkable();
        Port memory port = entry.ports[part.port];
        if (port.direction != direction || port.visibility != Visibility.Committed) revert NotLinkable();
        if (part.values != Sides.valuesOf(port)) revert NotLinkable();
    }
}
