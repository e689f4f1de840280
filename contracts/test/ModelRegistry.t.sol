// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

import {InstanceCodec} from "../src/InstanceCodec.sol";
import {ModelRegistry} from "../src/ModelRegistry.sol";
import {Port, Visibility} from "../src/Port.sol";
import {Entry, IModelRegistry} from "../src/interfaces/IModelRegistry.sol";
import {Fixture} from "./Fixture.sol";
import {
    AnsweringModel,
    CredulousModel,
    ExhaustingModel,
    LengthyModel,
    LoggingModel,
    RevertingModel,
    WritingModel
} from "./mocks/Models.sol";

contract ModelRegistryTest is Fixture {
    address private constant NOBODY = address(0xdead);

    // Registration.

    function test_an_entry_is_registered_once_and_for_all() public {
        Entry memory e = entry();
        bytes32 expected = keccak256(abi.encode(block.chainid, address(registry), address(this), e));
        assertEq(id, expected, "id");
        assertEq(registry.idOf(e, address(this)), expected, "id of the entry");
        assertTrue(registry.isRegistered(id), "registered");
        (address stored, bytes32 codeHash, uint256 words) = registry.modelOf(id);
        assertEq(stored, address(model), "model");
        assertEq(codeHash, address(model).codehash, "code hash");
        assertEq(words, WORDS, "words");
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.AlreadyRegistered.selector, id));
        registry.register(e);
    }

    function test_the_event_tells_the_whole_entry() public {
        ModelRegistry fresh = new ModelRegistry();
        Entry memory e = entry();
        bytes32 expected = fresh.idOf(e, address(this));
        vm.expectEmit(true, true, true, true, address(fresh));
        emit IModelRegistry.ModelRegistered(expected, address(model), address(this), e);
        fresh.register(e);
    }

    function test_an_id_names_registrant_registry_and_chain() public {
        Entry memory e = entry();
        vm.prank(NOBODY);
        bytes32 theirs = registry.register(e);
        assertTrue(theirs != id, "another registrant");
        assertEq(theirs, registry.idOf(e, NOBODY), "whose id is computed alike");
        assertTrue(new ModelRegistry().idOf(e, address(this)) != id, "another registry");
        vm.chainId(block.chainid + 1);
        assertTrue(registry.idOf(e, address(this)) != id, "another chain");
    }

    /// @dev Each field of the entry is in the id.
    function test_an_id_names_every_field() public view {
        bytes32[16] memory ids;
        for (uint256 field = 0; field < 16; ++field) {
            Entry memory e = entry();
            if (field == 1) e.verifier = NOBODY;
            if (field == 2) e.verifierCodeHash ^= bytes32(uint256(1));
            if (field == 3) e.model = NOBODY;
            if (field == 4) e.modelCodeHash ^= bytes32(uint256(1));
            if (field == 5) e.program ^= bytes32(uint256(1));
            if (field == 6) e.key ^= bytes32(uint256(1));
            if (field == 7) e.source ^= bytes32(uint256(1));
            if (field == 8) e.ports[1].nameHash ^= bytes32(uint256(1));
            if (field == 9) e.ports[1].lo -= 1;
            if (field == 10) e.ports[1].hi += 1;
            if (field == 11) e.ports[1].elements += 1;
            if (field == 12) e.ports[1].scaleMantissa += 2;
            if (field == 13) e.ports[1].scaleExponent += 1;
            if (field == 14) e.ports[1].visibility = Visibility.Hashed;
            if (field == 15) (e.ports[0], e.ports[1]) = (e.ports[1], e.ports[0]);
            ids[field] = registry.idOf(e, address(this));
            for (uint256 other = 0; other < field; ++other) {
                assertTrue(ids[other] != ids[field], "distinct");
            }
        }
    }

    function test_addresses_without_code_are_refused() public {
        Entry memory e = entry();
        e.model = NOBODY;
        e.modelCodeHash = NOBODY.codehash;
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.NoCode.selector, NOBODY));
        registry.register(e);
        // An account that exists, but has no code: its code hash is that of nothing.
        vm.deal(NOBODY, 1);
        e.modelCodeHash = NOBODY.codehash;
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.NoCode.selector, NOBODY));
        registry.register(e);
        e = entry();
        (e.verifier, e.verifierCodeHash) = (NOBODY, NOBODY.codehash);
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.NoCode.selector, NOBODY));
        registry.register(e);
    }

    function test_other_code_hashes_are_refused() public {
        Entry memory e = entry();
        bytes32 wrong = keccak256("code");
        e.modelCodeHash = wrong;
        vm.expectRevert(
            abi.encodeWithSelector(
                IModelRegistry.CodeHashMismatch.selector, address(model), wrong, address(model).codehash
            )
        );
        registry.register(e);
        e = entry();
        e.verifierCodeHash = wrong;
        vm.expectRevert(
            abi.encodeWithSelector(IModelRegistry.CodeHashMismatch.selector, verifier, wrong, verifier.codehash)
        );
        registry.register(e);
    }

    function test_entries_without_words_or_with_too_many_are_refused() public {
        Entry memory e = entry();
        e.ports[0].visibility = Visibility.Private;
        e.ports[1].visibility = Visibility.Private;
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.InstanceWordCount.selector, 0));
        registry.register(e);
        e.ports = new Port[](0);
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.InstanceWordCount.selector, 0));
        registry.register(e);
        e = entry();
        for (uint256 i = 0; i < 2; ++i) {
            e.ports[i].elements = type(uint32).max;
            (e.ports[i].lo, e.ports[i].hi) = (type(int64).min, type(int64).max);
        }
        registry.register(e);
        Port[] memory many = new Port[](4);
        for (uint256 i = 0; i < 4; ++i) {
            many[i] = e.ports[0];
        }
        e.ports = many;
        vm.expectRevert(
            abi.encodeWithSelector(IModelRegistry.InstanceWordCount.selector, 4 * ((uint256(type(uint32).max) + 2) / 3))
        );
        registry.register(e);
    }

    function test_malformed_interfaces_are_refused() public {
        Entry memory e = entry();
        e.ports[0].elements = 0;
        vm.expectRevert(abi.encodeWithSelector(InstanceCodec.MalformedPort.selector, 0));
        registry.register(e);
        e = entry();
        (e.ports[0], e.ports[1]) = (e.ports[1], e.ports[0]);
        vm.expectRevert(abi.encodeWithSelector(InstanceCodec.InputAfterOutput.selector, 1));
        registry.register(e);
    }

    function test_an_unknown_id_has_no_model() public {
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.UnknownModel.selector, bytes32(0)));
        registry.modelOf(bytes32(0));
        assertFalse(registry.isRegistered(bytes32(0)), "registered");
    }

    // Verification.

    function test_the_model_s_verdict_is_the_registry_s() public view {
        assertTrue(registry.verify(id, proof, instances), "accepted");
    }

    function test_an_unknown_id_accepts_nothing() public view {
        assertFalse(registry.verify(bytes32(0), proof, instances), "words");
        assertFalse(registry.verify(bytes32(0), proof, new uint256[](0)), "no words: as many as are stored for it");
        assertFalse(registry.verify(bytes32(uint256(id) ^ 1), proof, instances), "another id");
    }

    function test_other_numbers_of_words_are_refused_before_the_model() public {
        CredulousModel credulous = new CredulousModel();
        bytes32 other = registry.register(entryOf(address(credulous), ports()));
        for (uint256 count = 0; count < 8; ++count) {
            assertTrue(registry.verify(other, proof, new uint256[](count)) == (count == WORDS), "count");
        }
    }

    function test_changed_instances_are_refused() public view {
        for (uint256 i = 0; i < WORDS; ++i) {
            uint256[] memory changed = instances;
            changed[i] += 1;
            assertFalse(registry.verify(id, proof, changed), "one more");
            changed[i] += R - 1;
            assertFalse(registry.verify(id, proof, changed), "the same number modulo the group order");
            changed[i] += R;
            assertFalse(registry.verify(id, proof, changed), "and again");
            changed[i] = type(uint256).max;
            assertFalse(registry.verify(id, proof, changed), "the largest word");
            (changed[i], changed[(i + 1) % WORDS]) = (instances[(i + 1) % WORDS], instances[i]);
            assertFalse(registry.verify(id, proof, changed), "swapped");
        }
    }

    function test_changed_proofs_are_refused() public view {
        bytes memory changed = proof;
        changed[100] ^= 0x01;
        assertFalse(registry.verify(id, changed, instances), "a bit");
        assertFalse(registry.verify(id, "", instances), "empty");
        assertFalse(registry.verify(id, bytes.concat(proof, hex"00"), instances), "a byte more");
        bytes memory truncated = proof;
        uint256 length = proof.length - 1;
        assembly ("memory-safe") {
            mstore(truncated, length)
        }
        assertFalse(registry.verify(id, truncated, instances), "a byte less");
    }

    function test_a_model_whose_code_changed_is_refused() public {
        bytes memory code = address(model).code;
        vm.etch(address(model), address(new CredulousModel()).code);
        assertFalse(registry.verify(id, proof, instances), "other code");
        vm.etch(address(model), "");
        assertFalse(registry.verify(id, proof, instances), "no code");
        vm.etch(address(model), code);
        assertTrue(registry.verify(id, proof, instances), "the code that was registered");
    }

    function registered(address odd) private returns (bytes32) {
        return registry.register(entryOf(odd, ports()));
    }

    function verdictOf(address odd) private returns (bool) {
        return registry.verify(registered(odd), proof, instances);
    }

    function fails(address odd) private {
        bytes32 other = registered(odd);
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.ModelFailed.selector, other));
        registry.verify{gas: 1_000_000}(other, proof, instances);
    }

    function test_a_model_cannot_change_state() public {
        WritingModel writing = new WritingModel();
        fails(address(writing));
        assertEq(writing.calls(), 0, "calls");
        fails(address(new LoggingModel()));
    }

    function test_only_the_word_one_is_true() public {
        assertTrue(verdictOf(address(new AnsweringModel(abi.encode(1)))), "one");
        assertFalse(verdictOf(address(new AnsweringModel(abi.encode(0)))), "zero");
        assertFalse(verdictOf(address(new AnsweringModel(abi.encode(2)))), "two");
        assertFalse(verdictOf(address(new AnsweringModel(abi.encode(type(uint256).max)))), "the largest word");
        assertFalse(verdictOf(address(new AnsweringModel(abi.encode(1 << 255 | 1)))), "one and more");
        assertFalse(verdictOf(address(new AnsweringModel(""))), "nothing");
        assertFalse(verdictOf(address(new AnsweringModel(hex"01"))), "a byte");
        assertFalse(verdictOf(address(new AnsweringModel(new bytes(31)))), "a byte less");
        assertFalse(verdictOf(address(new AnsweringModel(abi.encodePacked(uint256(1), uint8(0))))), "a byte more");
        assertFalse(verdictOf(address(new AnsweringModel(abi.encode(1, 1)))), "two words");
    }

    function test_a_model_that_fails_gives_no_verdict() public {
        // It reverts with the word one, which reads as true where nobody looks whether the call went through.
        fails(address(new RevertingModel()));
        fails(address(new ExhaustingModel()));
        assertFalse(verdictOf(address(new LengthyModel())), "answers with a megabyte");
    }

    /// @dev Too little gas is a revert, not a verdict.
    function testFuzz_little_gas_gives_no_verdict(uint256 gas_) public view {
        try registry.verify{gas: bound(gas_, 10_000, 200_000)}(id, proof, instances) returns (bool accepted) {
            assertTrue(accepted, "the verdict that much gas gives");
        } catch {}
    }

    // Gas.

    function test_gas() public {
        ModelRegistry fresh = new ModelRegistry();
        fresh.register(entry());
        vm.snapshotGasLastCall("ModelRegistry", "register, 2 ports");
        Port[] memory four = new Port[](4);
        (four[0], four[1], four[2], four[3]) = (picture(), picture(), scores(), scores());
        fresh.register(entryOf(address(model), four));
        vm.snapshotGasLastCall("ModelRegistry", "register, 4 ports");
        // Calls that could change state, so that each is a transaction of its own.
        (bool ok, bytes memory verdict) =
            address(model).call(abi.encodeCall(model.verifyProof, (proof, instances)));
        uint256 bare = vm.snapshotGasLastCall("ModelRegistry", "verifyProof of the mock, bare");
        assertTrue(ok && abi.decode(verdict, (bool)), "the model accepts");
        (ok, verdict) = address(registry).call(abi.encodeCall(registry.verify, (id, proof, instances)));
        uint256 through = vm.snapshotGasLastCall("ModelRegistry", "verify, mock");
        assertTrue(ok && abi.decode(verdict, (bool)), "the registry accepts");
        vm.snapshotValue("ModelRegistry", "overhead of verify, proof of 5984 bytes", through - bare);
        vm.snapshotValue("ModelRegistry", "runtime bytes", address(registry).code.length);
    }
}
