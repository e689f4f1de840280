// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

import {Bn254} from "./Bn254.sol";
import {Side, Sides} from "./Side.sol";
import {ILinkVerifier} from "./interfaces/ILinkVerifier.sol";

/// @title One verifier for every link
/// @notice Judges what `zkinfer verify --link` judges, byte for byte: a Schnorr proof of knowledge of the difference of two sides in the
/// basis of the last rows, with Keccak-256 for its challenges. `docs/linking.md` has the protocol and the argument.
///
/// There is no owner and no constructor argument. The only storage is of facts: which bases have been certified. A verdict does not
/// depend on it, only its price.
contract LinkVerifier is ILinkVerifier {
    /// @notice Opens the hash of a link's challenges.
    bytes32 private constant TAG = "zkinfer link 1: same values     ";
    /// @notice Opens the hash of a certificate's challenges.
    bytes32 private constant BASES_TAG = "zkinfer link 1: bases of the end";

    /// @notice Bases that were certified, by `_idOf`.
    mapping(bytes32 id => bool certified) private _certified;

    /// @inheritdoc ILinkVerifier
    function certifyBases(bytes32 srs, uint8 k, bytes calldata tau, bytes calldata bases) external returns (bool) {
        if (bases.length % 64 != 0 || bases.length < 128 || !Bn254.arePoints(bases)) return false;
        if (!Bn254.isTauOf(tau, srs) || !_areCertified(srs, k, tau, bases)) return false;
        bytes32 id = _idOf(srs, k, bases);
        _certified[id] = true;
        emit BasesCertified(id);
        return true;
    }

    /// @inheritdoc ILinkVerifier
    function verifyLink(Side calldata from, Side calldata to, bytes calldata tau, bytes calldata link)
        external
        view
        returns (bool)
    {
        if (!_areComparable(from, to) || !Bn254.isTauOf(tau, from.srs)) return false;
        uint256 rows = from.blindedRows > to.blindedRows ? from.blindedRows : to.blindedRows;
        if (rows == 0 || link.length != 96 * rows + 128 || _isCut(from, rows) || _isCut(to, rows)) return false;
        bytes memory points = link[:64 * rows + 128];
        bytes memory scalars = link[64 * rows + 128:];
        if (!Bn254.arePoints(points) || !Bn254.areScalars(scalars)) return false;
        bytes memory bases = link[:64 * rows + 64];
        if (!_certified[_idOf(from.srs, from.k, bases)] && !_areCertified(from.srs, from.k, tau, bases)) return false;
        return _isAnswered(from, to, points, scalars);
    }

    /// @notice Whether two sides can be compared, and are well-formed.
    function _areComparable(Side calldata from, Side calldata to) private pure returns (bool) {
        bool same = from.srs == to.srs && from.k == to.k && (from.values == to.values || _areWeights(from, to));
        uint256 length = from.points.length;
        bool formed = length == to.points.length && length != 0 && length % 64 == 0;
        return same && formed && Bn254.arePoints(from.points) && Bn254.arePoints(to.points);
    }

    /// @notice Whether both sides hold weights, be they a proof's or registered.
    function _areWeights(Side calldata from, Side calldata to) private pure returns (bool) {
        return from.values <= Sides.REGISTERED_WEIGHTS && to.values <= Sides.REGISTERED_WEIGHTS;
    }

    /// @notice Whether a link that leaves out the last `rows` rows leaves out weights of a proof. They reach down to the blinded rows of the
    /// proof's own machine. Ports lie above those of every machine, and what is not compared of a registration no proof has.
    function _isCut(Side calldata side, uint256 rows) private pure returns (bool) {
        return side.values == Sides.PROVEN_WEIGHTS && side.blindedRows < rows;
    }

    /// @notice Names bases with their certificate.
    function _idOf(bytes32 srs, uint8 k, bytes memory bases) private pure returns (bytes32) {
        return keccak256(abi.encode(srs, k, bases));
    }

    /// @notice Whether the bases G_t are [l_t(tau)]_1 for the last rows t, by the certificate Q behind them:
    /// `e(sum mu^t·G_t - v·[1]_1 + zeta·Q, [1]_2) = e(Q, [tau]_2)` with `v = sum mu^t·l_t(zeta)`.
    function _areCertified(bytes32 srs, uint8 k, bytes memory tau, bytes memory bases) private view returns (bool) {
        uint256 rows = bases.length / 64 - 1;
        if (k > Bn254.MAX_K || rows >= 1 << uint256(k)) return false;
        (uint256 mu, uint256 zeta) = _certificateChallenges(srs, k, rows, bases);
        (bool defined, uint256 value) = _combinedValue(k, rows, mu, zeta);
        if (!defined) return false;
        uint256[4] memory left = _combination(bases, rows, mu);
        uint256[4] memory term = Bn254.multiple(zeta, bases, 64 * rows);
        Bn254.addPoint(left, term[0], term[1]);
        (term[0], term[1]) = (1, 2);
        Bn254.scale(term, Bn254.R - value);
        Bn254.addPoint(left, term[0], term[1]);
        return Bn254.pairing(left, bases, 64 * rows, tau);
    }

    /// @notice mu and zeta: hashes of the bases, and of what they should be bases of.
    function _certificateChallenges(bytes32 srs, uint256 k, uint256 rows, bytes memory bases)
        private
        pure
        returns (uint256 mu, uint256 zeta)
    {
        bytes memory input = bytes.concat(abi.encode(BASES_TAG, srs, k, rows), bases);
        // All but the certificate.
        assembly ("memory-safe") {
            mu := keccak256(add(input, 0x20), add(0x80, mul(rows, 64)))
        }
        zeta = uint256(keccak256(abi.encodePacked(mu, uint8(1)))) % Bn254.R;
        mu %= Bn254.R;
    }

    /// @notice `sum mu^t·l_t(zeta)` over the last rows, with `l_t(X) = omega^t·(X^n - 1)/(n·(X - omega^t))`. Not defined where
    /// zeta lies in the domain, which a hash does not.
    function _combinedValue(uint256 k, uint256 rows, uint256 mu, uint256 zeta)
        private
        view
        returns (bool defined, uint256 value)
    {
        uint256 r = Bn254.R;
        (uint256 omegaInverse, uint256 power, uint256 inverseOfSize) = Bn254.domain(k, zeta);
        // The sum as one fraction, from the last row on, by Horner's rule.
        uint256 root = omegaInverse;
        uint256 divisor = 1;
        for (; rows != 0; --rows) {
            uint256 difference = addmod(zeta, r - root, r);
            value = addmod(mulmod(mulmod(value, mu, r), difference, r), mulmod(root, divisor, r), r);
            divisor = mulmod(divisor, difference, r);
            root = mulmod(root, omegaInverse, r);
        }
        uint256 factor = mulmod(addmod(power, r - 1, r), inverseOfSize, r);
        value = mulmod(mulmod(value, factor, r), Bn254.inverse(divisor), r);
        defined = divisor != 0;
    }

    /// @notice `sum base^t·p_t` over points, by Horner's rule.
    function _combination(bytes memory points, uint256 count, uint256 base)
        private
        view
        returns (uint256[4] memory sum)
    {
        uint256 offset = 64 * (count - 1);
        (sum[0], sum[1]) = (Bn254.word(points, offset), Bn254.word(points, offset + 32));
        while (offset != 0) {
            offset -= 64;
            Bn254.step(sum, base, points, offset, false);
        }
    }

    /// @notice Whether `sum z_t·G_t = P + e·D` with `D = sum gamma^j·(B_j - A_j)`. `points` are the bases, their certificate, and P.
    function _isAnswered(Side calldata from, Side calldata to, bytes memory points, bytes memory scalars)
        private
        view
        returns (bool)
    {
        uint256 rows = scalars.length / 32;
        uint256 announcement = 64 * rows + 64;
        bytes32 digest = _hash(from, to, points, rows);
        uint256[4] memory right = _difference(from.points, to.points, uint256(digest) % Bn254.R);
        digest = keccak256(
            abi.encode(digest, Bn254.word(points, announcement), Bn254.word(points, announcement + 32))
        );
        Bn254.step(right, uint256(digest) % Bn254.R, points, announcement, false);
        uint256[4] memory left;
        for (uint256 row = 0; row < rows; ++row) {
            uint256[4] memory term = Bn254.multiple(Bn254.word(scalars, 32 * row), points, 64 * row);
            Bn254.addPoint(left, term[0], term[1]);
        }
        return left[0] == right[0] && left[1] == right[1];
    }

    /// @notice The hash of both sides and the bases, from which gamma follows.
    function _hash(Side calldata from, Side calldata to, bytes memory points, uint256 rows)
        private
        pure
        returns (bytes32 digest)
    {
        uint256 columns = from.points.length / 64;
        bytes memory head = abi.encode(TAG, uint256(from.k), rows, columns, from.srs, from.context, to.context);
        bytes memory input = bytes.concat(head, from.points, to.points, points);
        // All but the certificate and the announcement.
        assembly ("memory-safe") {
            digest := keccak256(add(input, 0x20), sub(mload(input), 128))
        }
    }

    /// @notice `D`, by Horner's rule.
    function _difference(bytes memory from, bytes memory to, uint256 gamma)
        private
        view
        returns (uint256[4] memory sum)
    {
        for (uint256 offset = from.length; offset != 0;) {
            offset -= 64;
            if (offset + 64 != from.length) Bn254.scale(sum, gamma);
            Bn254.add(sum, to, offset, false);
            Bn254.add(sum, from, offset, true);
        }
    }
}
