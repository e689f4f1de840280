// Sums and Montgomery products in words of 32 bits, by carry chains.
//
// On a device each operation of `Carry` is one instruction with the carry flag, which only these volatile statements touch. On the
// host the same operations keep the flag in a variable, so that the algorithms above them are tested there.
#pragma once

#include <cstdint>

#include "compilers.hpp"

namespace zkinfer {
namespace chains {

// The carry flag. `add`, `subtract` and `multiply_add_…` set it; those named `next_` read and set it; `last_` read it.
class Carry {
  public:
#ifdef __CUDA_ARCH__
#define ZKINFER_CHAIN(name, instruction)                                                                                 \
    __device__ __forceinline__ uint32_t name(uint32_t a, uint32_t b) {                                                   \
        uint32_t result;                                                                                                 \
        asm volatile(instruction " %0, %1, %2;" : "=r"(result) : "r"(a), "r"(b));                                        \
        return result;                                                                                                   \
    }
#define ZKINFER_PRODUCT_CHAIN(name, instruction)                                                                         \
    __device__ __forceinline__ uint32_t name(uint32_t a, uint32_t b, uint32_t c) {                                       \
        uint32_t result;                                                                                                 \
        asm volatile(instruction " %0, %1, %2, %3;" : "=r"(result) : "r"(a), "r"(b), "r"(c));                            \
        return result;                                                                                                   \
    }
    ZKINFER_CHAIN(add, "add.cc.u32")
    ZKINFER_CHAIN(next_add, "addc.cc.u32")
    ZKINFER_CHAIN(last_add, "addc.u32")
    ZKINFER_CHAIN(subtract, "sub.cc.u32")
    ZKINFER_CHAIN(next_subtract, "subc.cc.u32")
    ZKINFER_CHAIN(last_subtract, "subc.u32")
    // c + low half of a * b
    ZKINFER_PRODUCT_CHAIN(low, "mad.lo.cc.u32")
    ZKINFER_PRODUCT_CHAIN(next_low, "madc.lo.cc.u32")
    // c + high half of a * b
    ZKINFER_PRODUCT_CHAIN(next_high, "madc.hi.cc.u32")
    ZKINFER_PRODUCT_CHAIN(last_high, "madc.hi.u32")
#undef ZKINFER_CHAIN
#undef ZKINFER_PRODUCT_CHAIN
#else
    uint32_t add(uint32_t a, uint32_t b) { return sum(a, b, 0); }
    uint32_t next_add(uint32_t a, uint32_t b) { return sum(a, b, flag_); }
    uint32_t last_add(uint32_t a, uint32_t b) { return a + b + flag_; }
    uint32_t subtract(uint32_t a, uint32_t b) { return difference(a, b, 0); }
    uint32_t next_subtract(uint32_t a, uint32_t b) { return difference(a, b, flag_); }
    uint32_t last_subtract(uint32_t a, uint32_t b) { return a - b - flag_; }
    uint32_t low(uint32_t a, uint32_t b, uint32_t c) { return sum(low_half(a, b), c, 0); }
    uint32_t next_low(uint32_t a, uint32_t b, uint32_t c) { return sum(low_half(a, b), c, flag_); }
    uint32_t next_high(uint32_t a, uint32_t b, uint32_t c) { return sum(high_half(a, b), c, flag_); }
    uint32_t last_high(uint32_t a, uint32_t b, uint32_t c) { return high_half(a, b) + c + flag_; }

