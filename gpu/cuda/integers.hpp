// Sums of elements times integers of 1 to 8 bytes, without a field product for each.
//
// An integer of w bytes is read as the digit `integer + 2^(8·w − 1)`, which is not negative, so that signs take no selection; whoever
// sums takes `2^(8·w − 1)` times the sum of the factors off again. Digits of up to 16 bits times the words of 32 bits of a factor
// add up in words of 64 bits, eight multiply-adds a digit and no carry; digits of 32 bits pass carries on.
#pragma once

#include "field.hpp"

namespace zkinfer {

// The digit that stands for zero in a column of integers of so many bytes.
HD uint64_t zero_digit(uint32_t width) { return uint64_t{1} << (8 * width - 1); }

class IntegerSum {
  public:
    // Digits of up to 16 bits that may be added between two calls of `fold`.
    static constexpr uint32_t FOLD = 1u << 15;

    HD void clear() {
        for (int i = 0; i < 8; ++i) lanes_[i] = 0;
        for (int i = 0; i < WORDS; ++i) sum_[i] = 0;
    }

    // Adds factor * digit, for a digit of an integer of so many bytes.
    HD void add(const Fr &factor, uint64_t digit, uint32_t width) {
        if (width <= 2) {
#pragma unroll
            for (int i = 0; i < 8; ++i) lanes_[i] += static_cast<uint64_t>(chains::half(factor.words, i)) * static_cast<uint32_t>(digit);
        } else {
            add_word<0>(factor, static_cast<uint32_t>(digit));
            if (width == 8) add_word<1>(factor, static_cast<uint32_t>(digit >> 32));
        }
    }

    // Makes room for more digits of up to 16 bits.
    HD void fold() {
        uint64_t carry = 0;
#pragma unroll
        for (int i = 0; i < WORDS; ++i) {
            const uint64_t lane = i < 8 ? lanes_[i] : 0;
            carry += sum_[i];
            carry += lane & 0xffffffff;
            sum_[i] = static_cast<uint32_t>(carry);
            carry = (carry >> 32) + (lane >> 32);
        }
        for (int i = 0; i < 8; ++i) lanes_[i] = 0;
    }

    // The sum as an element.
    HD Fr value() {
        fold();
        const Fr low{{word(0), word(1), word(2), word(3)}}, high{{word(4), word(5), 0, 0}};
        // Neither is a residue; the product takes any four words on its right and gives a residue.
        return Fr::one() * low + Fr::radix_squared() * high;
    }

  private:
    // Below 2^(254 + 64) for a digit, and 2^32 digits and more.
    static constexpr int WORDS = 12;

    HD uint64_t word(int i) const { return sum_[2 * i] | static_cast<uint64_t>(sum_[2 * i + 1]) << 32; }

    // Adds factor * digit * 2^(32·SHIFT).
    template <int SHIFT> HD void add_word(const Fr &factor, uint32_t digit) {
        uint64_t carry = 0;
#pragma unroll
        for (int i = 0; i < 8; ++i) {
            carry += static_cast<uint64_t>(chains::half(factor.words, i)) * digit + sum_[i + SHIFT];
            sum_[i + SHIFT] = static_cast<uint32_t>(carry);
            carry >>= 32;
        }
#pragma unroll
        for (int i = 8 + SHIFT; i < WORDS; ++i) {
            carry += sum_[i];
            sum_[i] = static_cast<uint32_t>(carry);
            carry >>= 32;
        }
    }

    uint64_t lanes_[8];
    uint32_t sum_[WORDS];
};

} // namespace zkinfer
