// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

import {InstanceCodec} from "../src/InstanceCodec.sol";
import {PinnedModel} from "../src/PinnedModel.sol";
import {Direction, Kind, Port, Visibility} from "../src/Port.sol";
import {ExampleConsumer} from "../src/examples/ExampleConsumer.sol";
import {Entry} from "../src/interfaces/IModelRegistry.sol";
import {Fixture} from "./Fixture.sol";

/// @notice A solver that answers again while it is being paid.
contract ReentrantSolver {
    ExampleConsumer private immutable _consumer;
    bytes32 private _id;
    bytes private _proof;
    uint256[] private _instances;
    bool public refused;

    constructor(ExampleConsumer consumer) {
        _consumer = consumer;
    }

    function answer(bytes32 id, bytes calldata proof, uint256[] calldata instances) external {
        (_id, _proof, _instances) = (id, proof, instances);
        _consumer.answer(id, proof, instances);
    }

    receive() external payable {
        try _consumer.answer(_id, _proof, _instances) {}
        catch {
            refused = true;
        }
    }
}

/// @notice A solver that takes no money.
contract ProudSolver {
    function answer(ExampleConsumer consumer, bytes32 id, bytes calldata proof, uint256[] calldata instances) external {
        consumer.answer(id, proof, instances);
    }
}

