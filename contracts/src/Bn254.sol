// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

/// @title The curve of the proofs, by the precompiled contracts of EIP-196, EIP-197 and EIP-198
/// @notice Points are checked before they are used, so that a precompiled contract fails for want of gas alone; that reverts, since it
/// is no verdict. The point at infinity is (0, 0) where it comes out, and never an argument.
library Bn254 {
    /// @notice The field of the coordinates.
    uint256 internal constant Q = 0x30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47;
    /// @notice The order of the group.
    uint256 internal constant R = 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001;
    /// @notice 1/2 modulo R.
    uint256 internal constant HALF = 0x183227397098d014dc2822db40c0ac2e9419f4243cdcb848a1f0fac9f8000001;
    /// @notice A root of unity of order 2^28, whose powers are the domains' generators, and its inverse.
    uint256 private constant ROOT = 0x03ddb9f5166d18b798865ea93dd31f743215cf6dd39329c8d34f1ed960c37c9c;
    uint256 private constant ROOT_INVERSE = 0x048127174daabc261bbe587180f34361b22625f59115aba70ed3e50a414e6dba;
    /// @notice Largest k of a domain of 2^k points.
    uint256 internal constant MAX_K = 28;

    /// @notice Whether all are on the curve, with coordinates below Q, and none is infinity. The length is a multiple of 64.
    function arePoints(bytes memory points) internal pure returns (bool valid) {
        assembly ("memory-safe") {
            valid := 1
            let at := add(points, 32)
            for { let end := add(at, mload(points)) } lt(at, end) { at := add(at, 64) } {
                let x := mload(at)
                let y := mload(add(at, 32))
                let onCurve := eq(mulmod(y, y, Q), addmod(mulmod(x, mulmod(x, x, Q), Q), 3, Q))
                valid := and(valid, and(onCurve, and(lt(x, Q), lt(y, Q))))
            }
        }
    }

    /// @notice Whether all are below R. The length is a multiple of 32.
    function areScalars(bytes memory scalars) internal pure returns (bool valid) {
        assembly ("memory-safe") {
            valid := 1
            let at := add(scalars, 32)
            for { let end := add(at, mload(scalars)) } lt(at, end) { at := add(at, 32) } {
                valid := and(valid, lt(mload(at), R))
            }
        }
    }

    /// @notice The word at a byte of an array; the caller keeps to the array.
    function word(bytes memory array, uint256 offset) internal pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := mload(add(add(array, 32), offset))
        }
    }

    /// @notice `sum <- factor·sum + sign·p`, p being the point at a byte of an array, and the sign 1, or -1 where `negative`. Sums are
    /// four words: two of the point, two to work in.
    function step(uint256[4] memory sum, uint256 factor, bytes memory points, uint256 offset, bool negative) internal view {
        if (factor != 1) scale(sum, factor);
        add(sum, points, offset, negative);
    }

    /// @notice `sum <- factor·sum`
    function scale(uint256[4] memory sum, uint256 factor) internal view {
        assembly ("memory-safe") {
            mstore(add(sum, 0x40), factor)
            if iszero(staticcall(gas(), 7, sum, 0x60, sum, 0x40)) { revert(0, 0) }
        }
    }

    /// @notice `sum <- sum + sign·p`
    function add(uint256[4] memory sum, bytes memory points, uint256 offset, bool negative) internal view {
        uint256 y = word(points, offset + 32);
        addPoint(sum, word(points, offset), negative ? Q - y : y);
    }

    /// @notice `sum <- sum + (x, y)`
    function addPoint(uint256[4] memory sum, uint256 x, uint256 y) internal view {
        assembly ("memory-safe") {
            mstore(add(sum, 0x40), x)
            mstore(add(sum, 0x60), y)
            if iszero(staticcall(gas(), 6, sum, 0x80, sum, 0x40)) { revert(0, 0) }
        }
    }

    /// @notice `factor·p`
    function multiple(uint256 factor, bytes memory points, uint256 offset) internal view returns (uint256[4] memory sum) {
        (sum[0], sum[1]) = (word(points, offset), word(points, offset + 32));
        scale(sum, factor);
    }

    /// @notice Whether `e(left, [1]_2)·e(-opening, [tau]_2) = 1`. That `tau` is a point of the group is for the caller to know; it is one
    /// where its hash is that of an SRS.
    function pairing(uint256[4] memory left, bytes memory points, uint256 opening, bytes memory tau)
        internal
        view
        returns (bool valid)
    {
        bytes memory input = bytes.concat(
            abi.encode(
                left[0],
                left[1],
                0x198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2,
                0x1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed,
                0x090689d0585ff075ec9e99ad690c3395bc4b313370b38ef355acdadcd122975b,
                0x12c85ea5db8c6deb4aab71808dcb408fe3d1e7690c43d37b4ce6cc0166fa7daa,
                word(points, opening),
                Q - word(points, opening + 32)
            ),
            tau
        );
        assembly ("memory-safe") {
            if iszero(staticcall(gas(), 8, add(input, 0x20), 0x180, 0, 0x20)) { revert(0, 0) }
            valid := eq(mload(0), 1)
        }
    }

    /// @notice The inverse modulo R; 0 of 0.
    function inverse(uint256 value) internal view returns (uint256 result) {
        bytes memory input = abi.encode(32, 32, 32, value, R - 2, R);
        assembly ("memory-safe") {
            if iszero(staticcall(gas(), 5, add(input, 0x20), 0xc0, 0, 0x20)) { revert(0, 0) }
            result := mload(0)
        }
    }

    /// @notice `1/omega`, `value^n` and `1/n` for a domain of n = 2^k points with the generator omega; k is at most `MAX_K`.
    function domain(uint256 k, uint256 value)
        internal
        pure
        returns (uint256 omegaInverse, uint256 power, uint256 inverseOfSize)
    {
        omegaInverse = ROOT_INVERSE;
        for (uint256 i = k; i < MAX_K; ++i) {
            omegaInverse = mulmod(omegaInverse, omegaInverse, R);
        }
        power = value;
        inverseOfSize = 1;
        for (uint256 i = 0; i < k; ++i) {
            power = mulmod(power, power, R);
            inverseOfSize = mulmod(inverseOfSize, HALF, R);
        }
    }

    /// @notice The generator of a domain of 2^k points; k is at most `MAX_K`.
    function root(uint256 k) internal pure returns (uint256 omega) {
        omega = ROOT;
        for (uint256 i = k; i < MAX_K; ++i) {
            omega = mulmod(omega, omega, R);
        }
    }

    /// @notice Whether 128 bytes are the [tau]_2 of the SRS that a digest names.
    function isTauOf(bytes memory tau, bytes32 srs) internal pure returns (bool) {
        return tau.length == 128 && sha256(bytes.concat("zkinfer SRS", tau)) == srs;
    }
}
