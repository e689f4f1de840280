// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

import {InstanceCodec} from "../src/InstanceCodec.sol";
import {PinnedModel} from "../src/PinnedModel.sol";
import {ERC721} from "../src/adapters/ERC721.sol";
import {ERC7007Adapter} from "../src/adapters/ERC7007Adapter.sol";
import {ERC8004Validator} from "../src/adapters/ERC8004Validator.sol";
import {IERC165, IERC721, IERC721Receiver} from "../src/interfaces/IERC721.sol";
import {IERC7007} from "../src/interfaces/IERC7007.sol";
import {IERC8004Validation} from "../src/interfaces/IERC8004Validation.sol";
import {Fixture} from "./Fixture.sol";
import {ValidationRegistryMock} from "./mocks/ValidationRegistryMock.sol";

/// @notice Takes tokens, or answers something else.
contract Receiver is IERC721Receiver {
    bytes4 private immutable _answer;

    constructor(bytes4 answer) {
        _answer = answer;
    }

    function onERC721Received(address, address, uint256, bytes calldata) external view returns (bytes4) {
        return _answer;
    }
}

contract ERC7007AdapterTest is Fixture {
    address private constant ARTIST = address(0xa11ce);
    address private constant OTHER = address(0x7e1f);
    bytes32 private constant SALT = keccak256("salt");
    /// @dev Times are told outright: within a function, compilers may take the time of the block for constant.
    uint256 private constant TIME = 1_900_000_000;
    uint256 private constant AGE = 60;

    ERC7007Adapter private adapter;

    function setUp() public override {
        super.setUp();
        vm.warp(TIME);
        adapter = new ERC7007Adapter(registry, entry(), address(this));
    }

    function prompt() private view returns (bytes memory) {
        return abi.encodePacked(instances[0], instances[1]);
    }

    function content() private view returns (bytes memory) {
        return abi.encodePacked(instances[2]);
    }

    function mint() private returns (uint256 token) {
        bytes32 commitment = adapter.commitmentOf(ARTIST, adapter.tokenOf(prompt()), SALT);
        vm.prank(ARTIST);
        adapter.commit(commitment);
        vm.warp(TIME + AGE);
        vm.prank(ARTIST);
        return adapter.mint(prompt(), SALT);
    }

    function add(uint256 token) private {
        vm.prank(ARTIST);
        adapter.addAigcData(token, prompt(), content(), proof);
    }

    function test_interface_ids() public view {
        assertEq(bytes32(type(IERC165).interfaceId), bytes32(bytes4(0x01ffc9a7)), "ERC-165");
        assertEq(bytes32(type(IERC721).interfaceId), bytes32(bytes4(0x80ac58cd)), "ERC-721");
        assertEq(bytes32(type(IERC7007).interfaceId), bytes32(bytes4(0x702c55a6)), "ERC-7007");
        assertTrue(adapter.supportsInterface(0x01ffc9a7), "ERC-165");
        assertTrue(adapter.supportsInterface(0x80ac58cd), "ERC-721");
        assertTrue(adapter.supportsInterface(0x702c55a6), "ERC-7007");
        assertFalse(adapter.supportsInterface(0xffffffff), "none");
    }

    function test_content_is_added_with_its_proof() public {
        uint256 token = mint();
        assertEq(adapter.ownerOf(token), ARTIST, "owner");
        assertEq(adapter.committedAt(adapter.commitmentOf(ARTIST, token, SALT)), 0, "the commitment is spent");
        assertEq(token, uint256(keccak256(prompt())), "the token is the prompt's hash");
        assertTrue(adapter.verify(prompt(), content(), proof), "verify");
        vm.expectEmit(true, true, true, true, address(adapter));
        emit IERC7007.AigcData(token, prompt(), content(), proof);
        add(token);
        assertEq(adapter.contentOf(token), keccak256(content()), "content");
        vm.expectRevert(abi.encodeWithSelector(ERC7007Adapter.ContentExists.selector, token));
        add(token);
    }

    function test_the_boundary_of_prompt_and_content_is_fixed() public view {
        bytes memory all = bytes.concat(prompt(), content());
        for (uint256 cut = 0; cut <= all.length; ++cut) {
            (bytes memory left, bytes memory right) = (new bytes(cut), new bytes(all.length - cut));
            for (uint256 i = 0; i < all.length; ++i) {
                if (i < cut) left[i] = all[i];
                else right[i - cut] = all[i];
            }
            assertTrue(adapter.verify(left, right, proof) == (cut == 64), "cut");
        }
        assertFalse(adapter.verify(bytes.concat(prompt(), hex"00"), content(), proof), "a byte more");
        assertFalse(adapter.verify(prompt(), bytes.concat(content(), hex"00"), proof), "a byte more");
        assertFalse(adapter.verify("", "", proof), "empty");
    }

    function test_changed_content_is_refused() public {
        uint256 token = mint();
        bytes memory other = content();
        other[31] ^= 0x01;
        vm.expectRevert(abi.encodeWithSelector(PinnedModel.ProofRefused.selector));
        vm.prank(ARTIST);
        adapter.addAigcData(token, prompt(), other, proof);
        assertFalse(adapter.verify(prompt(), abi.encodePacked(instances[2] + R), proof), "plus the group order");
        bytes memory otherPrompt = abi.encodePacked(instances[1], instances[0]);
        vm.expectRevert(
            abi.encodeWithSelector(ERC7007Adapter.OtherPrompt.selector, token, uint256(keccak256(otherPrompt)))
        );
        vm.prank(ARTIST);
        adapter.addAigcData(token, otherPrompt, content(), proof);
    }

    function test_a_prompt_is_not_taken_from_the_queue() public {
        uint256 token = adapter.tokenOf(prompt());
        bytes32 mine = adapter.commitmentOf(ARTIST, token, SALT);
        vm.prank(ARTIST);
        adapter.commit(mine);
        vm.warp(TIME + AGE - 1);
        vm.expectRevert(abi.encodeWithSelector(ERC7007Adapter.NotCommitted.selector, mine));
        vm.prank(ARTIST);
        adapter.mint(prompt(), SALT);
        vm.warp(TIME + AGE);
        // Whoever sees the prompt and the salt in the queue has no commitment, and none that is old enough.
        bytes32 theirs = adapter.commitmentOf(OTHER, token, SALT);
        vm.expectRevert(abi.encodeWithSelector(ERC7007Adapter.NotCommitted.selector, theirs));
        vm.prank(OTHER);
        adapter.mint(prompt(), SALT);
        vm.prank(OTHER);
        adapter.commit(theirs);
        vm.warp(TIME + 2 * AGE - 1);
        vm.expectRevert(abi.encodeWithSelector(ERC7007Adapter.NotCommitted.selector, theirs));
        vm.prank(OTHER);
        adapter.mint(prompt(), SALT);
        vm.prank(ARTIST);
        adapter.mint(prompt(), SALT);
        vm.warp(TIME + 2 * AGE);
        vm.expectRevert(abi.encodeWithSelector(ERC721.TokenExists.selector, token));
        vm.prank(OTHER);
        adapter.mint(prompt(), SALT);
    }

    /// @dev A commitment made again keeps its first block: others cannot put it off.
    function test_a_commitment_is_not_put_off() public {
        uint256 token = adapter.tokenOf(prompt());
        bytes32 commitment = adapter.commitmentOf(ARTIST, token, SALT);
        vm.prank(ARTIST);
        adapter.commit(commitment);
        vm.warp(TIME + AGE);
        vm.prank(OTHER);
        adapter.commit(commitment);
        vm.prank(ARTIST);
        assertEq(adapter.mint(prompt(), SALT), token, "token");
    }

    function test_prompts_of_other_lengths_are_not_minted() public {
        vm.expectRevert(abi.encodeWithSelector(ERC7007Adapter.ByteCount.selector, 64, 65));
        adapter.mint(bytes.concat(prompt(), hex"00"), SALT);
        vm.expectRevert(abi.encodeWithSelector(ERC7007Adapter.ByteCount.selector, 64, 0));
        adapter.mint("", SALT);
    }

    function test_only_who_may_act_for_the_owner_adds() public {
        uint256 token = mint();
        vm.expectRevert(abi.encodeWithSelector(ERC721.NotApproved.selector, token, OTHER));
        vm.prank(OTHER);
        adapter.addAigcData(token, prompt(), content(), proof);
        vm.prank(ARTIST);
        adapter.approve(OTHER, token);
        vm.prank(OTHER);
        adapter.addAigcData(token, prompt(), content(), proof);
        vm.expectRevert(abi.encodeWithSelector(ERC721.UnknownToken.selector, 7));
        adapter.addAigcData(7, prompt(), content(), proof);
    }

    function test_tokens_are_transferred_by_those_who_may() public {
        uint256 token = mint();
        vm.expectRevert(abi.encodeWithSelector(ERC721.NotApproved.selector, token, OTHER));
        vm.prank(OTHER);
        adapter.transferFrom(ARTIST, OTHER, token);
        vm.expectRevert(abi.encodeWithSelector(ERC721.NotOwner.selector, token, OTHER));
        vm.prank(ARTIST);
        adapter.transferFrom(OTHER, OTHER, token);
        vm.expectRevert(abi.encodeWithSelector(ERC721.ZeroAddress.selector));
        vm.prank(ARTIST);
        adapter.transferFrom(ARTIST, address(0), token);
        vm.prank(ARTIST);
        adapter.approve(OTHER, token);
        assertEq(adapter.getApproved(token), OTHER, "approved");
        vm.prank(OTHER);
        adapter.transferFrom(ARTIST, OTHER, token);
        assertEq(adapter.getApproved(token), address(0), "an approval ends with the transfer");
        assertEq(adapter.balanceOf(ARTIST), 0, "one less");
        assertEq(adapter.balanceOf(OTHER), 1, "one more");
        vm.expectRevert(abi.encodeWithSelector(ERC721.NotApproved.selector, token, ARTIST));
        vm.prank(ARTIST);
        adapter.approve(ARTIST, token);
        vm.prank(OTHER);
        adapter.setApprovalForAll(ARTIST, true);
        vm.prank(ARTIST);
        adapter.approve(ARTIST, token);
        vm.prank(OTHER);
        adapter.setApprovalForAll(ARTIST, false);
        vm.prank(ARTIST);
        adapter.safeTransferFrom(OTHER, ARTIST, token);
        assertEq(adapter.ownerOf(token), ARTIST, "back");
        vm.expectRevert(abi.encodeWithSelector(ERC721.ZeroAddress.selector));
        adapter.balanceOf(address(0));
    }

    function test_contracts_are_asked_on_safe_transfers() public {
        uint256 token = mint();
        Receiver unwilling = new Receiver(0xdeadbeef);
        vm.expectRevert(abi.encodeWithSelector(ERC721.ReceiverRefused.selector, address(unwilling)));
        vm.prank(ARTIST);
        adapter.safeTransferFrom(ARTIST, address(unwilling), token, "data");
        vm.expectRevert();
        vm.prank(ARTIST);
        adapter.safeTransferFrom(ARTIST, address(registry), token);
        Receiver willing = new Receiver(IERC721Receiver.onERC721Received.selector);
        vm.prank(ARTIST);
        adapter.safeTransferFrom(ARTIST, address(willing), token);
        assertEq(adapter.ownerOf(token), address(willing), "owner");
    }

    function test_gas() public {
        uint256 token = mint();
        vm.snapshotGasLastCall("ERC7007Adapter", "mint");
        add(token);
        vm.snapshotGasLastCall("ERC7007Adapter", "addAigcData, mock");
        vm.snapshotValue("ERC7007Adapter", "runtime bytes", address(adapter).code.length);
    }
}