contract ExampleConsumerTest is Fixture {
    address private constant REQUESTER = address(0xa11ce);
    address private constant SOLVER = address(0xb0b);
    address private constant THIEF = address(0x7e1f);
    uint256 private constant BOUNTY = 1 ether;
    uint48 private constant DEADLINE = 2_000_000_000;

    ExampleConsumer private consumer;

    function setUp() public override {
        super.setUp();
        consumer = new ExampleConsumer(registry, entry(), address(this));
        vm.deal(REQUESTER, 100 ether);
        vm.warp(1_900_000_000);
    }

    function inputHash() private view returns (bytes32) {
        return keccak256(abi.encodePacked(instances[0], instances[1]));
    }

    function ask(bytes32 hash, address solver) private returns (bytes32) {
        vm.prank(REQUESTER);
        return consumer.request{value: BOUNTY}(hash, solver, DEADLINE);
    }

    function ask() private returns (bytes32) {
        return ask(inputHash(), SOLVER);
    }

    function stateOf(bytes32 request) private view returns (ExampleConsumer.State state) {
        (,,,,, state,) = consumer.requests(request);
    }

    function answer(bytes32 request) private returns (uint256) {
        vm.prank(SOLVER);
        return consumer.answer(request, proof, instances);
    }

    function test_a_proof_is_answered_with_its_class_and_paid() public {
        bytes32 request = ask();
        assertEq(address(consumer).balance, BOUNTY, "deposit");
        vm.expectEmit(true, true, true, true, address(consumer));
        // 4242 · 3 · 2^−10 = 12.427734375
        emit ExampleConsumer.Answered(request, CLASS, 12.427734375e18);
        assertEq(answer(request), CLASS, "class");
        assertEq(SOLVER.balance, BOUNTY, "payment");
        assertEq(address(consumer).balance, 0, "rest");
        (,,,, uint32 class, ExampleConsumer.State state,) = consumer.requests(request);
        assertEq(class, CLASS, "stored class");
        assertTrue(state == ExampleConsumer.State.Answered, "state");
    }

    function test_an_answer_is_not_given_twice() public {
        bytes32 first = ask();
        ask();
        answer(first);
        vm.expectRevert(
            abi.encodeWithSelector(ExampleConsumer.NotOpen.selector, first, ExampleConsumer.State.Answered)
        );
        vm.prank(SOLVER);
        consumer.answer(first, proof, instances);
        // Nor with another proof of the same: nothing is keyed on the bytes of the proof.
        bytes memory again = someProof(6000);
        model.accept(again, instances);
        vm.expectRevert(
            abi.encodeWithSelector(ExampleConsumer.NotOpen.selector, first, ExampleConsumer.State.Answered)
        );
        vm.prank(SOLVER);
        consumer.answer(first, again, instances);
        assertEq(SOLVER.balance, BOUNTY, "paid once");
    }

    function test_the_same_input_asked_twice_is_two_requests() public {
        bytes32 first = ask();
        bytes32 second = ask();
        assertTrue(first != second, "ids");
        answer(first);
        assertTrue(stateOf(second) == ExampleConsumer.State.Open, "the other is open");
        answer(second);
        assertEq(SOLVER.balance, 2 * BOUNTY, "both are paid");
    }

    function test_ids_name_chain_and_contract() public {
        ExampleConsumer twin = new ExampleConsumer(registry, entry(), address(this));
        vm.prank(REQUESTER);
        bytes32 there = twin.request{value: BOUNTY}(inputHash(), SOLVER, DEADLINE);
        bytes32 here = ask();
        assertTrue(here != there, "another contract");
        assertEq(
            here,
            keccak256(abi.encode(block.chainid, address(consumer), id, inputHash(), REQUESTER, uint256(0))),
            "the hash that the documentation says"
        );
        vm.expectRevert(abi.encodeWithSelector(ExampleConsumer.NotOpen.selector, there, ExampleConsumer.State.None));
        vm.prank(SOLVER);
        consumer.answer(there, proof, instances);
    }

    function test_another_sender_cannot_use_a_proof_that_it_saw() public {
        bytes32 request = ask();
        vm.expectRevert(abi.encodeWithSelector(ExampleConsumer.NotAllowed.selector, SOLVER, THIEF));
        vm.prank(THIEF);
        consumer.answer(request, proof, instances);
        answer(request);
    }

    function test_a_proof_about_another_input_is_refused() public {
        bytes32 request = ask(keccak256("another picture"), SOLVER);
        vm.expectRevert(
            abi.encodeWithSelector(ExampleConsumer.OtherInput.selector, keccak256("another picture"), inputHash())
        );
        answer(request);
    }

    function test_changed_instances_are_refused() public {
        bytes32 request = ask();
        for (uint256 i = 0; i < WORDS; ++i) {
            uint256[] memory changed = instances;
            changed[i] += R;
            vm.expectRevert(abi.encodeWithSelector(PinnedModel.ProofRefused.selector));
            vm.prank(SOLVER);
            consumer.answer(request, proof, changed);
            (changed[i], changed[(i + 1) % WORDS]) = (instances[(i + 1) % WORDS], instances[i]);
            vm.expectRevert(abi.encodeWithSelector(PinnedModel.ProofRefused.selector));
            vm.prank(SOLVER);
            consumer.answer(request, proof, changed);
        }
        for (uint256 count = 0; count < 6; ++count) {
            if (count == WORDS) continue;
            vm.expectRevert(abi.encodeWithSelector(InstanceCodec.WordCount.selector, WORDS, count));
            vm.prank(SOLVER);
            consumer.answer(request, proof, new uint256[](count));
        }
    }

    /// @dev Words that a model should never accept: the decoder refuses them on its own.
    function test_words_that_pack_no_scores_are_refused_even_if_proven() public {
        bytes32 request = ask();
        uint256[] memory excess = instances;
        excess[2] |= 1 << 56;
        model.accept(proof, excess);
        vm.expectRevert(abi.encodeWithSelector(InstanceCodec.ExcessBits.selector, 0));
        vm.prank(SOLVER);
        consumer.answer(request, proof, excess);
        uint256[] memory above = instances;
        above[2] |= 0x3fff;
        model.accept(proof, above);
        vm.expectRevert(abi.encodeWithSelector(InstanceCodec.OutOfRange.selector, 0, int256(0x3fff - 5000)));
        vm.prank(SOLVER);
        consumer.answer(request, proof, above);
    }

    function test_reentrance_is_refused() public {
        ReentrantSolver solver = new ReentrantSolver(consumer);
        bytes32 request = ask(inputHash(), address(solver));
        ask();
        solver.answer(request, proof, instances);
        assertTrue(solver.refused(), "the second answer");
        assertEq(address(solver).balance, BOUNTY, "paid once");
        assertEq(address(consumer).balance, BOUNTY, "the other deposit");
    }

    function test_a_payment_that_fails_leaves_the_request_open() public {
        ProudSolver solver = new ProudSolver();
        bytes32 request = ask(inputHash(), address(solver));
        vm.expectRevert(abi.encodeWithSelector(ExampleConsumer.PaymentFailed.selector, address(solver)));
        solver.answer(consumer, request, proof, instances);
        assertTrue(stateOf(request) == ExampleConsumer.State.Open, "open");
    }

    function test_the_deadline_divides_answering_from_cancelling() public {
        bytes32 request = ask();
        vm.warp(DEADLINE);
        vm.expectRevert(abi.encodeWithSelector(ExampleConsumer.TooEarly.selector, DEADLINE));
        vm.prank(REQUESTER);
        consumer.cancel(request);
        vm.warp(DEADLINE + 1);
        vm.expectRevert(abi.encodeWithSelector(ExampleConsumer.TooLate.selector, DEADLINE));
        answer(request);
        vm.expectRevert(abi.encodeWithSelector(ExampleConsumer.NotAllowed.selector, REQUESTER, THIEF));
        vm.prank(THIEF);
        consumer.cancel(request);
        uint256 before = REQUESTER.balance;
        vm.prank(REQUESTER);
        consumer.cancel(request);
        assertEq(REQUESTER.balance, before + BOUNTY, "returned");
        vm.expectRevert(
            abi.encodeWithSelector(ExampleConsumer.NotOpen.selector, request, ExampleConsumer.State.Cancelled)
        );
        vm.prank(REQUESTER);
        consumer.cancel(request);
        vm.expectRevert(abi.encodeWithSelector(ExampleConsumer.TooLate.selector, DEADLINE));
        vm.prank(REQUESTER);
        consumer.request(inputHash(), SOLVER, DEADLINE);
    }

    function test_other_entries_than_the_registered_are_refused() public {
        Entry memory e = entry();
        e.ports[1].scaleExponent -= 1;
        bytes32 other = registry.idOf(e, address(this));
        vm.expectRevert(abi.encodeWithSelector(PinnedModel.NotRegistered.selector, other));
        new ExampleConsumer(registry, e, address(this));
        other = registry.idOf(entry(), THIEF);
        vm.expectRevert(abi.encodeWithSelector(PinnedModel.NotRegistered.selector, other));
        new ExampleConsumer(registry, entry(), THIEF);
    }

    function deployWith(Port[] memory ports_) private returns (ExampleConsumer) {
        Entry memory e = entryOf(address(model), ports_);
        registry.register(e);
        return new ExampleConsumer(registry, e, address(this));
    }

    function test_models_that_show_too_little_are_refused() public {
        Port[] memory list = ports();
        list[0].visibility = Visibility.Private;
        registry.register(entryOf(address(model), list));
        vm.expectRevert(abi.encodeWithSelector(PinnedModel.InputsNotShown.selector));
        new ExampleConsumer(registry, entryOf(address(model), list), address(this));
        list = ports();
        list[1].visibility = Visibility.Private;
        registry.register(entryOf(address(model), list));
        vm.expectRevert(abi.encodeWithSelector(PinnedModel.OutputsNotShown.selector));
        new ExampleConsumer(registry, entryOf(address(model), list), address(this));
    }

    function test_models_that_are_no_classifiers_are_refused() public {
        for (uint256 kind = 0; kind < 4; ++kind) {
            Port[] memory list = ports();
            if (kind == 0) list[1].visibility = Visibility.Hashed;
            if (kind == 1) list[1].elements = 1;
            if (kind == 2) (list[1].kind, list[1].scaleMantissa, list[1].scaleExponent) = (Kind.Index, 1, 0);
            if (kind == 3) {
                list = new Port[](3);
                (list[0], list[1], list[2]) = (picture(), scores(), scores());
            }
            Entry memory e = entryOf(address(model), list);
            registry.register(e);
            vm.expectRevert(abi.encodeWithSelector(ExampleConsumer.NotAClassifier.selector));
            new ExampleConsumer(registry, e, address(this));
        }
    }

    /// @dev A hashed input is a word that the requester computes from the picture and a salt.
    function test_a_hashed_input_is_one_word() public {
        Port[] memory list = ports();
        list[0].visibility = Visibility.Hashed;
        consumer = deployWith(list);
        uint256[] memory hashed = new uint256[](2);
        (hashed[0], hashed[1]) = (uint256(keccak256("digest")) >> 3, instances[2]);
        model.accept(proof, hashed);
        bytes32 request = ask(keccak256(abi.encodePacked(hashed[0])), SOLVER);
        vm.prank(SOLVER);
        assertEq(consumer.answer(request, proof, hashed), CLASS, "class");
    }

    /// @dev Money in is money out, whatever the order of requests, answers and cancellations.
    function testFuzz_deposits_are_paid_once(uint256 seed) public {
        uint256 count = bound(seed, 1, 8);
        bytes32[] memory open = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            open[i] = ask();
        }
        uint256 answered = 0;
        for (uint256 i = 0; i < count; ++i) {
            if (seed >> (8 + i) & 1 == 0) continue;
            answer(open[i]);
            ++answered;
        }
        vm.warp(DEADLINE + 1);
        for (uint256 i = 0; i < count; ++i) {
            vm.prank(REQUESTER);
            try consumer.cancel(open[i]) {} catch {}
        }
        assertEq(address(consumer).balance, 0, "nothing stays");
        assertEq(SOLVER.balance, answered * BOUNTY, "answers");
        assertEq(REQUESTER.balance, 100 ether - answered * BOUNTY, "the rest");
    }

    function test_gas() public {
        bytes32 request = ask();
        vm.snapshotGasLastCall("ExampleConsumer", "request");
        // The payment meets an account that exists.
        vm.deal(SOLVER, 1);
        answer(request);
        uint256 whole = vm.snapshotGasLastCall("ExampleConsumer", "answer, mock");
        (bool ok,) = address(model).call(abi.encodeCall(model.verifyProof, (proof, instances)));
        uint256 bare = vm.snapshotGasLastCall("ExampleConsumer", "verifyProof of the mock, bare");
        assertTrue(ok, "the model answers");
        vm.snapshotValue("ExampleConsumer", "overhead of answer", whole - bare);
        vm.snapshotValue("ExampleConsumer", "runtime bytes", address(consumer).code.length);
    }
}
