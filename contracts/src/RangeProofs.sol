// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

import {Bn254} from "./Bn254.sol";

/// @title The proofs of a registration
/// @notice Each shows that columns of 2^k rows hold integers of 16 bits in all rows but the last six. The system is one for all models
/// (`docs/arithmetization.md`, section 10): per column a weight, all limbs but the last, and helpers, which are sums of inverses for two
/// limbs each; then multiplicities, the fractions of the table and the sum of all. There are no fixed columns and no copies. Two instance
/// columns are evaluated here: `e = (1, 0, 0, ...)`, and the table, all integers of a limb.
///
/// A proof is points, then evaluations, then the two points of the opening:
///
///     weights | limbs by columns | multiplicities      alpha
///     helpers by columns | fractions | sum             (theta, beta, gamma: not used)
///     random polynomial                                y
///     three pieces of the quotient                     x
///     by columns: weight, limbs, helpers; then fractions, multiplicities, sum, sum one row before, random polynomial
///                                                      y', v
///     W                                                u
///     W'
library RangeProofs {
    /// @notice The order of the group.
    uint256 private constant R = Bn254.R;
    /// @notice Commitments besides those of the columns: multiplicities, fractions, sum, random polynomial, three pieces, and the opening.
    uint256 private constant OTHER_POINTS = 9;
    /// @notice Evaluations besides those of the columns.
    uint256 private constant OTHER_VALUES = 5;
    /// @notice Rows that are blinded.
    uint256 private constant BLINDED_ROWS = 6;

    /// @notice What a proof is about.
    struct Statement {
        /// Hash of the registration's terms and the proof's place.
        bytes32 terms;
        /// What the transcript has for the key.
        uint256 key;
        /// The columns have 2^k rows.
        uint256 k;
        /// How many columns there are.
        uint256 columns;
    }

    /// @notice Sizes and challenges.
    struct Course {
        uint256 k;
        uint256 columns;
        /// Bits of a limb.
        uint256 bits;
        /// Limbs of a weight.
        uint256 limbs;
        /// Byte of the first evaluation.
        uint256 values;
        uint256 alpha;
        uint256 y;
        uint256 x;
        /// Combines polynomials, then sets of points, then is the point of the opening.
        uint256 combiner;
        uint256 v;
        uint256 u;
        /// x/omega
        uint256 before;
        /// e(omega^i·x) summed over the blinded rows; for i = 0; for i = 7; the table at x.
        uint256 blinded;
        uint256 first;
        uint256 last;
        uint256 table;
        /// The inverses of x^n - 1, u - x/omega, x - x/omega.
        uint256 inverseVanishing;
        uint256 inverseOfU;
        uint256 inverseOfX;
        /// x^n
        uint256 power;
        /// The sum of all helpers.
        uint256 helpers;
    }

    /// @notice Whether a proof shows its statement. False for whatever is malformed; reverts where gas runs out.
    /// @param statement What it is about; the caller has checked the sizes.
    /// @param proof The bytes of the proof.
    /// @param tau [tau]_2 of the SRS.
    function verify(Statement memory statement, bytes memory proof, bytes memory tau) internal view returns (bool) {
        Course memory c;
        (c.k, c.columns) = (statement.k, statement.columns);
        // The widest limb whose table fits the rows.
        c.bits = 256 + BLINDED_ROWS <= 1 << c.k ? 8 : 4;
        c.limbs = 16 / c.bits;
        uint256 cells = c.columns * (c.limbs + c.limbs / 2);
        c.values = 64 * (cells + OTHER_POINTS - 2);
        if (proof.length != c.values + 32 * (cells + OTHER_VALUES) + 128 || !_isFormed(c, proof)) return false;
        _absorb(c, statement, proof);
        if (!_evaluateInstances(c)) return false;
        uint256 quotient = mulmod(_constraints(c, proof), c.inverseVanishing, R);
        return _isOpened(c, quotient, proof, tau);
    }

    /// @notice A part of an array.
    function _part(bytes memory array, uint256 start, uint256 length) private pure returns (bytes memory part) {
        part = new bytes(length);
        assembly ("memory-safe") {
            mcopy_(add(part, 32), add(add(array, 32), start), length)
            function mcopy_(to, from, count) {
                for { let i := 0 } lt(i, count) { i := add(i, 32) } { mstore(add(to, i), mload(add(from, i))) }
            }
        }
    }

    /// @notice Whether all words are points and scalars where such should be.
    function _isFormed(Course memory c, bytes memory proof) private pure returns (bool) {
        bytes memory points = _part(proof, 0, c.values);
        bytes memory scalars = _part(proof, c.values, proof.length - c.values - 128);
        bytes memory opening = _part(proof, proof.length - 128, 128);
        return Bn254.arePoints(points) && Bn254.areScalars(scalars) && Bn254.arePoints(opening);
    }

    /// @notice Runs the transcript.
    function _absorb(Course memory c, Statement memory statement, bytes memory proof) private pure {
        bytes32 digest = keccak256(
            bytes.concat(
                abi.encode(statement.terms, statement.key, uint256(1)),
                _table(c.bits),
                _part(proof, 0, 64 * (c.columns * c.limbs + 1))
            )
        );
        c.alpha = uint256(digest) % R;
        uint256 start = 64 * (c.columns * c.limbs + 1);
        uint256 length = 64 * (c.columns * c.limbs / 2 + 2);
        digest = _next(digest, _part(proof, start, length));
        digest = _again(_again(digest));
        digest = _next(digest, _part(proof, c.values - 256, 64));
        c.y = uint256(digest) % R;
        digest = _next(digest, _part(proof, c.values - 192, 192));
        c.x = uint256(digest) % R;
        digest = _next(digest, _part(proof, c.values, proof.length - c.values - 128));
        c.combiner = uint256(digest) % R;
        digest = _again(digest);
        c.v = uint256(digest) % R;
        digest = _next(digest, _part(proof, proof.length - 128, 64));
        c.u = uint256(digest) % R;
    }

    /// @notice The hash of what follows a challenge.
    function _next(bytes32 digest, bytes memory absorbed) private pure returns (bytes32) {
        return keccak256(bytes.concat(digest, absorbed));
    }

    /// @notice The hash where nothing follows it.
    function _again(bytes32 digest) private pure returns (bytes32) {
        return keccak256(bytes.concat(digest, hex"01"));
    }

    /// @notice The table as instance words: all signed integers of a limb, in order.
    function _table(uint256 bits) private pure returns (bytes memory words) {
        words = new bytes(32 << bits);
        uint256 half = 1 << (bits - 1);
        uint256 r = R;
        assembly ("memory-safe") {
            let to := add(words, 32)
            for { let i := 0 } lt(i, shl(1, half)) { i := add(i, 1) } {
                mstore(to, addmod(i, sub(r, half), r))
                to := add(to, 32)
            }
        }
    }

    /// @notice Evaluates the instance columns, and inverts what the opening needs. False where a challenge lies in the domain.
    function _evaluateInstances(Course memory c) private view returns (bool) {
        (uint256 omegaInverse, uint256 power, uint256 factor) = Bn254.domain(c.k, c.x);
        (c.power, c.before) = (power, mulmod(c.x, omegaInverse, R));
        uint256[7] memory inverted = _denominators(c);
        if (!_invert(inverted)) return false;
        // l_i(x) = omega^i·(x^n - 1)/(n·(x - omega^i))
        factor = mulmod(addmod(power, R - 1, R), factor, R);
        c.first = mulmod(factor, inverted[0], R);
        c.blinded = mulmod(factor, mulmod(c.blinded, inverted[1], R), R);
        c.last = mulmod(factor, inverted[2], R);
        c.table = mulmod(factor, mulmod(c.table, inverted[3], R), R);
        (c.inverseVanishing, c.inverseOfU) = (inverted[4], inverted[5]);
        c.inverseOfX = inverted[6];
        return true;
    }

    /// @notice What is inverted. The numerators of `blinded` and `table` are written to their places.
    function _denominators(Course memory c) private pure returns (uint256[7] memory inverted) {
        uint256 omega = Bn254.root(c.k);
        uint256 point = c.x;
        inverted[0] = addmod(point, R - 1, R);
        (uint256 sum, uint256 divisor) = (0, 1);
        for (uint256 i = 0; i < BLINDED_ROWS; ++i) {
            point = mulmod(point, omega, R);
            uint256 difference = addmod(point, R - 1, R);
            sum = addmod(mulmod(sum, difference, R), divisor, R);
            divisor = mulmod(divisor, difference, R);
        }
        (c.blinded, inverted[1]) = (sum, divisor);
        inverted[2] = addmod(mulmod(point, omega, R), R - 1, R);
        (c.table, inverted[3]) = _tableFraction(c.x, omega, c.bits);
        inverted[4] = addmod(c.power, R - 1, R);
        inverted[5] = addmod(c.u, R - c.before, R);
        inverted[6] = addmod(c.x, R - c.before, R);
    }

    /// @notice `sum v_i·omega^i/(x - omega^i)` over the table's entries, as one fraction.
    function _tableFraction(uint256 x, uint256 omega, uint256 bits)
        private
        pure
        returns (uint256 sum, uint256 divisor)
    {
        uint256 r = R;
        assembly ("memory-safe") {
            let root := 1
            let entry := sub(r, shl(sub(bits, 1), 1))
            divisor := 1
            for { let i := shl(bits, 1) } i { i := sub(i, 1) } {
                let difference := addmod(x, sub(r, root), r)
                sum := addmod(mulmod(sum, difference, r), mulmod(mulmod(entry, root, r), divisor, r), r)
                divisor := mulmod(divisor, difference, r)
                root := mulmod(root, omega, r)
                entry := addmod(entry, 1, r)
            }
        }
    }

    /// @notice Inverts all numbers at the price of one inversion. False where one of them is zero.
    function _invert(uint256[7] memory numbers) private view returns (bool) {
        uint256[7] memory prefixes;
        uint256 product = 1;
        for (uint256 i = 0; i < 7; ++i) {
            prefixes[i] = product;
            product = mulmod(product, numbers[i], R);
        }
        if (product == 0) return false;
        uint256 inverse = Bn254.inverse(product);
        for (uint256 i = 7; i != 0; --i) {
            uint256 number = numbers[i - 1];
            numbers[i - 1] = mulmod(inverse, prefixes[i - 1], R);
            inverse = mulmod(inverse, number, R);
        }
        return true;
    }

    /// @notice The constraints at x, combined by y: R-HELPER of all columns, R-TABLE, R-SUM, R-SUM-END.
    function _constraints(Course memory c, bytes memory proof) private pure returns (uint256 total) {
        uint256 offset = c.values;
        for (uint256 column = 0; column < c.columns; ++column) {
            total = _column(c, proof, offset, total);
            offset += 32 * (c.limbs + c.limbs / 2);
        }
        uint256 active = addmod(1, R - c.blinded, R);
        uint256 fraction = Bn254.word(proof, offset);
        uint256 term = mulmod(addmod(c.alpha, c.table, R), fraction, R);
        term = addmod(term, R - Bn254.word(proof, offset + 32), R);
        total = addmod(mulmod(total, c.y, R), mulmod(active, term, R), R);
        uint256 sum = Bn254.word(proof, offset + 64);
        term = mulmod(addmod(1, R - c.first, R), Bn254.word(proof, offset + 96), R);
        term = addmod(addmod(sum, fraction, R), R - addmod(term, c.helpers, R), R);
        total = addmod(mulmod(total, c.y, R), mulmod(active, term, R), R);
        total = addmod(mulmod(total, c.y, R), mulmod(c.last, sum, R), R);
    }

    /// @notice R-HELPER of a column, whose values start at a byte of the proof: `helper·f·f' - f - f'` for pairs of
    /// `f = alpha + limb`. The helpers are added up.
    function _column(Course memory c, bytes memory proof, uint256 offset, uint256 total)
        private
        pure
        returns (uint256)
    {
        uint256[4] memory factors = _factors(c, proof, offset);
        uint256 active = addmod(1, R - c.blinded, R);
        offset += 32 * c.limbs;
        for (uint256 pair = 0; pair < c.limbs; pair += 2) {
            uint256 helper = Bn254.word(proof, offset);
            c.helpers = addmod(c.helpers, helper, R);
            uint256 term = mulmod(helper, mulmod(factors[pair], factors[pair + 1], R), R);
            term = addmod(term, R - addmod(factors[pair], factors[pair + 1], R), R);
            total = addmod(mulmod(total, c.y, R), mulmod(active, term, R), R);
            offset += 32;
        }
        return total;
    }

    /// @notice `alpha + limb` for the limbs of a column. The last limb is what the others leave of the weight.
    function _factors(Course memory c, bytes memory proof, uint256 offset)
        private
        pure
        returns (uint256[4] memory factors)
    {
        uint256 rest = addmod(Bn254.word(proof, offset), R - (c.bits == 8 ? 0x80 : 0x888), R);
        uint256 last = c.limbs - 1;
        for (uint256 limb = 0; limb < last; ++limb) {
            offset += 32;
            uint256 value = Bn254.word(proof, offset);
            factors[limb] = addmod(c.alpha, value, R);
            rest = addmod(rest, R - mulmod(value, 1 << (c.bits * limb), R), R);
        }
        for (uint256 bit = c.bits * last; bit != 0; --bit) {
            rest = mulmod(rest, Bn254.HALF, R);
        }
        factors[last] = addmod(c.alpha, rest, R);
    }

    /// @notice Whether all polynomials have the values that the proof says. What is opened at x alone is one set, the sum, which is opened
    /// one row before as well, the other.
    function _isOpened(Course memory c, uint256 quotient, bytes memory proof, bytes memory tau)
        private
        view
        returns (bool)
    {
        (uint256[4] memory sum, uint256 value) = _combined(c, quotient, proof);
        // The second set, with the factor v/(u - x/omega).
        uint256 weight = mulmod(c.v, c.inverseOfU, R);
        value = addmod(value, mulmod(weight, _line(c, proof), R), R);
        _addMultiple(sum, weight, proof, c.values - 320);
        // sum - value·[1] - (u - x)·W + u·W'
        uint256 opening = proof.length - 128;
        _addMultiple(sum, addmod(c.x, R - c.u, R), proof, opening);
        _addMultiple(sum, c.u, proof, opening + 64);
        _addMultiple(sum, R - value, abi.encode(1, 2), 0);
        return Bn254.pairing(sum, proof, opening + 64, tau);
    }

    /// @notice The value at u of the line through the two values of the sum.
    function _line(Course memory c, bytes memory proof) private pure returns (uint256) {
        uint256 offset = c.values + 32 * (c.columns * (c.limbs + c.limbs / 2) + 2);
        uint256 here = mulmod(Bn254.word(proof, offset), addmod(c.u, R - c.before, R), R);
        uint256 there = mulmod(Bn254.word(proof, offset + 32), addmod(c.u, R - c.x, R), R);
        return mulmod(addmod(here, R - there, R), c.inverseOfX, R);
    }

    /// @notice `sum <- sum + factor·p`
    function _addMultiple(uint256[4] memory sum, uint256 factor, bytes memory points, uint256 offset) private view {
        uint256[4] memory term = Bn254.multiple(factor, points, offset);
        Bn254.addPoint(sum, term[0], term[1]);
    }

    /// @notice The first set combined by powers of y', from its last polynomial on: columns, fractions, multiplicities, quotient, random
    /// polynomial.
    function _combined(Course memory c, uint256 quotient, bytes memory proof)
        private
        view
        returns (uint256[4] memory sum, uint256 value)
    {
        uint256 y = c.combiner;
        uint256 offset = c.values + 32 * c.columns * (c.limbs + c.limbs / 2);
        // The random polynomial, and the quotient, whose pieces are combined by powers of x^n.
        (sum[0], sum[1]) = (Bn254.word(proof, c.values - 256), Bn254.word(proof, c.values - 192 - 32));
        uint256[4] memory pieces;
        (pieces[0], pieces[1]) = (Bn254.word(proof, c.values - 64), Bn254.word(proof, c.values - 32));
        Bn254.step(pieces, c.power, proof, c.values - 128, false);
        Bn254.step(pieces, c.power, proof, c.values - 192, false);
        Bn254.scale(sum, y);
        Bn254.addPoint(sum, pieces[0], pieces[1]);
        value = addmod(mulmod(Bn254.word(proof, offset + 128), y, R), quotient, R);
        // Multiplicities and fractions.
        Bn254.step(sum, y, proof, 64 * c.columns * c.limbs, false);
        value = addmod(mulmod(value, y, R), Bn254.word(proof, offset + 32), R);
        Bn254.step(sum, y, proof, c.values - 384, false);
        value = addmod(mulmod(value, y, R), Bn254.word(proof, offset), R);
        for (uint256 column = c.columns; column != 0; --column) {
            (value, offset) = _combineColumn(c, proof, column - 1, offset, sum, value);
        }
    }

    /// @notice Takes up a column: its helpers, limbs and weight, whose values end at a byte of the proof.
    function _combineColumn(
        Course memory c,
        bytes memory proof,
        uint256 column,
        uint256 end,
        uint256[4] memory sum,
        uint256 value
    ) private view returns (uint256, uint256) {
        uint256 y = c.combiner;
        for (uint256 i = c.limbs + c.limbs / 2; i != 0; --i) {
            end -= 32;
            value = addmod(mulmod(value, y, R), Bn254.word(proof, end), R);
            Bn254.step(sum, y, proof, 64 * _place(c, column, i - 1), false);
        }
        return (value, end);
    }

    /// @notice The place among the points of a column's polynomial: 0 is the weight, then come limbs, then helpers.
    function _place(Course memory c, uint256 column, uint256 index) private pure returns (uint256) {
        if (index == 0) return column;
        uint256 limbs = c.limbs - 1;
        if (index <= limbs) return c.columns + column * limbs + index - 1;
        return c.columns * c.limbs + 1 + column * (c.limbs / 2) + index - 1 - limbs;
    }
}
