// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// @title One verifier for every zkinfer model
/// @notice Checks the proofs that `zkinfer verify` checks, byte for byte: halo2 (PLONK arithmetization, KZG commitments over
/// BN254, SHPLONK openings) with a Keccak-256 transcript. What differs between models is data, which lies in the code of a
/// *model contract*: the commitments of the verifying key, the shape of a proof, and the gates as straight-line arithmetic.
/// A model contract starts with a minimal proxy (ERC-1167) to this contract, so it can be called itself; the data follow the
/// proxy's 45 bytes. Who trusts a model contract trusts its code hash: `zkinfer evm export` derives it from a verifying key.
///
/// Two functions are answered:
///
/// - `verifyProof(bytes proof, uint256[] instances) view returns (bool)`, through a model contract;
/// - `verifyProof(address model, bytes32 codeHash, bytes proof, uint256[] instances) view returns (bool)`, which is false unless
///   the model's code has that hash.
///
/// Both are false for anything malformed, and revert only where ether is sent along or gas runs out. There is no storage, no owner, no constructor
/// argument and no immutable, so the code has one hash on every chain.
///
/// @dev The data of a model, copied to memory at `0x800` (`docs/onchain.md` has the format; `verifier::evm` writes it):
///
///     0x800  magic                         0x8a0  -[tau]_2, as EIP-197 orders it
///     0x820  sizes and addresses, 16 x 16  0x920  omega
///     0x840  more of them                  0x940  omega^-b, b = blinded rows
///     0x860  plan of the transcript        0x960  1/n
///     0x880  digest of the verifying key   0x980  which rotations occur: bit j stands for omega^(j - b)
///                                          0x9a0  constants, commitments, gates, tables
///
/// Memory below `0x800` holds what this contract computes:
///
///     0x000  arguments of precompiles      0x240  1 - l_last(x) - (sum of l_i(x) over the blinded rows)
///     0x180  0                             0x260  x^n
///     0x1a0  1                             0x280  value of the quotient at x
///     0x1c0  r - 1                         0x2a0  commitment to the quotient
///     0x1e0  value of the instance column  0x2e0  sum of commitments
///     0x200  l_0(x)                        0x320  product of u - p over the points p of the first set
///     0x220  l_last(x)                     0x360  values of the set of openings at hand, at most 32
///
/// The assembly owns all memory and never returns to Solidity.
contract ZkinferVerifier {
    fallback() external {
        assembly {
            // --- answers ------------------------------------------------------------------------------------------------

            function refuse() {
                mstore(0, 0)
                return(0, 32)
            }

            function require_(condition) {
                if iszero(condition) { refuse() }
            }

            /// Calls a precompile on the memory from 0 on. All points have been checked before one is used, so that it only
            /// fails where gas runs out; an answer would then be no verdict.
            function precompile(account, input, output) {
                if iszero(staticcall(gas(), account, 0, input, 0, output)) { revert(0, 0) }
            }

            // --- arguments ----------------------------------------------------------------------------------------------

            /// Where a dynamic argument starts in the calldata, and how many units it has. Nothing outside the calldata is
            /// taken for an argument.
            function argument(head, unit) -> start, count {
                let offset := calldataload(head)
                require_(lt(offset, calldatasize()))
                start := add(offset, 36)
                count := calldataload(add(offset, 4))
                require_(lt(count, calldatasize()))
                require_(iszero(gt(add(start, mul(count, unit)), calldatasize())))
            }

            /// Copies the data of a model to memory. The size is that of a header at least, so that an address without code
            /// is no model.
            function load(model) {
                let size := extcodesize(model)
                require_(gt(size, 0x1cd))
                extcodecopy(model, 0x800, 45, sub(size, 45))
                // "zkinfer evm model, format 1"
                require_(eq(mload(0x800), 0x7a6b696e6665722065766d206d6f64656c2c20666f726d617420310000000000))
                mstore(0x1a0, 1)
                mstore(0x1c0, 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000000)
            }

            // Sizes are numbers, and names that end with At or End are addresses in memory.

            function proofBytes() -> value { value := shr(240, mload(0x820)) }
            function instanceCount() -> value { value := and(shr(224, mload(0x820)), 0xffff) }
            function wordsAt() -> value { value := and(shr(208, mload(0x820)), 0xffff) }
            function challengesAt() -> value { value := and(shr(192, mload(0x820)), 0xffff) }
            function betaAt() -> value { value := and(shr(176, mload(0x820)), 0xffff) }
            function gatesAt() -> value { value := and(shr(160, mload(0x820)), 0xffff) }
            function gatesEnd() -> value { value := and(shr(144, mload(0x820)), 0xffff) }
            function resultsAt() -> value { value := and(shr(128, mload(0x820)), 0xffff) }
            function gatesValueAt() -> value { value := and(shr(112, mload(0x820)), 0xffff) }
            function invertedAt() -> value { value := and(shr(96, mload(0x820)), 0xffff) }
            function blindedRows() -> value { value := and(shr(80, mload(0x820)), 0xffff) }
            function lagrangeCount() -> value { value := and(shr(64, mload(0x820)), 0xffff) }
            function pointsAt() -> value { value := and(shr(48, mload(0x820)), 0xffff) }
            function permutedAt() -> value { value := and(shr(32, mload(0x820)), 0xffff) }
            function permutedEnd() -> value { value := and(shr(16, mload(0x820)), 0xffff) }
            function setsAt() -> value { value := and(mload(0x820), 0xffff) }
            function logRows() -> value { value := shr(240, mload(0x840)) }
            function productCount() -> value { value := and(shr(224, mload(0x840)), 0xffff) }
            function chunkBytes() -> value { value := and(shr(208, mload(0x840)), 0xffff) }
            function sigmaValuesAt() -> value { value := and(shr(192, mload(0x840)), 0xffff) }
            function productValuesAt() -> value { value := and(shr(176, mload(0x840)), 0xffff) }
            function lastPieceAt() -> value { value := and(shr(160, mload(0x840)), 0xffff) }
            function pieceCount() -> value { value := and(shr(144, mload(0x840)), 0xffff) }
            function setCount() -> value { value := and(shr(128, mload(0x840)), 0xffff) }
            function openingAt() -> value { value := and(shr(112, mload(0x840)), 0xffff) }
            function secondOpeningAt() -> value { value := and(shr(96, mload(0x840)), 0xffff) }

            /// The challenges that every proof has, in the order of the transcript: beta, gamma, y, x of the proof system;
            /// y, v, u of the opening.
            function challenge(index) -> value {
                value := mload(add(betaAt(), shl(5, index)))
            }

            // --- words of the proof -------------------------------------------------------------------------------------

            /// Whether the points in `[at, end)` are on the curve, with coordinates below q. Infinity, as (0, 0), is not.
            function points(at, end) -> valid {
                let q := 0x30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47
                valid := 1
                for {} lt(at, end) { at := add(at, 64) } {
                    let x := mload(at)
                    let y := mload(add(at, 32))
                    let onCurve := eq(mulmod(y, y, q), addmod(mulmod(x, mulmod(x, x, q), q), 3, q))
                    valid := and(valid, and(onCurve, and(lt(x, q), lt(y, q))))
                }
            }

            /// Whether the scalars in `[at, end)` are below r. Four at a time: behind them lies memory that is still zero.
            function scalars(at, end) -> valid {
                let r := 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001
                valid := 1
                for {} lt(at, end) { at := add(at, 128) } {
                    let low := and(lt(mload(at), r), lt(mload(add(at, 32)), r))
                    let high := and(lt(mload(add(at, 64)), r), lt(mload(add(at, 96)), r))
                    valid := and(valid, and(low, high))
                }
            }

            /// Runs the transcript: copies the instance words and the proof to memory, part by part, checks every word and
            /// squeezes the challenges. A challenge is the hash of all that was absorbed since the last one, with that one's
            /// hash before it; each part has a word in front where that hash goes, so what is hashed is contiguous.
            ///
            /// An entry of the plan has 8 bits of kind (0 points, 1 scalars), 8 of challenges, 16 of bytes.
            function absorb(proof, instances, count) -> valid {
                let r := 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001
                let to := wordsAt()
                let end := add(add(to, 32), shl(5, count))
                calldatacopy(add(to, 32), instances, shl(5, count))
                valid := scalars(add(to, 32), end)
                let digest := mload(0x880)
                let result := challengesAt()
                for { let plan := mload(0x860) } plan { plan := shl(32, plan) } {
                    mstore(to, digest)
                    let at := end
                    let length := and(shr(224, plan), 0xffff)
                    end := add(at, length)
                    calldatacopy(at, proof, length)
                    proof := add(proof, length)
                    switch shr(248, plan)
                    case 0 { valid := and(valid, points(at, end)) }
                    default { valid := and(valid, scalars(at, end)) }
                    let challenges := and(shr(240, plan), 0xff)
                    if challenges {
                        digest := keccak256(to, sub(end, to))
                        mstore(result, mod(digest, r))
                        result := add(result, 32)
                        // With nothing absorbed in between, the byte 1 tells the next challenge from the last.
                        for { challenges := sub(challenges, 1) } challenges { challenges := sub(challenges, 1) } {
                            mstore(0, digest)
                            mstore8(32, 1)
                            digest := keccak256(0, 33)
                            mstore(result, mod(digest, r))
                            result := add(result, 32)
                        }
                    }
                    to := end
                    end := add(end, 32)
                }
            }

            // --- points of evaluation, and what is inverted -------------------------------------------------------------

            /// Writes x^n, the points x*omega^i that occur, and all denominators: x - omega^i, x^n - 1, and those of the sets.
            function denominators() -> end {
                let r := 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001
                let x := challenge(3)
                let omega := mload(0x920)
                let power := x
                for { let k := logRows() } k { k := sub(k, 1) } { power := mulmod(power, power, r) }
                mstore(0x260, power)

                let to := pointsAt()
                let point := mulmod(x, mload(0x940), r)
                for { let rotations := mload(0x980) } rotations { rotations := shr(1, rotations) } {
                    if and(rotations, 1) {
                        mstore(to, point)
                        to := add(to, 32)
                    }
                    point := mulmod(point, omega, r)
                }

                end := invertedAt()
                let root := mload(0x940)
                for { let last := add(end, shl(5, lagrangeCount())) } lt(end, last) { end := add(end, 32) } {
                    mstore(end, addmod(x, sub(r, root), r))
                    root := mulmod(root, omega, r)
                }
                mstore(end, addmod(power, sub(r, 1), r))
                end := setDenominators(add(end, 32))
            }

            /// For each set of openings and each of its points p: (u - p) * (product of p - p' over its other points p'); then
            /// the product of all u - p.
            function setDenominators(to) -> end {
                let table := setsAt()
                end := to
                for { let sets := setCount() } sets { sets := sub(sets, 1) } {
                    let last := add(add(table, 4), shl(1, shr(240, mload(table))))
                    end := pointDenominators(end, add(table, 4), last)
                    if eq(table, setsAt()) { mstore(0x320, mload(sub(end, 32))) }
                    let polynomials := and(shr(224, mload(table)), 0xffff)
                    table := add(last, mul(polynomials, sub(last, add(table, 2))))
                }
            }

            /// The denominators of a set whose points' addresses lie in `[first, last)`.
            function pointDenominators(to, first, last) -> end {
                let r := 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001
                let u := challenge(6)
                let negated := 0x360
                for {} lt(first, last) { first := add(first, 2) } {
                    mstore(negated, sub(r, mload(shr(240, mload(first)))))
                    negated := add(negated, 32)
                }
                let vanishing := 1
                end := to
                for { let at := 0x360 } lt(at, negated) { at := add(at, 32) } {
                    vanishing := mulmod(vanishing, addmod(u, mload(at), r), r)
                    mstore(end, distances(at, negated, u))
                    end := add(end, 32)
                }
                mstore(end, vanishing)
                end := add(end, 32)
            }

            /// (u - p) * (product of p - p' over the other points p'), where -p is at `own` and all negated points of the set lie
            /// in `[0x360, end)`. For the while, a word stands in the place of -p that makes its factor u - p, and words behind
            /// the end make theirs 1, so that four factors can be taken at a time.
            function distances(own, end, u) -> product {
                let r := 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001
                let negated := mload(own)
                let point := sub(r, negated)
                let one := addmod(1, negated, r)
                mstore(own, addmod(u, addmod(negated, negated, r), r))
                mstore(end, one)
                mstore(add(end, 32), one)
                mstore(add(end, 64), one)
                product := 1
                for { let at := 0x360 } lt(at, end) { at := add(at, 128) } {
                    product := mulmod(product, addmod(point, mload(at), r), r)
                    product := mulmod(product, addmod(point, mload(add(at, 32)), r), r)
                    product := mulmod(product, addmod(point, mload(add(at, 64)), r), r)
                    product := mulmod(product, addmod(point, mload(add(at, 96)), r), r)
                }
                mstore(own, negated)
            }

            /// Inverts all numbers in `[start, end)` at the price of one inversion. False where one of them is zero.
            function invert(start, end) -> valid {
                let r := 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001
                let product := 1
                let prefix := end
                for { let at := start } lt(at, end) { at := add(at, 32) } {
                    mstore(prefix, product)
                    prefix := add(prefix, 32)
                    product := mulmod(product, mload(at), r)
                }
                mstore(0x00, 32)
                mstore(0x20, 32)
                mstore(0x40, 32)
                mstore(0x60, product)
                mstore(0x80, sub(r, 2))
                mstore(0xa0, r)
                valid := gt(product, 0)
                precompile(5, 0xc0, 0x20)
                let inverse := mload(0)
                for { let at := sub(end, 32) } iszero(lt(at, start)) { at := sub(at, 32) } {
                    prefix := sub(prefix, 32)
                    let value := mload(at)
                    mstore(at, mulmod(inverse, mload(prefix), r))
                    inverse := mulmod(inverse, value, r)
                }
            }

            /// From the inverted x - omega^i: l_0, l_last, 1 - l_last - l_blind, and the value of the instance column.
            function lagrange(count) {
                let r := 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001
                let omega := mload(0x920)
                let root := mulmod(mulmod(addmod(mload(0x260), sub(r, 1), r), mload(0x960), r), mload(0x940), r)
                let at := invertedAt()
                let rest := 1
                mstore(0x220, mulmod(root, mload(at), r))
                for { let end := add(at, shl(5, blindedRows())) } lt(at, end) { at := add(at, 32) } {
                    rest := addmod(rest, sub(r, mulmod(root, mload(at), r)), r)
                    root := mulmod(root, omega, r)
                }
                mstore(0x240, rest)
                mstore(0x200, mulmod(root, mload(at), r))
                let value := 0
                let word := add(wordsAt(), 32)
                for { let end := add(word, shl(5, count)) } lt(word, end) { word := add(word, 32) } {
                    value := addmod(value, mulmod(mulmod(root, mload(at), r), mload(word), r), r)
                    root := mulmod(root, omega, r)
                    at := add(at, 32)
                }
                mstore(0x1e0, value)
            }

            // --- the identity at x --------------------------------------------------------------------------------------

            /// Runs the gates: instructions `m[next] = m[a]*m[b] + m[c]`, each three indices of 12 bits, seven to a word. Results
            /// follow one another.
            function gates() -> value {
                let r := 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001
                let to := resultsAt()
                let end := gatesEnd()
                for { let at := gatesAt() } lt(at, end) { at := add(at, 32) } {
                    let w := mload(at)
                    mstore(to, addmod(mulmod(mload(and(shr(239, w), 0x1ffe0)), mload(and(shr(227, w), 0x1ffe0)), r), mload(and(shr(215, w), 0x1ffe0)), r))
                    mstore(add(to, 0x20), addmod(mulmod(mload(and(shr(203, w), 0x1ffe0)), mload(and(shr(191, w), 0x1ffe0)), r), mload(and(shr(179, w), 0x1ffe0)), r))
                    mstore(add(to, 0x40), addmod(mulmod(mload(and(shr(167, w), 0x1ffe0)), mload(and(shr(155, w), 0x1ffe0)), r), mload(and(shr(143, w), 0x1ffe0)), r))
                    mstore(add(to, 0x60), addmod(mulmod(mload(and(shr(131, w), 0x1ffe0)), mload(and(shr(119, w), 0x1ffe0)), r), mload(and(shr(107, w), 0x1ffe0)), r))
                    mstore(add(to, 0x80), addmod(mulmod(mload(and(shr(95, w), 0x1ffe0)), mload(and(shr(83, w), 0x1ffe0)), r), mload(and(shr(71, w), 0x1ffe0)), r))
                    mstore(add(to, 0xa0), addmod(mulmod(mload(and(shr(59, w), 0x1ffe0)), mload(and(shr(47, w), 0x1ffe0)), r), mload(and(shr(35, w), 0x1ffe0)), r))
                    mstore(add(to, 0xc0), addmod(mulmod(mload(and(shr(23, w), 0x1ffe0)), mload(and(shr(11, w), 0x1ffe0)), r), mload(and(shl(1, w), 0x1ffe0)), r))
                    to := add(to, 0xe0)
                }
                value := mload(gatesValueAt())
            }

            /// Adds the constraints of the permutation argument to the random combination `sum`.
            function permutation(sum) -> value {
                let r := 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001
                let y := challenge(2)
                let products := productCount()
                let z := productValuesAt()
                value := addmod(mulmod(sum, y, r), mulmod(mload(0x200), addmod(1, sub(r, mload(z)), r), r), r)
                {
                    let last := mload(add(z, mul(96, sub(products, 1))))
                    let term := mulmod(mload(0x220), addmod(mulmod(last, last, r), sub(r, last), r), r)
                    value := addmod(mulmod(value, y, r), term, r)
                }
                for { let end := add(z, mul(96, sub(products, 1))) } lt(z, end) { z := add(z, 96) } {
                    let term := mulmod(mload(0x200), addmod(mload(add(z, 96)), sub(r, mload(add(z, 64))), r), r)
                    value := addmod(mulmod(value, y, r), term, r)
                }
                value := chunks(value)
            }

            /// The products themselves: each takes up to d - 2 columns.
            function chunks(sum) -> value {
                let r := 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001
                value := sum
                let z := productValuesAt()
                let sigma := sigmaValuesAt()
                let identity := mulmod(challenge(0), challenge(3), r)
                for { let table := permutedAt() } lt(table, permutedEnd()) {} {
                    let next := add(table, chunkBytes())
                    if gt(next, permutedEnd()) { next := permutedEnd() }
                    let difference
                    difference, identity := chunk(table, next, z, sigma, identity)
                    value := addmod(mulmod(value, challenge(2), r), mulmod(mload(0x240), difference, r), r)
                    sigma := add(sigma, shl(4, sub(next, table)))
                    table := next
                    z := add(z, 96)
                }
            }

            /// What one product must not change by: z(omega x) * prod(c + beta*sigma + gamma) - z(x) * prod(c + beta*delta^i*x +
            /// gamma), over the columns whose values have their addresses in `[table, end)`.
            function chunk(table, end, z, sigma, identity) -> difference, nextIdentity {
                let r := 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001
                let left := mload(add(z, 32))
                let right := mload(z)
                let beta := challenge(0)
                let gamma := challenge(1)
                nextIdentity := identity
                for {} lt(table, end) { table := add(table, 2) } {
                    let cell := addmod(mload(shr(240, mload(table))), gamma, r)
                    left := mulmod(left, addmod(cell, mulmod(beta, mload(sigma), r), r), r)
                    right := mulmod(right, addmod(cell, nextIdentity, r), r)
                    // The generator of the cosets, delta = 7^(2^28).
                    nextIdentity := mulmod(nextIdentity, 0x09226b6e22c6f0ca64ec26aad4c86e715b5f898e5e963f25870e56bbe533e9a2, r)
                    sigma := add(sigma, 32)
                }
                difference := addmod(left, sub(r, right), r)
            }

            // --- commitments --------------------------------------------------------------------------------------------

            /// The accumulator at 0x00 becomes `scalar` times itself plus the point at `at`.
            function step(scalar, at) {
                mstore(0x40, scalar)
                precompile(7, 0x60, 0x40)
                mstore(0x40, mload(at))
                mstore(0x60, mload(add(at, 32)))
                precompile(6, 0x80, 0x40)
            }

            /// Starts the accumulator with the point at `at`.
            function start_(at) {
                mstore(0x00, mload(at))
                mstore(0x20, mload(add(at, 32)))
            }

            /// Writes the accumulator to `to`.
            function store(to) {
                mstore(to, mload(0x00))
                mstore(add(to, 32), mload(0x20))
            }

            /// The commitment to the quotient: its pieces combined by powers of x^n, from the last one on.
            function quotient() {
                let at := lastPieceAt()
                start_(at)
                for { let pieces := sub(pieceCount(), 1) } pieces { pieces := sub(pieces, 1) } {
                    at := sub(at, 64)
                    step(mload(0x260), at)
                }
                store(0x2a0)
            }

            /// Combines the commitments of all sets at 0x2e0, and their values at u. A record of the table is a commitment's
            /// address and those of its values; the first commitment of a set comes last, so that Horner's rule applies to both.
            function openings() -> value {
                let r := 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001
                let power := 1
                let table := setsAt()
                // The inverses of the sets' denominators follow those of the Lagrange polynomials and of x^n - 1.
                let inverses := add(invertedAt(), add(shl(5, lagrangeCount()), 32))
                for { let sets := setCount() } sets { sets := sub(sets, 1) } {
                    let width := shl(5, shr(240, mload(table)))
                    let next := combine(table, width)
                    let sum := 0
                    for { let at := 0 } lt(at, width) { at := add(at, 32) } {
                        sum := addmod(sum, mulmod(mload(add(0x360, at)), mload(inverses), r), r)
                        inverses := add(inverses, 32)
                    }
                    value := addmod(value, mulmod(power, sum, r), r)
                    if sub(table, setsAt()) {
                        let factor := mulmod(power, mulmod(mload(0x320), mload(inverses), r), r)
                        step(factor, 0x2e0)
                    }
                    store(0x2e0)
                    inverses := add(inverses, 32)
                    power := mulmod(power, challenge(5), r)
                    table := next
                }
                value := mulmod(value, mload(0x320), r)
            }

            /// Combines one set by powers of y: the commitments in the accumulator, the values at 0x360.
            function combine(table, width) -> next {
                let polynomials := and(shr(224, mload(table)), 0xffff)
                next := add(add(table, 4), shr(4, width))
                start_(shr(240, mload(next)))
                switch width
                case 32 {
                    next := combineSingle(next, add(next, shl(2, polynomials)))
                }
                default {
                    for { let at := 0x360 } lt(at, add(0x360, width)) { at := add(at, 32) } {
                        next := add(next, 2)
                        mstore(at, mload(shr(240, mload(next))))
                    }
                    next := add(next, 2)
                    next := combineSeveral(next, sub(polynomials, 1), add(0x360, width))
                }
            }

            /// The polynomials of a set with one point, from the first record on.
            function combineSingle(record, end) -> next {
                let r := 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001
                let y := challenge(4)
                let value := mload(and(shr(224, mload(record)), 0xffff))
                next := add(record, 4)
                for {} lt(next, end) { next := add(next, 4) } {
                    let addresses := mload(next)
                    step(y, shr(240, addresses))
                    value := addmod(mulmod(value, y, r), mload(and(shr(224, addresses), 0xffff)), r)
                }
                mstore(0x360, value)
            }

            /// The further polynomials of a set with several points, whose values end at `end`.
            function combineSeveral(record, polynomials, end) -> next {
                let r := 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001
                let y := challenge(4)
                next := record
                for {} polynomials { polynomials := sub(polynomials, 1) } {
                    step(y, shr(240, mload(next)))
                    for { let at := 0x360 } lt(at, end) { at := add(at, 32) } {
                        next := add(next, 2)
                        mstore(at, addmod(mulmod(mload(at), y, r), mload(shr(240, mload(next))), r))
                    }
                    next := add(next, 2)
                }
            }

            /// Whether e(sum - value*[1] - z*W + u*W', [1]_2) * e(W', -[tau]_2) = 1, with W and W' of the opening.
            function pairing(value) -> valid {
                let r := 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001
                mstore(0x00, 1)
                mstore(0x20, 2)
                step(sub(r, value), 0x2e0)
                store(0x2e0)
                start_(openingAt())
                step(sub(r, mload(0x320)), 0x2e0)
                store(0x2e0)
                start_(secondOpeningAt())
                step(challenge(6), 0x2e0)
                mstore(0x40, 0x198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2)
                mstore(0x60, 0x1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed)
                mstore(0x80, 0x090689d0585ff075ec9e99ad690c3395bc4b313370b38ef355acdadcd122975b)
                mstore(0xa0, 0x12c85ea5db8c6deb4aab71808dcb408fe3d1e7690c43d37b4ce6cc0166fa7daa)
                mstore(0xc0, mload(secondOpeningAt()))
                mstore(0xe0, mload(add(secondOpeningAt(), 32)))
                for { let at := 0 } lt(at, 0x80) { at := add(at, 32) } {
                    mstore(add(0x100, at), mload(add(0x8a0, at)))
                }
                precompile(8, 0x180, 0x20)
                valid := eq(mload(0), 1)
            }

            // --- the whole ----------------------------------------------------------------------------------------------

            function verify(model, head) {
                load(model)
                let proof, length := argument(head, 1)
                let instances, count := argument(add(head, 32), 32)
                require_(and(eq(length, proofBytes()), eq(count, instanceCount())))
                require_(absorb(proof, instances, count))
                require_(invert(invertedAt(), denominators()))
                lagrange(count)
                // The quotient is what the combined constraints are divided by x^n - 1, whose inverse follows the Lagrange ones.
                let r := 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001
                let divisor := mload(add(invertedAt(), shl(5, lagrangeCount())))
                mstore(0x280, mulmod(permutation(gates()), divisor, r))
                quotient()
                mstore(0, pairing(openings()))
                return(0, 32)
            }

            switch shr(224, calldataload(0))
            // verifyProof(bytes,uint256[])
            case 0x1e8e1e13 { verify(address(), 4) }
            // verifyProof(address,bytes32,bytes,uint256[])
            case 0x08ccff63 {
                let model := calldataload(4)
                require_(iszero(shr(160, model)))
                require_(eq(extcodehash(model), calldataload(36)))
                verify(model, 68)
            }
            default { revert(0, 0) }
        }
    }
}