contract ERC8004ValidatorTest is Fixture {
    uint256 private constant AGENT = 22;

    ERC8004Validator private validator;
    ValidationRegistryMock private validations;

    function setUp() public override {
        super.setUp();
        validations = new ValidationRegistryMock();
        validator = new ERC8004Validator(validations, registry, entry(), address(this));
    }

    function ask(uint256 nonce) private returns (bytes32 request) {
        request = keccak256(validator.claimOf(AGENT, nonce, instances));
        validations.validationRequest(address(validator), AGENT, "ipfs://claim", request);
    }

    function test_a_proven_claim_is_answered_with_100() public {
        bytes32 request = ask(0);
        vm.expectEmit(true, true, true, true, address(validator));
        emit ERC8004Validator.Proven(request, AGENT, instances);
        vm.expectEmit(true, true, true, true, address(validations));
        emit IERC8004Validation.ValidationResponse(
            address(validator), AGENT, request, 100, "", bytes32(0), "zkinfer"
        );
        validator.respond(request, 0, proof, instances);
        (address by, uint256 agent, uint8 response,, string memory tag,) = validations.getValidationStatus(request);
        assertEq(by, address(validator), "validator");
        assertEq(agent, AGENT, "agent");
        assertEq(response, 100, "response");
        assertEq(keccak256(bytes(tag)), keccak256("zkinfer"), "tag");
        vm.expectRevert(abi.encodeWithSelector(ERC8004Validator.AlreadyProven.selector, request));
        validator.respond(request, 0, proof, instances);
    }

    function test_selectors_are_those_of_the_draft() public pure {
        assertEq(
            bytes32(IERC8004Validation.validationRequest.selector),
            bytes32(bytes4(keccak256("validationRequest(address,uint256,string,bytes32)"))),
            "request"
        );
        assertEq(
            bytes32(IERC8004Validation.validationResponse.selector),
            bytes32(bytes4(keccak256("validationResponse(bytes32,uint8,string,bytes32,string)"))),
            "response"
        );
    }

    function test_a_bad_proof_leaves_the_request_unanswered() public {
        bytes32 request = ask(0);
        bytes memory bad = proof;
        bad[0] ^= 0x01;
        vm.expectRevert(abi.encodeWithSelector(PinnedModel.ProofRefused.selector));
        validator.respond(request, 0, bad, instances);
        (,, uint8 response,,,) = validations.getValidationStatus(request);
        assertEq(response, 0, "response");
        validator.respond(request, 0, proof, instances);
    }

    function test_a_proof_of_another_claim_is_refused() public {
        bytes32 request = ask(0);
        uint256[] memory other = instances;
        other[2] += 1;
        model.accept(proof, other);
        bytes32 found = keccak256(validator.claimOf(AGENT, 0, other));
        vm.expectRevert(abi.encodeWithSelector(ERC8004Validator.OtherClaim.selector, request, found));
        validator.respond(request, 0, proof, other);
        found = keccak256(validator.claimOf(AGENT, 1, instances));
        vm.expectRevert(abi.encodeWithSelector(ERC8004Validator.OtherClaim.selector, request, found));
        validator.respond(request, 1, proof, instances);
    }

    /// @dev A request of one agent is not answered for the claim of another: the agent is in the hash.
    function test_a_claim_names_its_agent() public {
        bytes32 request = keccak256(validator.claimOf(AGENT, 0, instances));
        validations.validationRequest(address(validator), AGENT + 1, "ipfs://claim", request);
        bytes32 found = keccak256(validator.claimOf(AGENT + 1, 0, instances));
        vm.expectRevert(abi.encodeWithSelector(ERC8004Validator.OtherClaim.selector, request, found));
        validator.respond(request, 0, proof, instances);
    }

    function test_requests_to_others_are_not_answered() public {
        bytes32 request = keccak256(validator.claimOf(AGENT, 0, instances));
        vm.expectRevert(abi.encodeWithSelector(ERC8004Validator.NotAsked.selector, request, address(0)));
        validator.respond(request, 0, proof, instances);
        validations.validationRequest(address(this), AGENT, "ipfs://claim", request);
        vm.expectRevert(abi.encodeWithSelector(ERC8004Validator.NotAsked.selector, request, address(this)));
        validator.respond(request, 0, proof, instances);
    }

    function test_other_numbers_of_words_are_refused() public {
        uint256[] memory longer = new uint256[](WORDS + 1);
        for (uint256 i = 0; i < WORDS; ++i) {
            longer[i] = instances[i];
        }
        bytes32 request = keccak256(validator.claimOf(AGENT, 0, longer));
        validations.validationRequest(address(validator), AGENT, "ipfs://claim", request);
        vm.expectRevert(abi.encodeWithSelector(InstanceCodec.WordCount.selector, WORDS, WORDS + 1));
        validator.respond(request, 0, proof, longer);
    }

    function test_gas() public {
        validator.respond(ask(0), 0, proof, instances);
        vm.snapshotGasLastCall("ERC8004Validator", "respond, mock");
        vm.snapshotValue("ERC8004Validator", "runtime bytes", address(validator).code.length);
    }
}
