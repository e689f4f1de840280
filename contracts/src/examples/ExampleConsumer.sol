// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

import {InstanceCodec} from "../InstanceCodec.sol";
import {PinnedModel} from "../PinnedModel.sol";
import {Direction, Kind, Port, Visibility} from "../Port.sol";
import {IModelRegistry, Entry} from "../interfaces/IModelRegistry.sol";

/// @title Bounties for classifications that a model proves
/// @notice Somebody asks for the class of an input (a picture, say), names a solver and deposits a bounty. The solver
/// proves the model's scores for that very input; the contract records the class with the highest score and pays.
/// @dev What keeps a proof from being used twice, or by somebody else:
/// - a request's id is the hash of the chain, this contract, the model, the input, the requester and the requester's
///   count of requests. It is answered once. Proofs are re-randomizable, so nothing is keyed on their bytes;
/// - the request names who may answer it, so a proof seen in the queue of transactions is of no use to others;
/// - instance words that the model accepts are canonical, so an input has one hash.
contract ExampleConsumer is PinnedModel {
    using InstanceCodec for Port;

    /// @notice Where a request stands.
    enum State {
        None,
        Open,
        Answered,
        Cancelled
    }

    /// @notice A request, in three slots.
    struct Request {
        /// Who asks, and may cancel after the deadline.
        address requester;
        /// What is paid, in wei.
        uint96 bounty;
        /// Who may answer.
        address solver;
        /// Until when, in seconds of the chain's clock.
        uint48 deadline;
        /// The answer: the class with the highest score.
        uint32 class;
        /// Where the request stands.
        State state;
        /// Hash of the input's instance words.
        bytes32 inputHash;
    }

    /// @notice Requests by id.
    mapping(bytes32 id => Request request) public requests;
    /// @notice How many requests an account has made.
    mapping(address requester => uint256 count) public nonces;

    /// @notice Smallest score.
    int64 private immutable _lo;
    /// @notice Largest score.
    int64 private immutable _hi;
    /// @notice Number of scores.
    uint32 private immutable _classes;
    /// @notice Mantissa of the scores' scale.
    uint64 private immutable _scaleMantissa;
    /// @notice Exponent of the scores' scale.
    int16 private immutable _scaleExponent;

    /// @notice A request was made.
    event Requested(
        bytes32 indexed id, address indexed requester, address indexed solver, bytes32 inputHash, uint256 bounty
    );
    /// @notice A request was answered.
    /// @param id The request.
    /// @param class The class with the highest score.
    /// @param score The score as a real number with 18 decimals.
    event Answered(bytes32 indexed id, uint256 indexed class, int256 score);
    /// @notice A request was cancelled and its bounty returned.
    event Cancelled(bytes32 indexed id);

    /// @notice The model's outputs are not one public tensor of two or more scores.
    error NotAClassifier();
    /// @notice The bounty does not fit 96 bits.
    error BountyTooLarge(uint256 bounty);
    /// @notice The request is not open.
    error NotOpen(bytes32 id, State state);
    /// @notice The caller may not do this.
    error NotAllowed(address expected, address found);
    /// @notice The deadline has passed.
    error TooLate(uint256 deadline);
    /// @notice The deadline has not passed.
    error TooEarly(uint256 deadline);
    /// @notice The proof is about another input.
    error OtherInput(bytes32 expected, bytes32 found);
    /// @notice The receiver did not take the payment.
    error PaymentFailed(address receiver);

    /// @param registry_ Where the model is registered.
    /// @param entry The model's entry; its last port is the only output, public, with a score for each class.
    /// @param registrant Who registered it.
    constructor(IModelRegistry registry_, Entry memory entry, address registrant)
        PinnedModel(registry_, entry, registrant)
    {
        uint256 last = entry.ports.length - 1;
        Port memory scores = entry.ports[last];
        bool onlyOutput = last == 0 || entry.ports[last - 1].direction == Direction.Input;
        if (!onlyOutput || scores.visibility != Visibility.Public || scores.kind != Kind.Real || scores.elements < 2) {
            revert NotAClassifier();
        }
        // A scale with which a score would not fit its event is found now and not after somebody has proven.
        scores.toFixed(scores.lo);
        scores.toFixed(scores.hi);
        _lo = scores.lo;
        _hi = scores.hi;
        _classes = scores.elements;
        _scaleMantissa = scores.scaleMantissa;
        _scaleExponent = scores.scaleExponent;
    }

    /// @notice Asks for the class of an input. The value sent is the bounty.
    /// @param inputHash Hash of the input's instance words (`hashOf`).
    /// @param solver Who may answer.
    /// @param deadline Until when; afterwards the requester may cancel.
    /// @return id Names the request.
    function request(bytes32 inputHash, address solver, uint48 deadline) external payable returns (bytes32 id) {
        if (msg.value > type(uint96).max) revert BountyTooLarge(msg.value);
        if (deadline < block.timestamp) revert TooLate(deadline);
        id = keccak256(
            abi.encode(block.chainid, address(this), modelId, inputHash, msg.sender, nonces[msg.sender]++)
        );
        requests[id] = Request({
            requester: msg.sender,
            bounty: uint96(msg.value),
            solver: solver,
            deadline: deadline,
            class: 0,
            state: State.Open,
            inputHash: inputHash
        });
        emit Requested(id, msg.sender, solver, inputHash, msg.value);
    }

    /// @notice Answers a request with a proof, and takes the bounty.
    /// @param id The request.
    /// @param proof A proof of the model.
    /// @param instances The instance words: the input's, then the scores'.
    /// @return class The class with the highest score; the first of several.
    function answer(bytes32 id, bytes calldata proof, uint256[] calldata instances) external returns (uint256 class) {
        Request storage asked = requests[id];
        if (asked.state != State.Open) revert NotOpen(id, asked.state);
        if (asked.solver != msg.sender) revert NotAllowed(asked.solver, msg.sender);
        if (block.timestamp > asked.deadline) revert TooLate(asked.deadline);

        (uint256[] calldata inputs, uint256[] calldata outputs) = _requireProof(proof, instances);
        bytes32 inputHash = hashOf(inputs);
        if (inputHash != asked.inputHash) revert OtherInput(asked.inputHash, inputHash);

        Port memory port = scorePort();
        int64[] memory scores = port.unpack(outputs);
        class = InstanceCodec.argMax(scores);
        asked.state = State.Answered;
        asked.class = uint32(class);
        emit Answered(id, class, port.toFixed(scores[class]));
        _pay(msg.sender, asked.bounty);
    }

    /// @notice Takes an unanswered request back after its deadline.
    /// @param id The request.
    function cancel(bytes32 id) external {
        Request storage asked = requests[id];
        if (asked.state != State.Open) revert NotOpen(id, asked.state);
        if (asked.requester != msg.sender) revert NotAllowed(asked.requester, msg.sender);
        if (block.timestamp <= asked.deadline) revert TooEarly(asked.deadline);
        asked.state = State.Cancelled;
        emit Cancelled(id);
        _pay(msg.sender, asked.bounty);
    }

    /// @notice Names an input by its instance words. Their number is fixed, so the concatenation has one reading.
    /// @param inputs The words.
    function hashOf(uint256[] calldata inputs) public pure returns (bytes32) {
        return keccak256(abi.encodePacked(inputs));
    }

    /// @notice The port of the scores, as far as decoding needs it; its name is left out.
    function scorePort() public view returns (Port memory) {
        return Port({
            nameHash: bytes32(0),
            direction: Direction.Output,
            visibility: Visibility.Public,
            kind: Kind.Real,
            elements: _classes,
            lo: _lo,
            hi: _hi,
            scaleMantissa: _scaleMantissa,
            scaleExponent: _scaleExponent
        });
    }

    /// @notice Sends wei; the last thing that a function does.
    function _pay(address receiver, uint256 amount) private {
        (bool ok,) = receiver.call{value: amount}("");
        if (!ok) revert PaymentFailed(receiver);
    }
}
