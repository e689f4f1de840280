// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

import {LinkVerifier} from "../src/LinkVerifier.sol";
import {ModelRegistry} from "../src/ModelRegistry.sol";
import {Evidence, PinnedWeights, PrivateModel} from "../src/PinnedWeights.sol";
import {Direction, Port, Visibility} from "../src/Port.sol";
import {Part, Side, Sides} from "../src/Side.sol";
import {WeightsRegistry} from "../src/WeightsRegistry.sol";
import {ExamplePipeline} from "../src/examples/ExamplePipeline.sol";
import {ExamplePrivateModel} from "../src/examples/ExamplePrivateModel.sol";
import {Entry} from "../src/interfaces/IModelRegistry.sol";
import {Test} from "./Test.sol";

/// @notice Links and registrations that `zkinfer` made, and who relies on them. `tools/link-vector.mjs` writes the vectors of test/links.
abstract contract Linked is Test {
    string private constant ARTIFACT = "../verifier/artifacts/ZkinferVerifier.json";

    /// @notice A model with a proof.
    struct Stage {
        Entry entry;
        Part part;
        bytes proof;
        uint256[] instances;
    }

    ModelRegistry internal registry;
    WeightsRegistry internal weightsRegistry;
    LinkVerifier internal linkVerifier;

    function setUp() public virtual {
        registry = new ModelRegistry();
        weightsRegistry = new WeightsRegistry();
        linkVerifier = new LinkVerifier();
    }

    function file(string memory name) internal view returns (string memory) {
        return vm.readFile(string.concat("test/links/", name, ".json"));
    }

    /// @notice Deploys a model of a vector, and registers it where nobody has.
    function stage(string memory json, string memory path) internal returns (Stage memory s) {
        address verifier = vm.parseJsonAddress(json, string.concat(path, ".verifier"));
        vm.etch(verifier, vm.parseJsonBytes(vm.readFile(ARTIFACT), ".runtimeCode"));
        bytes memory init = vm.parseJsonBytes(json, string.concat(path, ".model"));
        address model;
        assembly ("memory-safe") {
            model := create(0, add(init, 0x20), mload(init))
        }
        assertTrue(model != address(0), "the model's contract is created");
        s.entry = Entry({
            verifier: verifier,
            verifierCodeHash: verifier.codehash,
            model: model,
            modelCodeHash: model.codehash,
            program: word(json, string.concat(path, ".program")),
            key: word(json, string.concat(path, ".key")),
            source: word(json, string.concat(path, ".source")),
            ports: abi.decode(vm.parseJsonBytes(json, string.concat(path, ".ports")), (Port[]))
        });
        s.part = abi.decode(vm.parseJsonBytes(json, string.concat(path, ".part")), (Part));
        s.proof = vm.parseJsonBytes(json, string.concat(path, ".proof"));
        s.instances = vm.parseJsonUintArray(json, string.concat(path, ".instances"));
        registry.register(s.entry);
    }

    function word(string memory json, string memory path) internal pure returns (bytes32) {
        return bytes32(vm.parseJsonBytes(json, path));
    }

    /// @notice The selector that a call reverts with, or zero where it does not.
    function refusal(address to, bytes memory call_) internal returns (bytes4) {
        (bool ok, bytes memory answer) = to.call(call_);
        return ok ? bytes4(0) : bytes4(answer);
    }
}

