// Constants of the fields, words least significant first, elements as residues. `tests/parameters.rs` derives this file
// from the curve library, and compares.
#pragma once

#include <cstdint>

#include "compilers.hpp"

namespace zkinfer {

// The field of scalars.
struct ScalarParameters {
    // p
    static constexpr HD uint64_t modulus(int word) {
        return word == 0   ? 0x43e1f593f0000001
               : word == 1 ? 0x2833e84879b97091
               : word == 2 ? 0xb85045b68181585d
                           : 0x30644e72e131a029;
    }
    // -1/p mod 2^64
    static constexpr HD uint64_t negative_inverse() { return 0xc2e1f593efffffff; }
    // 1
    static constexpr HD uint64_t one(int word) {
        return word == 0   ? 0xac96341c4ffffffb
               : word == 1 ? 0x36fc76959f60cd29
               : word == 2 ? 0x666ea36f7879462e
                           : 0x0e0a77c19a07df2f;
    }
    // 2^256
    static constexpr HD uint64_t radix_squared(int word) {
        return word == 0   ? 0x1bb8e645ae216da7
               : word == 1 ? 0x53fe3ab1e35c59e3
               : word == 2 ? 0x8c49833d53bb8085
                           : 0x0216d0b17f4e44a5;
    }
    // There are roots of unity of order 2^28.
    static constexpr uint32_t TWO_ADICITY = 28;
    // The root of that order which halo2 takes.
    static constexpr HD uint64_t root_of_unity(int word) {
        return word == 0   ? 0x9632c7c5b639feb8
               : word == 1 ? 0x985ce3400d0ff299
               : word == 2 ? 0xb2dd880001b0ecd8
                           : 0x1d69070d6d98ce29;
    }
    // Tells columns of a permutation apart.
    static constexpr HD uint64_t delta(int word) {
        return word == 0   ? 0x9a0c322befd78855
               : word == 1 ? 0x46e82d14249b563c
               : word == 2 ? 0x5983a663e0b0b7a7
                           : 0x22ab452baaa111ad;
    }
};

// The field of coordinates.
struct CoordinateParameters {
    // p
    static constexpr HD uint64_t modulus(int word) {
        return word == 0   ? 0x3c208c16d87cfd47
               : word == 1 ? 0x97816a916871ca8d
               : word == 2 ? 0xb85045b68181585d
                           : 0x30644e72e131a029;
    }
    // -1/p mod 2^64
    static constexpr HD uint64_t negative_inverse() { return 0x87d20782e4866389; }
    // 1
    static constexpr HD uint64_t one(int word) {
        return word == 0   ? 0xd35d438dc58f0d9d
               : word == 1 ? 0x0a78eb28f5c70b3d
               : word == 2 ? 0x666ea36f7879462c
                           : 0x0e0a77c19a07df2f;
    }
    // 2^256
    static constexpr HD uint64_t radix_squared(int word) {
        return word == 0   ? 0xf32cfc5b538afa89
               : word == 1 ? 0xb5e71911d44501fb
               : word == 2 ? 0x47ab1eff0a417ff6
                           : 0x06d89f71cab8351f;
    }
};

} // namespace zkinfer
