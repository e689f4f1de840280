// The two prime fields of BN254: elements as the curve library holds them, residues `a * 2^256 mod p` below `p`.
//
// Results are always the canonical residue, so they do not depend on where they were computed. The host multiplies in words of 64
// bits; a device in words of 32 bits with carry chains (`chains.hpp`), which the self-test runs on the host as well.
#pragma once

#include <cstdint>

#include "chains.hpp"
#include "launch.hpp"
#include "parameters.hpp"

namespace zkinfer {

template <typename Parameters> struct alignas(16) Field {
    uint64_t words[4];

    static HD Field zero() { return {{0, 0, 0, 0}}; }
    static HD Field one() {
        return {{Parameters::one(0), Parameters::one(1), Parameters::one(2), Parameters::one(3)}};
    }
    static HD Field radix_squared() {
        return {{Parameters::radix_squared(0), Parameters::radix_squared(1), Parameters::radix_squared(2),
                 Parameters::radix_squared(3)}};
    }
    // The element that four words hold, as it came over the interface.
    static Field from_words(const uint64_t *words) { return {{words[0], words[1], words[2], words[3]}}; }

    // A signed integer.
    static HD Field integer(int64_t value) {
        const bool negative = value < 0;
        const uint64_t magnitude = negative ? 0 - static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
        const Field element = Field{{magnitude, 0, 0, 0}} * radix_squared();
        return negative ? -element : element;
    }

    // A number that is not negative.
    static HD Field natural(uint64_t value) { return Field{{value, 0, 0, 0}} * radix_squared(); }

    HD bool is_zero() const { return (words[0] | words[1] | words[2] | words[3]) == 0; }

    friend HD bool operator==(const Field &a, const Field &b) {
        return ((a.words[0] ^ b.words[0]) | (a.words[1] ^ b.words[1]) | (a.words[2] ^ b.words[2]) |
                (a.words[3] ^ b.words[3])) == 0;
    }
    friend HD bool operator!=(const Field &a, const Field &b) { return !(a == b); }

    friend HD Field operator+(const Field &a, const Field &b) {
        Field sum;
        // Both are below 2^254, so the sum has no carry.
        chains::add(sum.words, a.words, b.words);
        return sum.reduced();
    }

    friend HD Field operator-(const Field &a, const Field &b) {
        Field difference;
        const uint64_t mask = 0 - chains::subtract(difference.words, a.words, b.words);
        const uint64_t modulus[4] = {Parameters::modulus(0) & mask, Parameters::modulus(1) & mask,
                                     Parameters::modulus(2) & mask, Parameters::modulus(3) & mask};
        chains::add(difference.words, difference.words, modulus);
        return difference;
    }

    HD Field operator-() const { return zero() - *this; }

    friend HD Field operator*(const Field &a, const Field &b) {
        Field product;
#ifdef __CUDA_ARCH__
        chains::multiply<Parameters>(product.words, a.words, b.words);
#else
        multiply_by_words(product.words, a.words, b.words);
        if (COUNTS_PRODUCTS) ++product_count;
#endif
        return product.reduced();
    }

    HD Field &operator+=(const Field &other) { return *this = *this + other; }
    HD Field &operator-=(const Field &other) { return *this = *this - other; }
    HD Field &operator*=(const Field &other) { return *this = *this * other; }

    HD Field square() const { return *this * *this; }
    HD Field doubled() const { return *this + *this; }

    // To a power; time depends on the exponent's length alone.
    HD Field power(uint64_t exponent) const {
        Field result = one();
        for (int bit = 63; bit >= 0; --bit) {
            result = result.square();
            if (exponent >> bit & 1) result *= *this;
        }
        return result;
    }

    // The inverse, `a^(p - 2)`; that of zero is zero.
    HD Field inverse() const {
        Field result = one();
        for (int word = 3; word >= 0; --word) {
            // p - 2 differs from p in the lowest word alone.
            const uint64_t exponent = Parameters::modulus(word) - (word == 0 ? 2 : 0);
            for (int bit = 63; bit >= 0; --bit) {
                result = result.square();
                if (exponent >> bit & 1) result *= *this;
            }
        }
        return result;
    }

    // The integer below `p` that the element stands for.
    HD void integer_words(uint64_t (&out)[4]) const {
        const Field integer = *this * Field{{1, 0, 0, 0}};
        for (int word = 0; word < 4; ++word) out[word] = integer.words[word];
    }

  private:
    // What is below `2 * p` minus `p` where it is not below `p`.
    HD Field reduced() const {
        Field difference;
        const uint64_t modulus[4] = {Parameters::modulus(0), Parameters::modulus(1), Parameters::modulus(2),
                                     Parameters::modulus(3)};
        const uint64_t mask = 0 - chains::subtract(difference.words, words, modulus);
        for (int word = 0; word < 4; ++word) {
            difference.words[word] ^= (difference.words[word] ^ words[word]) & mask;
        }
        return difference;
    }

#ifndef __CUDA_ARCH__
    // `a * b / 2^256` below `2 * p`: Montgomery's product, a word of `b` at a time.
    static void multiply_by_words(uint64_t (&out)[4], const uint64_t (&a)[4], const uint64_t (&b)[4]) {
        using Wide = unsigned __int128;
        uint64_t sum[5] = {0, 0, 0, 0, 0};
        for (int i = 0; i < 4; ++i) {
            Wide carry = 0;
            for (int j = 0; j < 4; ++j) {
                carry += static_cast<Wide>(a[j]) * b[i] + sum[j];
                sum[j] = static_cast<uint64_t>(carry);
                carry >>= 64;
            }
            sum[4] += static_cast<uint64_t>(carry);
            const uint64_t factor = sum[0] * Parameters::negative_inverse();
            carry = static_cast<Wide>(factor) * Parameters::modulus(0) + sum[0];
            carry >>= 64;
            for (int j = 1; j < 4; ++j) {
                carry += static_cast<Wide>(factor) * Parameters::modulus(j) + sum[j];
                sum[j - 1] = static_cast<uint64_t>(carry);
                carry >>= 64;
            }
            carry += sum[4];
            sum[3] = static_cast<uint64_t>(carry);
            sum[4] = static_cast<uint64_t>(carry >> 64);
        }
        for (int word = 0; word < 4; ++word) out[word] = sum[word];
    }
#endif
};

// The field of scalars, modulo the order of the curve's group.
using Fr = Field<ScalarParameters>;
// The field of coordinates.
using Fq = Field<CoordinateParameters>;

// Inverses by Montgomery's trick: `count` elements are multiplied up, the product inverted and taken apart again. `element(i)` gives them, twice
// each; `take(i, element, inverse)` gets them from the last one to the first, that of zero being zero. `before` has room for as many.
template <typename F, typename Get, typename Take> HD void invert_together(F *before, uint64_t count, Get element, Take take) {
    F product = F::one();
    for (uint64_t i = 0; i < count; ++i) {
        before[i] = product;
        const F factor = element(i);
        if (!factor.is_zero()) product *= factor;
    }
    F inverse = product.inverse();
    for (uint64_t i = count; i-- > 0;) {
        const F factor = element(i);
        const bool none = factor.is_zero();
        take(i, factor, none ? factor : inverse * before[i]);
        if (!none) inverse *= factor;
    }
}

// The same for one thread of many: it takes every `threads`-th of `count` elements from its own number on, EACH of them at most, so that
// neighbouring threads read neighbouring elements. `take(i, inverse)` gets them.
template <typename F, uint64_t EACH, typename Get, typename Take>
HD void invert_apart(uint64_t thread, uint64_t threads, uint64_t count, Get element, Take take) {
    if (thread >= threads) return;
    F before[EACH];
    invert_together(
        before, (count - thread + threads - 1) / threads, [&](uint64_t i) { return element(thread + i * threads); },
        [&](uint64_t i, const F &, const F &inverse) { take(thread + i * threads, inverse); });
}

// The root of unity of order 2^28 that halo2 takes.
HD Fr scalar_root_of_unity() {
    using P = ScalarParameters;
    return {{P::root_of_unity(0), P::root_of_unity(1), P::root_of_unity(2), P::root_of_unity(3)}};
}

// A root of unity of order 2^bits, its power.
inline Fr scalar_root_of_order(uint32_t bits) {
    Fr root = scalar_root_of_unity();
    for (uint32_t above = ScalarParameters::TWO_ADICITY; above > bits; --above) root = root.square();
    return root;
}

// Tells the columns of a permutation apart.
HD Fr scalar_delta() {
    using P = ScalarParameters;
    return {{P::delta(0), P::delta(1), P::delta(2), P::delta(3)}};
}

static_assert(sizeof(Fr) == 32 && sizeof(Fq) == 32, "four words");

} // namespace zkinfer
