// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

import {Direction, Kind, Port, Visibility} from "./Port.sol";

/// @title Instance words as values, and back
/// @notice A public port of `n` values in `[lo, hi]` takes `bits = max(1, ⌈log2(hi − lo + 1)⌉)` bits a value and as many
/// values to a word as fit into 248 bits, the first value in the lowest bits:
///
///     word = Σ (value_i − lo) · 2^(bits · i)
///
/// The packing is injective. This library refuses every word that no values pack to, so the words that it accepts and
/// the values that it returns name each other.
library InstanceCodec {
    /// @notice Bits of a word that carry values.
    uint256 internal constant WORD_BITS = 248;
    /// @notice What one stands for in the fixed-point numbers of `toFixed`.
    uint256 internal constant FIXED_ONE = 1e18;

    /// @notice Mantissas of binary floats have 53 bits.
    uint256 private constant MANTISSA_LIMIT = 1 << 53;
    /// @notice Exponent of the largest float with an odd mantissa of one bit.
    int16 private constant EXPONENT_MAX = 1023;
    /// @notice Exponent of the smallest positive float.
    int16 private constant EXPONENT_MIN = -1074;

    /// @notice The port is not well-formed.
    error MalformedPort(uint256 port);
    /// @notice An input behind an output: inputs come first.
    error InputAfterOutput(uint256 port);
    /// @notice There is no such port.
    error UnknownPort(uint256 port, uint256 ports);
    /// @notice The port's words do not pack its values.
    error NotPacked(Visibility visibility);
    /// @notice Another number of words than the ports have.
    error WordCount(uint256 expected, uint256 found);
    /// @notice Another number of values than the port has.
    error ValueCount(uint256 expected, uint256 found);
    /// @notice A word with bits beyond its values.
    error ExcessBits(uint256 word);
    /// @notice A value outside the port's range.
    error OutOfRange(uint256 index, int256 value);
    /// @notice A number too large for 18 decimals in 256 bits.
    error FixedPointOverflow();

    /// @notice Bits that a value takes in a word.
    /// @param port A well-formed port.
    function bitsOf(Port memory port) internal pure returns (uint256 bits) {
        uint256 rest = _width(port) >> 1;
        bits = 1;
        for (uint256 step = 32; step != 0; step >>= 1) {
            if (rest >> step != 0) {
                rest >>= step;
                bits += step;
            }
        }
        bits += rest;
    }

    /// @notice Values that a word carries.
    /// @param port A well-formed port.
    function valuesPerWord(Port memory port) internal pure returns (uint256) {
        return WORD_BITS / bitsOf(port);
    }

    /// @notice Instance words that a port takes.
    /// @param port A well-formed port.
    function wordsOf(Port memory port) internal pure returns (uint256) {
        if (port.visibility == Visibility.Private || port.visibility == Visibility.Committed) return 0;
        if (port.visibility == Visibility.Hashed) return 1;
        uint256 perWord = valuesPerWord(port);
        return (port.elements + perWord - 1) / perWord;
    }

    /// @notice Instance words that the inputs and the outputs take. Reverts unless each port is well-formed and inputs
    /// come first.
    /// @param ports All ports of an interface.
    function wordsOf(Port[] memory ports) internal pure returns (uint256 inputWords, uint256 outputWords) {
        bool output = false;
        for (uint256 i = 0; i < ports.length; ++i) {
            Port memory port = ports[i];
            if (!isWellFormed(port)) revert MalformedPort(i);
            if (port.direction == Direction.Output) {
                output = true;
                outputWords += wordsOf(port);
            } else {
                if (output) revert InputAfterOutput(i);
                inputWords += wordsOf(port);
            }
        }
    }

    /// @notice Whether the numbers of a port are such as an exported interface has: a value at least, an ordered range,
    /// the scale in its one form, and missing values in inputs alone, beside a number, and not committed to.
    function isWellFormed(Port memory port) internal pure returns (bool) {
        if (port.elements == 0 || port.lo > port.hi) return false;
        if (port.kind == Kind.Nullable) {
            if (port.direction == Direction.Output || port.lo == port.hi) return false;
            if (port.visibility == Visibility.Committed) return false;
        }
        if (port.kind == Kind.Index) return port.scaleMantissa == 1 && port.scaleExponent == 0;
        return port.scaleMantissa & 1 == 1 && port.scaleMantissa < MANTISSA_LIMIT && port.scaleExponent >= EXPONENT_MIN
            && port.scaleExponent <= EXPONENT_MAX;
    }

    /// @notice The words of one port among those of all.
    /// @param ports All ports of an interface, well-formed.
    /// @param instances The words of all ports.
    /// @param index Which port.
    function wordsAt(Port[] memory ports, uint256[] calldata instances, uint256 index)
        internal
        pure
        returns (uint256[] calldata)
    {
        if (index >= ports.length) revert UnknownPort(index, ports.length);
        uint256 offset = 0;
        uint256 start = 0;
        uint256 length = 0;
        for (uint256 i = 0; i < ports.length; ++i) {
            uint256 words = wordsOf(ports[i]);
            if (i == index) (start, length) = (offset, words);
            offset += words;
        }
        if (instances.length != offset) revert WordCount(offset, instances.length);
        return instances[start:start + length];
    }

    /// @notice The values that the words of a public port pack.
    /// @param port A well-formed, public port.
    /// @param words The words of that port alone.
    function unpack(Port memory port, uint256[] calldata words) internal pure returns (int64[] memory values) {
        _requirePacked(port);
        uint256 bits = bitsOf(port);
        uint256 perWord = WORD_BITS / bits;
        uint256 elements = port.elements;
        uint256 width = _width(port);
        uint256 expected = (elements + perWord - 1) / perWord;
        if (words.length != expected) revert WordCount(expected, words.length);

        values = new int64[](elements);
        uint256 next = 0;
        for (uint256 w = 0; w < words.length; ++w) {
            uint256 word = words[w];
            uint256 end = next + perWord < elements ? next + perWord : elements;
            for (; next < end; ++next) {
                uint256 offset = word & ((1 << bits) - 1);
                int256 value = int256(port.lo) + int256(offset);
                if (offset > width) revert OutOfRange(next, value);
                values[next] = int64(value);
                word >>= bits;
            }
            if (word != 0) revert ExcessBits(w);
        }
    }

    /// @notice The words that pack the values of a public port; the inverse of `unpack`.
    /// @param port A well-formed, public port.
    /// @param values All values of the port.
    function pack(Port memory port, int64[] memory values) internal pure returns (uint256[] memory words) {
        _requirePacked(port);
        if (values.length != port.elements) revert ValueCount(port.elements, values.length);
        uint256 bits = bitsOf(port);
        uint256 perWord = WORD_BITS / bits;
        words = new uint256[]((values.length + perWord - 1) / perWord);
        for (uint256 i = 0; i < values.length; ++i) {
            int64 value = values[i];
            if (value < port.lo || value > port.hi) revert OutOfRange(i, value);
            words[i / perWord] |= uint256(int256(value) - int256(port.lo)) << (bits * (i % perWord));
        }
    }

    /// @notice The place of the largest value; the first of them where several are equal, as ONNX's ArgMax has it.
    /// @param values At least one value.
    function argMax(int64[] memory values) internal pure returns (uint256 index) {
        for (uint256 i = 1; i < values.length; ++i) {
            if (values[i] > values[index]) index = i;
        }
    }

    /// @notice The real number that a value stands for, with 18 decimals.
    /// @dev `value · scale · 10^18` rounded to the nearest integer, halves away from zero; so the result for `−value` is
    /// that for `value` with the other sign. Nothing else is rounded: the scale is exact. Reverts where the number does
    /// not fit.
    /// @param port A well-formed port.
    /// @param value A value of it.
    function toFixed(Port memory port, int64 value) internal pure returns (int256) {
        // Below 2^63 · 2^53 · 2^60 = 2^176, and 2^63 itself for the smallest value.
        uint256 magnitude = _abs(value) * port.scaleMantissa * FIXED_ONE;
        uint256 result;
        if (port.scaleExponent >= 0) {
            uint256 shift = uint256(int256(port.scaleExponent));
            result = magnitude << shift;
            if (magnitude > uint256(type(int256).max) >> shift) revert FixedPointOverflow();
        } else {
            uint256 shift = uint256(-int256(port.scaleExponent));
            // A shift of 178 bits or more leaves nothing, so none above 255 matters.
            result = shift > 255 ? 0 : (magnitude + (1 << (shift - 1))) >> shift;
        }
        return value < 0 ? -int256(result) : int256(result);
    }

    /// @notice `hi − lo`, up to 2^64 − 1.
    function _width(Port memory port) private pure returns (uint256) {
        return uint256(int256(port.hi) - int256(port.lo));
    }

    /// @notice Absolute value, up to 2^63.
    function _abs(int64 value) private pure returns (uint256) {
        return value < 0 ? uint256(-int256(value)) : uint256(int256(value));
    }

    /// @notice Reverts unless the words of the port pack its values.
    function _requirePacked(Port memory port) private pure {
        if (port.visibility != Visibility.Public) revert NotPacked(port.visibility);
    }
}
