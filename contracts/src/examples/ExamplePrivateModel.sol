// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

import {Evidence, PinnedWeights, PrivateModel} from "../PinnedWeights.sol";
import {Entry} from "../interfaces/IModelRegistry.sol";

/// @title Payments for what one private model says
/// @notice Somebody deposits a price for the model's outputs on an input, and names who may answer. Only a proof about that input,
/// with a link to the registered weights, is paid for: a model of the same form with other weights is not the model asked for.
/// @dev A question's id holds chain, contract, model, weights, input, asker, and the asker's count of questions, and is answered once.
/// Nothing is keyed on the bytes of proofs or links, which their maker can draw anew.
contract ExamplePrivateModel is PinnedWeights {
    /// @notice A question.
    struct Question {
        /// Who may answer, and is paid; zero once the question is answered.
        address solver;
        /// What is paid, in wei.
        uint96 price;
        /// Hash of the input's instance words.
        bytes32 inputHash;
    }

    /// @notice Questions by id.
    mapping(bytes32 id => Question question) public questions;
    /// @notice How many questions an account has asked.
    mapping(address asker => uint256 count) public nonces;

    /// @notice A question was asked.
    event Asked(bytes32 indexed id, address indexed asker, address indexed solver, bytes32 inputHash, uint256 price);
    /// @notice A question was answered.
    /// @param id The question.
    /// @param outputs The instance words of the outputs.
    event Answered(bytes32 indexed id, uint256[] outputs);

    /// @notice The price does not fit 96 bits, or nobody is named to answer.
    error BadQuestion();
    /// @notice The caller may not answer, or nobody may any more.
    error NotAllowed(address caller);
    /// @notice The proof is about another input.
    error OtherInput(bytes32 expected, bytes32 found);
    /// @notice The solver did not take the payment.
    error PaymentFailed(address solver);

    /// @param model What names the model.
    /// @param entry The program's entry.
    constructor(PrivateModel memory model, Entry memory entry) PinnedWeights(model, entry) {}

    /// @notice Asks. The value sent is the price.
    /// @param inputHash Hash of the input's instance words.
    /// @param solver Who may answer.
    /// @return id Names the question.
    function ask(bytes32 inputHash, address solver) external payable returns (bytes32 id) {
        if (msg.value > type(uint96).max || solver == address(0)) revert BadQuestion();
        id = keccak256(
            abi.encode(block.chainid, address(this), modelId, weights, inputHash, msg.sender, nonces[msg.sender]++)
        );
        questions[id] = Question({solver: solver, price: uint96(msg.value), inputHash: inputHash});
        emit Asked(id, msg.sender, solver, inputHash, msg.value);
    }

    /// @notice Answers a question.
    function answer(bytes32 id, Evidence calldata evidence) external {
        Question memory question = questions[id];
        if (question.solver != msg.sender) revert NotAllowed(msg.sender);
        (uint256[] calldata inputs, uint256[] calldata outputs) = _requireModel(evidence);
        bytes32 inputHash = keccak256(abi.encodePacked(inputs));
        if (inputHash != question.inputHash) revert OtherInput(question.inputHash, inputHash);
        delete questions[id];
        emit Answered(id, outputs);
        (bool paid,) = question.solver.call{value: question.price}("");
        if (!paid) revert PaymentFailed(question.solver);
    }
}
