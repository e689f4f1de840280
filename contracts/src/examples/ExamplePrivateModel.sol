// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

import {Evidence, PinnedWeights, PrivateModel} from "../PinnedWeights.sol";
import {Entry} from "../interfaces/IModelRegistry.sol";

/// @title Payments for what one private model says
/// @notice Somebody deposits a price for the model's outputs on an input, and names who may answer and until when; afterwards the price can
/// be taken back. Only a proof about that input, with a link to the registered weights, is paid for: a model of the same form with other
/// weights is not the model asked for.
/// @dev A question's id holds chain, contract, model, weights, input, asker, and the asker's count of questions, and is answered or
/// cancelled once.
/// Nothing is keyed on the bytes of proofs or links, which their maker can draw anew.
contract ExamplePrivateModel is PinnedWeights {
    /// @notice A question.
    struct Question {
        /// Who may answer, and is paid; zero once the question is answered or cancelled.
        address solver;
        /// What is paid, in wei.
        uint96 price;
        /// Who asks, and may cancel after the deadline.
        address asker;
        /// Until when, in seconds of the chain's clock.
        uint48 deadline;
        /// Hash of the input's instance words.
        bytes32 inputHash;
    }

    /// @notice Questions by id.
    mapping(bytes32 id => Question question) public questions;
    /// @notice How many questions an account has asked.
    mapping(address asker => uint256 count) public nonces;

    /// @notice A question was asked.
    event Asked(
        bytes32 indexed id,
        address indexed asker,
        address indexed solver,
        bytes32 inputHash,
        uint256 price,
        uint256 deadline
    );
    /// @notice A question was answered.
    /// @param id The question.
    /// @param outputs The instance words of the outputs.
    event Answered(bytes32 indexed id, uint256[] outputs);
    /// @notice A question was cancelled and its price returned.
    event Cancelled(bytes32 indexed id);

    /// @notice The price does not fit 96 bits, or nobody is named to answer.
    error BadQuestion();
    /// @notice The caller may not do this, or nobody may any more.
    error NotAllowed(address caller);
    /// @notice The deadline has passed.
    error TooLate(uint256 deadline);
    /// @notice The deadline has not passed.
    error TooEarly(uint256 deadline);
    /// @notice The proof is about another input.
    error OtherInput(bytes32 expected, bytes32 found);
    /// @notice The receiver did not take the payment.
    error PaymentFailed(address receiver);

    /// @param model What names the model.
    /// @param entry The program's entry.
    constructor(PrivateModel memory model, Entry memory entry) PinnedWeights(model, entry) {}

    /// @notice Asks. The value sent is the price.
    /// @param inputHash Hash of the input's instance words.
    /// @param solver Who may answer.
    /// @param deadline Until when; afterwards the asker may cancel.
    /// @return id Names the question.
    function ask(bytes32 inputHash, address solver, uint48 deadline) external payable returns (bytes32 id) {
        if (msg.value > type(uint96).max || solver == address(0)) revert BadQuestion();
        if (deadline < block.timestamp) revert TooLate(deadline);
        id = keccak256(
            abi.encode(block.chainid, address(this), modelId, weights, inputHash, msg.sender, nonces[msg.sender]++)
        );
        questions[id] = Question({
            solver: solver,
            price: uint96(msg.value),
            asker: msg.sender,
            deadline: deadline,
            inputHash: inputHash
        });
        emit Asked(id, msg.sender, solver, inputHash, msg.value, deadline);
    }

    /// @notice Answers a question, and takes the price.
    /// @param id The question.
    /// @param evidence A proof of the model about the question's input, and what shows that it is about the registered weights.
    function answer(bytes32 id, Evidence calldata evidence) external {
        Question memory question = questions[id];
        if (question.solver != msg.sender) revert NotAllowed(msg.sender);
        if (block.timestamp > question.deadline) revert TooLate(question.deadline);
        (uint256[] calldata inputs, uint256[] calldata outputs) = _requireModel(evidence);
        bytes32 inputHash = keccak256(abi.encodePacked(inputs));
        if (inputHash != question.inputHash) revert OtherInput(question.inputHash, inputHash);
        delete questions[id];
        emit Answered(id, outputs);
        _pay(msg.sender, question.price);
    }

    /// @notice Takes an unanswered question back after its deadline.
    /// @param id The question.
    function cancel(bytes32 id) external {
        Question memory question = questions[id];
        if (question.solver == address(0) || question.asker != msg.sender) revert NotAllowed(msg.sender);
        if (block.timestamp <= question.deadline) revert TooEarly(question.deadline);
        delete questions[id];
        emit Cancelled(id);
        _pay(msg.sender, question.price);
    }

    /// @notice Sends wei; the last thing that a function does.
    function _pay(address receiver, uint256 amount) private {
        (bool paid,) = receiver.call{value: amount}("");
        if (!paid) revert PaymentFailed(receiver);
    }
}
