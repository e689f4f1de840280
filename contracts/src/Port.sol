// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

/// @notice Whether a port goes in or comes out.
enum Direction {
    Input,
    Output
}

/// @notice Who sees the values of a port, and how the instance words show them.
enum Visibility {
    /// The words pack the values.
    Public,
    /// No words: the values are known to the prover alone.
    Private,
    /// One word: a salted digest of the values.
    Hashed,
    /// No words: the proof commits to the values, so that links can compare them with those of another proof or commitment.
    Committed
}

/// @notice What the numbers of a port stand for.
enum Kind {
    /// A real number, `scale · integer`.
    Real,
    /// An integer: a label, a token, an index. The scale is 1.
    Index,
    /// A real number, `scale · integer`, or none: the integer `lo` stands for a value that is missing, and for no number.
    Nullable
}

/// @notice A tensor of a model's interface.
/// @dev The scale is the exact value of a binary float: `scaleMantissa · 2^scaleExponent` with an odd mantissa, so that
/// each scale is written in one way only.
struct Port {
    /// keccak256 of the name, as UTF-8.
    bytes32 nameHash;
    /// In or out.
    Direction direction;
    /// Who sees it.
    Visibility visibility;
    /// What the numbers are.
    Kind kind;
    /// Number of values, at least 1.
    uint32 elements;
    /// Smallest value.
    int64 lo;
    /// Largest value.
    int64 hi;
    /// Odd, below 2^53.
    uint64 scaleMantissa;
    /// Power of two.
    int16 scaleExponent;
}
