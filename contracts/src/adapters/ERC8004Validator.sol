// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

import {PinnedModel} from "../PinnedModel.sol";
import {IERC8004Validation} from "../interfaces/IERC8004Validation.sol";
import {IModelRegistry, Entry} from "../interfaces/IModelRegistry.sol";

/// @title A validator of agents' work that judges by proofs (ERC-8004, draft of January 2026)
/// @notice An agent claims that the model gives certain outputs on certain inputs, and asks this contract by the hash of
/// that claim. Whoever brings a proof of the claim makes the contract answer 100.
/// @dev There is no answer below 100: a bad proof shows nothing about the agent, and anybody can make one.
contract ERC8004Validator is PinnedModel {
    /// @notice The answer to a claim that was proven.
    uint8 public constant PROVEN = 100;
    /// @notice The tag of all answers. Which model was proven, this contract's address tells.
    string public constant TAG = "zkinfer";

    /// @notice The registry of requests and answers.
    IERC8004Validation public immutable validations;

    /// @notice A claim was proven.
    /// @param requestHash Names the request.
    /// @param agentId The agent.
    /// @param instances The instance words of the claim.
    event Proven(bytes32 indexed requestHash, uint256 indexed agentId, uint256[] instances);

    /// @notice The request was put to another validator, or to none.
    error NotAsked(bytes32 requestHash, address validator);
    /// @notice The request is about another claim.
    error OtherClaim(bytes32 expected, bytes32 found);
    /// @notice The request was answered.
    error AlreadyProven(bytes32 requestHash);

    /// @param validations_ The registry of requests and answers.
    /// @param registry_ Where the model is registered.
    /// @param entry The model's entry.
    /// @param registrant Who registered it.
    constructor(IERC8004Validation validations_, IModelRegistry registry_, Entry memory entry, address registrant)
        PinnedModel(registry_, entry, registrant)
    {
        validations = validations_;
    }

    /// @notice Proves the claim of a request.
    /// @param requestHash Names the request.
    /// @param nonce The agent's number of the request.
    /// @param proof A proof of the model.
    /// @param instances The instance words of inputs and outputs.
    function respond(bytes32 requestHash, uint256 nonce, bytes calldata proof, uint256[] calldata instances) external {
        (address validator, uint256 agentId, uint8 response,,,) = validations.getValidationStatus(requestHash);
        if (validator != address(this)) revert NotAsked(requestHash, validator);
        if (response == PROVEN) revert AlreadyProven(requestHash);
        bytes32 claim = keccak256(claimOf(agentId, nonce, instances));
        if (claim != requestHash) revert OtherClaim(requestHash, claim);
        _requireProof(proof, instances);
        emit Proven(requestHash, agentId, instances);
        validations.validationResponse(requestHash, PROVEN, "", bytes32(0), TAG);
    }

    /// @notice The claim that a request is about: what its URI leads to, and what its hash is of.
    /// @param agentId The agent.
    /// @param nonce Any number that the agent has not used for these instances.
    /// @param instances The instance words of inputs and outputs.
    function claimOf(uint256 agentId, uint256 nonce, uint256[] calldata instances) public view returns (bytes memory) {
        return abi.encode(block.chainid, address(this), modelId, agentId, nonce, instances);
    }
}