  private:
    static uint32_t low_half(uint32_t a, uint32_t b) { return a * b; }
    static uint32_t high_half(uint32_t a, uint32_t b) { return static_cast<uint32_t>(static_cast<uint64_t>(a) * b >> 32); }
    uint32_t sum(uint32_t a, uint32_t b, uint32_t carry) {
        const uint64_t sum = static_cast<uint64_t>(a) + b + carry;
        flag_ = static_cast<uint32_t>(sum >> 32);
        return static_cast<uint32_t>(sum);
    }
    uint32_t difference(uint32_t a, uint32_t b, uint32_t borrow) {
        const uint64_t difference = static_cast<uint64_t>(a) - b - borrow;
        flag_ = static_cast<uint32_t>(difference >> 63);
        return static_cast<uint32_t>(difference);
    }
    uint32_t flag_ = 0;
#endif
};

HD uint32_t half(const uint64_t (&words)[4], int index) {
    return static_cast<uint32_t>(words[index / 2] >> (index % 2 * 32));
}

HD void join(uint64_t (&out)[4], const uint32_t (&halves)[8]) {
#pragma unroll
    for (int word = 0; word < 4; ++word) {
        out[word] = halves[2 * word] | static_cast<uint64_t>(halves[2 * word + 1]) << 32;
    }
}

// `a + b`; the carry out of the highest word is lost.
HD void add(uint64_t (&out)[4], const uint64_t (&a)[4], const uint64_t (&b)[4]) {
    Carry carry;
    uint32_t sum[8];
    sum[0] = carry.add(half(a, 0), half(b, 0));
#pragma unroll
    for (int i = 1; i < 7; ++i) sum[i] = carry.next_add(half(a, i), half(b, i));
    sum[7] = carry.last_add(half(a, 7), half(b, 7));
    join(out, sum);
}

// `a - b` modulo 2^256; returns whether `a` was less.
HD uint64_t subtract(uint64_t (&out)[4], const uint64_t (&a)[4], const uint64_t (&b)[4]) {
    Carry carry;
    uint32_t difference[8];
    difference[0] = carry.subtract(half(a, 0), half(b, 0));
#pragma unroll
    for (int i = 1; i < 8; ++i) difference[i] = carry.next_subtract(half(a, i), half(b, i));
    const uint32_t borrow = carry.last_subtract(0, 0);
    join(out, difference);
    return borrow & 1;
}

// The products of every second word of a number with a word, which do not overlap: those of words 0, 2, 4, 6 are four pairs of
// words side by side. So a number times a word is two chains, one for the words of even places and one for those of odd places,
// and the running sum is held in two parts: `even`, and `odd`, which stands one word further up.

// sum = number[first], number[first + 2], … times factor
HD void set_pairs(uint32_t (&sum)[8], const uint32_t (&number)[8], int first, uint32_t factor) {
#pragma unroll
    for (int i = 0; i < 8; i += 2) {
        const uint64_t product = static_cast<uint64_t>(number[first + i]) * factor;
        sum[i] = static_cast<uint32_t>(product);
        sum[i + 1] = static_cast<uint32_t>(product >> 32);
    }
}

// sum += number[first], number[first + 2], … times factor; the flag has the carry.
HD void add_pairs(Carry &carry, uint32_t (&sum)[8], const uint32_t (&number)[8], int first, uint32_t factor) {
    sum[0] = carry.low(number[first], factor, sum[0]);
    sum[1] = carry.next_high(number[first], factor, sum[1]);
#pragma unroll
    for (int i = 2; i < 8; i += 2) {
        sum[i] = carry.next_low(number[first + i], factor, sum[i]);
        sum[i + 1] = carry.next_high(number[first + i], factor, sum[i + 1]);
    }
}

// sum = sum / 2^64 + number[1], number[3], … times factor, with the flag's carry in.
HD void shift_and_add_pairs(Carry &carry, uint32_t (&sum)[8], const uint32_t (&number)[8], uint32_t factor) {
#pragma unroll
    for (int i = 0; i < 6; i += 2) {
        sum[i] = carry.next_low(number[1 + i], factor, sum[i + 2]);
        sum[i + 1] = carry.next_high(number[1 + i], factor, sum[i + 3]);
    }
    sum[6] = carry.next_low(number[7], factor, 0);
    sum[7] = carry.last_high(number[7], factor, 0);
}

// Adds a multiple of the modulus that clears the lowest word of `even`.
template <typename Parameters> HD void clear_lowest(Carry &carry, uint32_t (&even)[8], uint32_t (&odd)[8]) {
    uint32_t modulus[8];
#pragma unroll
    for (int i = 0; i < 8; ++i) modulus[i] = static_cast<uint32_t>(Parameters::modulus(i / 2) >> (i % 2 * 32));
    const uint32_t factor = even[0] * static_cast<uint32_t>(Parameters::negative_inverse());
    add_pairs(carry, odd, modulus, 1, factor);
    add_pairs(carry, even, modulus, 0, factor);
    odd[7] = carry.last_add(odd[7], 0);
}

// Montgomery's product `a * b / 2^256`, below `2 * p`. A word of `b` at a time: after each, the lowest word of the sum is zero, and
// the parts change their places instead of moving down. The number that `clear_lowest` leaves stays below `2^256` with `p < 2^254`.
template <typename Parameters>
HD void multiply(uint64_t (&out)[4], const uint64_t (&left)[4], const uint64_t (&right)[4]) {
    Carry carry;
    uint32_t a[8], even[8], odd[8];
#pragma unroll
    for (int i = 0; i < 8; ++i) a[i] = half(left, i);
    set_pairs(even, a, 0, half(right, 0));
    set_pairs(odd, a, 1, half(right, 0));
    clear_lowest<Parameters>(carry, even, odd);
#pragma unroll
    for (int i = 1; i < 8; ++i) {
        uint32_t(&low)[8] = i % 2 == 0 ? even : odd;
        uint32_t(&high)[8] = i % 2 == 0 ? odd : even;
        // The part that was cleared has moved up by one word against the other: its word 1 meets word 0.
        low[0] = carry.add(low[0], high[1]);
        shift_and_add_pairs(carry, high, a, half(right, i));
        add_pairs(carry, low, a, 0, half(right, i));
        high[7] = carry.last_add(high[7], 0);
        clear_lowest<Parameters>(carry, low, high);
    }
    // After an odd number of changes `odd` is the part whose lowest word is cleared.
    uint32_t sum[8];
    sum[0] = carry.add(even[0], odd[1]);
#pragma unroll
    for (int i = 1; i < 7; ++i) sum[i] = carry.next_add(even[i], odd[i + 1]);
    sum[7] = carry.last_add(even[7], 0);
    join(out, sum);
}

} // namespace chains
} // namespace zkinfer
