// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

import {InstanceCodec} from "../src/InstanceCodec.sol";
import {Direction, Kind, Port, Visibility} from "../src/Port.sol";
import {Test} from "./Test.sol";

/// @notice The library behind calls, so that words lie in calldata and reverts can be caught.
contract Codec {
    function unpack(Port memory port, uint256[] calldata words) external pure returns (int64[] memory) {
        return InstanceCodec.unpack(port, words);
    }

    function pack(Port memory port, int64[] memory values) external pure returns (uint256[] memory) {
        return InstanceCodec.pack(port, values);
    }

    function wordsAt(Port[] memory ports, uint256[] calldata instances, uint256 index)
        external
        pure
        returns (uint256[] memory)
    {
        return InstanceCodec.wordsAt(ports, instances, index);
    }

    function wordsOf(Port[] memory ports) external pure returns (uint256, uint256) {
        return InstanceCodec.wordsOf(ports);
    }

    function toFixed(Port memory port, int64 value) external pure returns (int256) {
        return InstanceCodec.toFixed(port, value);
    }
}

contract InstanceCodecTest is Test {
    Codec private codec = new Codec();

    function port(uint32 elements, int64 lo, int64 hi) private pure returns (Port memory) {
        return Port({
            nameHash: keccak256("port"),
            direction: Direction.Input,
            visibility: Visibility.Public,
            kind: Kind.Real,
            elements: elements,
            lo: lo,
            hi: hi,
            scaleMantissa: 1,
            scaleExponent: 0
        });
    }

    function scaled(uint64 mantissa, int16 exponent) private pure returns (Port memory result) {
        result = port(1, type(int64).min, type(int64).max);
        (result.scaleMantissa, result.scaleExponent) = (mantissa, exponent);
    }

    function word(uint256 value) private pure returns (uint256[] memory words) {
        words = new uint256[](1);
        words[0] = value;
    }

    function test_bits_at_the_powers_of_two() public pure {
        assertEq(InstanceCodec.bitsOf(port(1, 5, 5)), 1, "one value");
        assertEq(InstanceCodec.bitsOf(port(1, 0, 1)), 1, "two values");
        assertEq(InstanceCodec.bitsOf(port(1, 0, 2)), 2, "three values");
        assertEq(InstanceCodec.bitsOf(port(1, -128, 127)), 8, "256 values");
        assertEq(InstanceCodec.bitsOf(port(1, -128, 128)), 9, "257 values");
        assertEq(InstanceCodec.bitsOf(port(1, type(int64).min, type(int64).max)), 64, "all values");
        assertEq(InstanceCodec.valuesPerWord(port(1, -128, 127)), 31, "bytes to a word");
        assertEq(InstanceCodec.valuesPerWord(port(1, 0, 1)), 248, "bits to a word");
        assertEq(InstanceCodec.valuesPerWord(port(1, type(int64).min, type(int64).max)), 3, "64 bits to a word");
    }

    function testFuzz_bits_are_the_least_that_hold_the_width(int64 lo, int64 hi) public pure {
        vm.assume(lo <= hi);
        uint256 bits = InstanceCodec.bitsOf(port(1, lo, hi));
        uint256 width = uint256(int256(hi) - int256(lo));
        assertTrue(width < 1 << bits, "they hold it");
        assertTrue(bits == 1 || width >= 1 << (bits - 1), "no fewer do");
    }

    function test_words_of_each_visibility() public pure {
        Port memory p = port(40, -128, 127);
        assertEq(InstanceCodec.wordsOf(p), 2, "public");
        p.elements = 31;
        assertEq(InstanceCodec.wordsOf(p), 1, "a full word");
        p.elements = 32;
        assertEq(InstanceCodec.wordsOf(p), 2, "one more");
        p.visibility = Visibility.Private;
        assertEq(InstanceCodec.wordsOf(p), 0, "private");
        p.visibility = Visibility.Committed;
        assertEq(InstanceCodec.wordsOf(p), 0, "committed");
        p.visibility = Visibility.Hashed;
        assertEq(InstanceCodec.wordsOf(p), 1, "hashed");
    }

    /// @dev Eight bits a value, the first in the lowest bits.
    function test_known_word() public view {
        int64[] memory values = new int64[](3);
        (values[0], values[1], values[2]) = (-128, 0, 127);
        uint256[] memory words = codec.pack(port(3, -128, 127), values);
        assertEq(words.length, 1, "words");
        assertEq(words[0], 0xff8000, "word");
    }

    function testFuzz_unpack_inverts_pack(int64 lo, int64 hi, uint256 seed) public view {
        vm.assume(lo <= hi);
        Port memory p = port(uint32(bound(seed, 1, 600)), lo, hi);
        int64[] memory values = new int64[](p.elements);
        uint256 width = uint256(int256(hi) - int256(lo));
        for (uint256 i = 0; i < values.length; ++i) {
            uint256 offset = bound(uint256(keccak256(abi.encode(seed, i))), 0, width);
            values[i] = int64(int256(lo) + int256(offset));
        }
        uint256[] memory words = codec.pack(p, values);
        assertEq(words.length, InstanceCodec.wordsOf(p), "words");
        for (uint256 i = 0; i < words.length; ++i) {
            assertTrue(words[i] >> InstanceCodec.WORD_BITS == 0, "248 bits");
        }
        assertEq(keccak256(abi.encode(codec.unpack(p, words))), keccak256(abi.encode(values)), "values");
    }

    /// @dev Any word is refused, or is what its values pack to: no two words have the same values.
    function testFuzz_a_word_is_refused_or_canonical(int64 lo, int64 hi, uint32 elements, uint256 value) public view {
        vm.assume(lo <= hi);
        Port memory p = port(1, lo, hi);
        p.elements = uint32(bound(elements, 1, InstanceCodec.valuesPerWord(p)));
        value >>= bound(elements, 0, 255);
        try codec.unpack(p, word(value)) returns (int64[] memory values) {
            assertEq(codec.pack(p, values)[0], value, "word");
        } catch {}
    }

    function test_excess_bits_are_refused() public {
        Port memory p = port(3, -128, 127);
        codec.unpack(p, word(0xffffff));
        for (uint256 bit = 24; bit < 256; ++bit) {
            vm.expectRevert(abi.encodeWithSelector(InstanceCodec.ExcessBits.selector, 0));
            codec.unpack(p, word(0xffffff | 1 << bit));
        }
        vm.expectRevert(abi.encodeWithSelector(InstanceCodec.ExcessBits.selector, 0));
        codec.unpack(port(31, -128, 127), word(1 << 248));
    }

    function test_excess_bits_of_the_last_word_are_refused() public {
        uint256[] memory words = new uint256[](2);
        (words[0], words[1]) = (type(uint248).max, 0xff);
        codec.unpack(port(32, -128, 127), words);
        words[1] = 0x1ff;
        vm.expectRevert(abi.encodeWithSelector(InstanceCodec.ExcessBits.selector, 1));
        codec.unpack(port(32, -128, 127), words);
    }

    function test_a_word_plus_the_group_order_is_refused() public {
        uint256 r = 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001;
        Port memory p = port(31, -128, 127);
        for (uint256 i = 1; i < 6; ++i) {
            vm.expectRevert();
            codec.unpack(p, word(5 + i * r));
        }
    }

    function test_values_above_hi_are_refused() public {
        Port memory p = port(2, -100, 100);
        codec.unpack(p, word(200 << 8 | 200));
        vm.expectRevert(abi.encodeWithSelector(InstanceCodec.OutOfRange.selector, 1, int256(101)));
        codec.unpack(p, word(201 << 8 | 200));
        p = port(1, type(int64).max - 2, type(int64).max);
        vm.expectRevert(abi.encodeWithSelector(InstanceCodec.OutOfRange.selector, 0, int256(1) << 63));
        codec.unpack(p, word(3));
    }

    function test_values_out_of_range_are_not_packed() public {
        Port memory p = port(1, -100, 100);
        int64[] memory values = new int64[](1);
        values[0] = -101;
        vm.expectRevert(abi.encodeWithSelector(InstanceCodec.OutOfRange.selector, 0, int256(-101)));
        codec.pack(p, values);
        values[0] = 101;
        vm.expectRevert(abi.encodeWithSelector(InstanceCodec.OutOfRange.selector, 0, int256(101)));
        codec.pack(p, values);
    }

    function test_other_numbers_of_words_and_values_are_refused() public {
        Port memory p = port(32, -128, 127);
        for (uint256 count = 0; count < 5; ++count) {
            if (count == 2) continue;
            vm.expectRevert(abi.encodeWithSelector(InstanceCodec.WordCount.selector, 2, count));
            codec.unpack(p, new uint256[](count));
        }
        vm.expectRevert(abi.encodeWithSelector(InstanceCodec.ValueCount.selector, 32, 31));
        codec.pack(p, new int64[](31));
    }

    function test_digests_and_private_ports_are_not_unpacked() public {
        Port memory p = port(1, 0, 1);
        p.visibility = Visibility.Hashed;
        vm.expectRevert(abi.encodeWithSelector(InstanceCodec.NotPacked.selector, Visibility.Hashed));
        codec.unpack(p, word(0));
        for (uint256 i = 0; i < 2; ++i) {
            p.visibility = i == 0 ? Visibility.Private : Visibility.Committed;
            vm.expectRevert(abi.encodeWithSelector(InstanceCodec.NotPacked.selector, p.visibility));
            codec.pack(p, new int64[](1));
        }
    }

    function interface_() private pure returns (Port[] memory ports) {
        ports = new Port[](4);
        ports[0] = port(40, -128, 127);
        ports[1] = port(9, -128, 127);
        ports[1].visibility = Visibility.Private;
        ports[2] = port(9, -128, 127);
        ports[2].visibility = Visibility.Hashed;
        ports[3] = port(3, type(int64).min, type(int64).max);
        ports[3].direction = Direction.Output;
    }

    function test_instances_are_split_into_ports() public {
        uint256[] memory instances = new uint256[](4);
        (instances[0], instances[1], instances[2], instances[3]) = (10, 11, 12, 13);
        uint256[4] memory lengths = [uint256(2), 0, 1, 1];
        uint256[4] memory firsts = [uint256(10), 0, 12, 13];
        for (uint256 i = 0; i < 4; ++i) {
            uint256[] memory mine = codec.wordsAt(interface_(), instances, i);
            assertEq(mine.length, lengths[i], "length");
            if (mine.length != 0) assertEq(mine[0], firsts[i], "first word");
        }
        (uint256 inputs, uint256 outputs) = codec.wordsOf(interface_());
        assertEq(inputs, 3, "words of inputs");
        assertEq(outputs, 1, "words of outputs");
        vm.expectRevert(abi.encodeWithSelector(InstanceCodec.UnknownPort.selector, 4, 4));
        codec.wordsAt(interface_(), instances, 4);
        vm.expectRevert(abi.encodeWithSelector(InstanceCodec.WordCount.selector, 4, 5));
        codec.wordsAt(interface_(), new uint256[](5), 0);
        vm.expectRevert(abi.encodeWithSelector(InstanceCodec.WordCount.selector, 4, 3));
        codec.wordsAt(interface_(), new uint256[](3), 3);
    }

    function test_malformed_ports_are_refused() public {
        Port[] memory good = interface_();
        codec.wordsOf(good);
        good[0].kind = Kind.Nullable;
        codec.wordsOf(good);
        good[0].kind = Kind.Real;
        Port[10] memory bad;
        for (uint256 i = 0; i < bad.length; ++i) {
            bad[i] = port(1, 0, 1);
        }
        bad[0].elements = 0;
        bad[1].lo = 2;
        bad[2].scaleMantissa = 0;
        bad[3].scaleMantissa = 2;
        bad[4].scaleMantissa = (1 << 53) + 1;
        bad[5].scaleExponent = -1075;
        bad[6].scaleExponent = 1024;
        (bad[7].kind, bad[7].scaleMantissa) = (Kind.Index, 3);
        (bad[8].kind, bad[8].direction) = (Kind.Nullable, Direction.Output);
        (bad[9].kind, bad[9].lo) = (Kind.Nullable, bad[9].hi);
        for (uint256 i = 0; i < bad.length; ++i) {
            Port[] memory ports = interface_();
            ports[1] = bad[i];
            vm.expectRevert(abi.encodeWithSelector(InstanceCodec.MalformedPort.selector, 1));
            codec.wordsOf(ports);
        }
        good[0].direction = Direction.Output;
        vm.expectRevert(abi.encodeWithSelector(InstanceCodec.InputAfterOutput.selector, 1));
        codec.wordsOf(good);
    }

    function test_arg_max_takes_the_first_of_equals() public pure {
        int64[] memory values = new int64[](4);
        (values[0], values[1], values[2], values[3]) = (type(int64).min, 7, type(int64).min, 7);
        assertEq(InstanceCodec.argMax(values), 1, "first of two");
        (values[1], values[3]) = (type(int64).min, type(int64).min);
        assertEq(InstanceCodec.argMax(values), 0, "first of all");
        values[3] = type(int64).max;
        assertEq(InstanceCodec.argMax(values), 3, "last");
    }

    function test_fixed_point_at_the_extremes() public {
        assertEq(codec.toFixed(scaled(1, 0), type(int64).min), -(int256(1) << 63) * 1e18, "smallest integer");
        assertEq(codec.toFixed(scaled(1, -7), -1), -7812500000000000, "an exact fraction");
        assertEq(codec.toFixed(scaled(1, -19), 1), 1907348632813, "a half rounds away from zero");
        assertEq(codec.toFixed(scaled(1, -19), -1), -1907348632813, "on both sides");
        assertEq(codec.toFixed(scaled((1 << 53) - 1, -1074), type(int64).min), 0, "the smallest scales");
        assertEq(codec.toFixed(scaled(1, -256), type(int64).max), 0, "a shift of a word");
        assertEq(codec.toFixed(scaled(1, -255), type(int64).max), 0, "a shift of a bit less");
        assertEq(codec.toFixed(scaled(1, 1023), 0), 0, "zero at the largest scale");
        // 2^122 < 2^63 · 10^18 < 2^123: another 132 bits fit 255. 2^59 < 10^18 < 2^60: another 195.
        assertEq(codec.toFixed(scaled(1, 132), type(int64).min), -((1e18 << 63) << 132), "the largest that fits");
        vm.expectRevert(abi.encodeWithSelector(InstanceCodec.FixedPointOverflow.selector));
        codec.toFixed(scaled(1, 133), type(int64).min);
        assertEq(codec.toFixed(scaled(1, 195), 1), int256(1e18) << 195, "the largest power");
        int16[5] memory large = [int16(196), 254, 255, 256, 1023];
        for (uint256 i = 0; i < large.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(InstanceCodec.FixedPointOverflow.selector));
            codec.toFixed(scaled(1, large[i]), 1);
        }
    }

    function testFuzz_fixed_point_is_the_nearest(int64 value, uint64 mantissa, uint8 shift) public view {
        mantissa = uint64(bound(mantissa, 1, (1 << 53) - 1));
        shift = uint8(bound(shift, 1, 190));
        int256 found = codec.toFixed(scaled(mantissa, -int16(uint16(shift))), value);
        assertTrue(value == 0 ? found == 0 : (found == 0 || (found < 0) == (value < 0)), "sign");
        // |found · 2^shift − value · mantissa · 10^18| ≤ 2^(shift − 1), in numbers below 2^240.
        int256 exact = int256(value) * int256(uint256(mantissa)) * 1e18;
        int256 difference = (found << shift) - exact;
        if (value < 0) difference = -difference;
        int256 half = int256(1) << (shift - 1);
        assertTrue(difference > -half && difference <= half, "within a half, upwards at the half");
    }

    function testFuzz_fixed_point_is_odd(int64 value, uint64 mantissa, uint8 shift) public view {
        vm.assume(value != type(int64).min);
        Port memory p = scaled(uint64(bound(mantissa, 1, (1 << 53) - 1)), -int16(uint16(shift)));
        assertEq(codec.toFixed(p, -value), -codec.toFixed(p, value), "the other sign");
    }
}