contract PrivateModelTest is Linked {
    address private constant ASKER = address(0xa11ce);
    address private constant SOLVER = address(0xb0b);
    address private constant THIEF = address(0x7e1f);
    uint256 private constant PRICE = 1 ether;
    uint48 private constant NOW = 1_900_000_000;
    uint48 private constant DEADLINE = NOW + 1 days;

    Stage private model;
    Evidence private evidence;
    Evidence private impostor;
    bytes32 private weights;
    bytes32 private otherWeights;
    ExamplePrivateModel private consumer;

    function setUp() public override {
        super.setUp();
        string memory json = file("private");
        Stage memory s = stage(json, ".stages[0]");
        (model.part, model.proof, model.instances) = (s.part, s.proof, s.instances);
        weights = registered(json);
        evidence = evidenceOf(json);
        otherWeights = registered(file("private-other"));
        impostor = evidenceOf(file("private-other"));
        consumer = new ExamplePrivateModel(named(s.part, weights), s.entry);
        vm.deal(ASKER, 10 ether);
        vm.warp(NOW);
    }

    function named(Part memory part, bytes32 digest) private view returns (PrivateModel memory) {
        return PrivateModel({
            registry: registry,
            weightsRegistry: weightsRegistry,
            linkVerifier: linkVerifier,
            registrant: address(this),
            part: part,
            weights: digest
        });
    }

    /// @notice Registers the weights of a vector.
    function registered(string memory json) private returns (bytes32 digest) {
        (bool ok, bytes memory answer) =
            address(weightsRegistry).call(vm.parseJsonBytes(json, ".registration.call"));
        assertTrue(ok, "the weights are registered");
        vm.snapshotGasLastCall("Links", "register weights of one column");
        digest = abi.decode(answer, (bytes32));
        assertEq(digest, word(json, ".registration.digest"), "the digest is that of the file");
    }

    function evidenceOf(string memory json) private pure returns (Evidence memory) {
        return Evidence({
            proof: vm.parseJsonBytes(json, ".stages[0].proof"),
            instances: vm.parseJsonUintArray(json, ".stages[0].instances"),
            registered: abi.decode(vm.parseJsonBytes(json, ".registration.side"), (Side)),
            tau: vm.parseJsonBytes(json, ".tau"),
            link: vm.parseJsonBytes(json, ".link")
        });
    }

    /// @notice Hash of the words of the inputs of a proof.
    function inputOf(Evidence memory e) private view returns (bytes32) {
        uint256[] memory inputs = new uint256[](consumer.inputWords());
        for (uint256 i = 0; i < inputs.length; ++i) {
            inputs[i] = e.instances[i];
        }
        return keccak256(abi.encodePacked(inputs));
    }

    function ask(ExamplePrivateModel asked) private returns (bytes32) {
        bytes32 inputHash = inputOf(evidence);
        vm.prank(ASKER);
        return asked.ask{value: PRICE}(inputHash, SOLVER, DEADLINE);
    }

    function refusalOf(address sender, bytes32 id, Evidence memory e) private returns (bytes4) {
        vm.prank(sender);
        return refusal(address(consumer), abi.encodeCall(ExamplePrivateModel.answer, (id, e)));
    }

    function test_TheRegisteredModelIsPaid() public {
        bytes32 id = ask(consumer);
        vm.prank(SOLVER);
        consumer.answer(id, evidence);
        vm.snapshotGasLastCall("Links", "ExamplePrivateModel.answer");
        assertEq(SOLVER.balance, PRICE, "the solver is paid");
        assertTrue(refusalOf(SOLVER, id, evidence) == ExamplePrivateModel.NotAllowed.selector, "once");
    }

    function test_QuestionsAreAnsweredUntilTheDeadlineAndCancelledAfterwards() public {
        bytes32 id = ask(consumer);
        bytes memory cancel = abi.encodeCall(ExamplePrivateModel.cancel, (id));
        vm.warp(DEADLINE);
        vm.prank(ASKER);
        assertTrue(refusal(address(consumer), cancel) == ExamplePrivateModel.TooEarly.selector, "not yet");
        vm.warp(DEADLINE + 1);
        assertTrue(refusalOf(SOLVER, id, evidence) == ExamplePrivateModel.TooLate.selector, "too late an answer");
        vm.prank(THIEF);
        assertTrue(refusal(address(consumer), cancel) == ExamplePrivateModel.NotAllowed.selector, "another asker");
        vm.prank(ASKER);
        consumer.cancel(id);
        assertEq(ASKER.balance, 10 ether, "the price is returned");
        vm.prank(ASKER);
        assertTrue(refusal(address(consumer), cancel) == ExamplePrivateModel.NotAllowed.selector, "once");
        assertTrue(refusalOf(SOLVER, id, evidence) == ExamplePrivateModel.NotAllowed.selector, "nothing to answer");
        bytes memory late = abi.encodeCall(ExamplePrivateModel.ask, (bytes32(0), SOLVER, DEADLINE));
        assertTrue(refusal(address(consumer), late) == ExamplePrivateModel.TooLate.selector, "a deadline that has passed");
    }

    function test_AnsweredQuestionsAreNotCancelled() public {
        bytes32 id = ask(consumer);
        assertTrue(refusalOf(SOLVER, id, evidence) == 0, "the evidence is good");
        vm.warp(DEADLINE + 1);
        vm.prank(ASKER);
        bytes4 found = refusal(address(consumer), abi.encodeCall(ExamplePrivateModel.cancel, (id)));
        assertTrue(found == ExamplePrivateModel.NotAllowed.selector, "it was answered");
        assertEq(address(consumer).balance, 0, "nothing is kept");
    }

    function test_CertifiedBasesCostLess() public {
        bytes32 id = ask(consumer);
        string memory json = file("private");
        bytes memory bases = vm.parseJsonBytes(json, ".bases");
        assertTrue(
            linkVerifier.certifyBases(evidence.registered.srs, evidence.registered.k, evidence.tau, bases), "certified"
        );
        vm.snapshotGasLastCall("Links", "certifyBases");
        vm.prank(SOLVER);
        consumer.answer(id, evidence);
        vm.snapshotGasLastCall("Links", "ExamplePrivateModel.answer over certified bases");
    }

    /// @notice The same program with other weights, which are registered, too: proof and link are true, and of another model.
    function test_AnotherModelOfTheSameFormIsNotPaid() public {
        bytes32 id = ask(consumer);
        assertTrue(weights != otherWeights && inputOf(impostor) == inputOf(evidence), "the same question");
        assertTrue(refusalOf(SOLVER, id, impostor) == PinnedWeights.OtherWeights.selector, "other weights");
        Evidence memory e = impostor;
        e.registered = evidence.registered;
        assertTrue(refusalOf(SOLVER, id, e) == PinnedWeights.LinkRefused.selector, "the link of other weights");
        e.link = evidence.link;
        assertTrue(refusalOf(SOLVER, id, e) == PinnedWeights.LinkRefused.selector, "the link of another proof");
        e = evidence;
        e.link = impostor.link;
        assertTrue(refusalOf(SOLVER, id, e) == PinnedWeights.LinkRefused.selector, "another link");
        assertEq(SOLVER.balance, 0, "nobody is paid");
    }

    function test_WhatIsAskedForIsCompared() public {
        vm.prank(ASKER);
        bytes32 other = consumer.ask{value: PRICE}(keccak256("another input"), SOLVER, DEADLINE);
        assertTrue(refusalOf(SOLVER, other, evidence) == ExamplePrivateModel.OtherInput.selector, "another input");
        bytes32 id = ask(consumer);
        assertTrue(refusalOf(THIEF, id, evidence) == ExamplePrivateModel.NotAllowed.selector, "another sender");
        Evidence memory e = evidence;
        e.proof[40] ^= 0x01;
        assertTrue(refusalOf(SOLVER, id, e) != 0, "a changed proof");
        e = evidence;
        e.instances[e.instances.length - 1] ^= 1;
        assertTrue(refusalOf(SOLVER, id, e) != 0, "changed words");
        e = evidence;
        e.tau[0] ^= 0x01;
        assertTrue(refusalOf(SOLVER, id, e) == PinnedWeights.LinkRefused.selector, "another tau");
        e = evidence;
        e.link = "";
        assertTrue(refusalOf(SOLVER, id, e) == PinnedWeights.LinkRefused.selector, "no link");
        assertTrue(refusalOf(SOLVER, id, evidence) == 0, "the evidence is good");
    }

    /// @notice An answer is of use in one place only.
    function test_QuestionsAreThoseOfOneConsumerAndChain() public {
        Stage memory s = stage(file("private"), ".stages[0]");
        ExamplePrivateModel twin = new ExamplePrivateModel(named(s.part, weights), s.entry);
        bytes32 id = ask(consumer);
        bytes32 there = ask(twin);
        assertTrue(id != there, "another consumer, another question");
        assertTrue(refusalOf(SOLVER, there, evidence) == ExamplePrivateModel.NotAllowed.selector, "the twin's question");
        vm.chainId(77);
        assertTrue(ask(consumer) != id, "another chain");
    }

    function test_ConsumersAreOfRegisteredWeightsAndTheirPart() public {
        Stage memory s = stage(file("private"), ".stages[0]");
        vm.expectRevert(abi.encodeWithSelector(PinnedWeights.WeightsNotRegistered.selector, keccak256("nothing")));
        new ExamplePrivateModel(named(s.part, keccak256("nothing")), s.entry);
        for (uint256 fault = 0; fault < 4; ++fault) {
            Part memory part = abi.decode(abi.encode(s.part), (Part));
            if (fault == 0) part.key = keccak256("another key");
            if (fault == 1) part.port = 0;
            if (fault == 2) part.values = 1;
            if (fault == 3) part.columns = 0;
            vm.expectRevert(abi.encodeWithSelector(PinnedWeights.NotTheWeights.selector));
            new ExamplePrivateModel(named(part, weights), s.entry);
        }
        assertEq(keccak256(abi.encode(consumer.weightsPart())), keccak256(abi.encode(s.part)), "the part is kept");
        assertEq(consumer.weightsSide(), Sides.hash(evidence.registered), "the side is kept");
    }

    /// @notice With a part of other columns the registered weights are not found.
    function test_OtherColumnsAreNotTheWeights() public {
        Stage memory s = stage(file("private"), ".stages[0]");
        s.part.firstColumn = s.part.firstColumn == 0 ? 1 : 0;
        consumer = new ExamplePrivateModel(named(s.part, weights), s.entry);
        assertTrue(refusalOf(SOLVER, ask(consumer), evidence) == PinnedWeights.LinkRefused.selector, "other columns");
    }
}

contract PipelineTest is Linked {
    Stage[2] private stages;
    bytes private tau;
    bytes private link;
    ExamplePipeline private pipeline;

    function setUp() public override {
        super.setUp();
        string memory json = file("chain");
        (Stage memory first, Stage memory second) = (stage(json, ".stages[0]"), stage(json, ".stages[1]"));
        pipeline = make(first, second);
        (stages[0].proof, stages[0].instances) = (first.proof, first.instances);
        (stages[1].proof, stages[1].instances) = (second.proof, second.instances);
        (tau, link) = (vm.parseJsonBytes(json, ".tau"), vm.parseJsonBytes(json, ".link"));
    }

    function make(Stage memory first, Stage memory second) private returns (ExamplePipeline) {
        ExamplePipeline.Stage[2] memory both = [
            ExamplePipeline.Stage({entry: first.entry, registrant: address(this), part: first.part}),
            ExamplePipeline.Stage({entry: second.entry, registrant: address(this), part: second.part})
        ];
        return new ExamplePipeline(registry, linkVerifier, both);
    }

    function proofs() private view returns (ExamplePipeline.Proof[2] memory) {
        return [
            ExamplePipeline.Proof({proof: stages[0].proof, instances: stages[0].instances}),
            ExamplePipeline.Proof({proof: stages[1].proof, instances: stages[1].instances})
        ];
    }

    function show(ExamplePipeline.Proof[2] memory both, bytes memory tau_, bytes memory link_) private returns (bytes4) {
        return refusal(address(pipeline), abi.encodeCall(ExamplePipeline.show, (both, tau_, link_)));
    }

    function test_LinkedProofsAreShown() public {
        pipeline.show(proofs(), tau, link);
        vm.snapshotGasLastCall("Links", "ExamplePipeline.show");
    }

    function test_WhatIsNotLinkedIsRefused() public {
        ExamplePipeline.Proof[2] memory both = proofs();
        bytes memory other = bytes.concat(link);
        other[other.length - 1] ^= 0x01;
        assertTrue(show(both, tau, other) == ExamplePipeline.LinkRefused.selector, "a changed link");
        assertTrue(show(both, tau, "") == ExamplePipeline.LinkRefused.selector, "no link");
        assertTrue(show(both, other, link) == ExamplePipeline.LinkRefused.selector, "no tau");
        (both[0], both[1]) = (both[1], both[0]);
        assertTrue(show(both, tau, link) == ExamplePipeline.ProofRefused.selector, "proofs exchanged");
        both = proofs();
        both[1].proof[40] ^= 0x01;
        assertTrue(show(both, tau, link) == ExamplePipeline.ProofRefused.selector, "a changed proof");
        assertTrue(show(proofs(), tau, link) == 0, "the link is good");
    }

    /// @notice Another proof of the second model, on other values, is as good as the first, and the link is not to it.
    function test_ProofsOnOtherValuesAreRefused() public {
        string memory json = file("chain-other");
        ExamplePipeline.Proof[2] memory both = proofs();
        both[1] = ExamplePipeline.Proof({
            proof: vm.parseJsonBytes(json, ".proof"),
            instances: vm.parseJsonUintArray(json, ".instances")
        });
        assertTrue(registry.verify(pipeline.second(), both[1].proof, both[1].instances), "the proof is good");
        assertTrue(show(both, tau, link) == ExamplePipeline.LinkRefused.selector, "and not linked");
    }

    function test_PartsThatCannotBeLinkedAreRefused() public {
        string memory json = file("chain");
        Stage memory first = stage2(json, 0);
        Stage memory second = stage2(json, 1);
        bytes memory part = abi.encode(second.part);
        for (uint256 fault = 0; fault < 6; ++fault) {
            second.part = abi.decode(part, (Part));
            if (fault == 0) second.part.key = keccak256("another key");
            if (fault == 1) second.part.srs = keccak256("another SRS");
            if (fault == 2) second.part.values ^= 1;
            if (fault == 3) second.part.k += 1;
            if (fault == 4) second.part.columns += 1;
            if (fault == 5) second.part.port = Sides.WEIGHTS;
            vm.expectRevert(abi.encodeWithSelector(ExamplePipeline.NotLinkable.selector));
            make(first, second);
        }
    }

    /// @notice What goes in is not given out, and a port that no proof commits to has no columns.
    function test_StagesGiveOutAndTakeInCommittedPorts() public {
        string memory json = file("chain");
        bytes memory stages_ = abi.encode([stage2(json, 0), stage2(json, 1)]);
        for (uint256 fault = 0; fault < 3; ++fault) {
            Stage[2] memory both = abi.decode(stages_, (Stage[2]));
            Port memory from = both[0].entry.ports[both[0].part.port];
            Port memory to = both[1].entry.ports[both[1].part.port];
            if (fault == 0) from.direction = Direction.Input;
            if (fault == 1) to.visibility = Visibility.Private;
            if (fault == 2) (both[0], both[1]) = (both[1], both[0]);
            if (fault < 2) registry.register(both[fault].entry);
            vm.expectRevert(abi.encodeWithSelector(ExamplePipeline.NotLinkable.selector));
            make(both[0], both[1]);
        }
    }

    function stage2(string memory json, uint256 index) private returns (Stage memory) {
        return stage(json, string.concat(".stages[", vm.toString(index), "]"));
    }
}
