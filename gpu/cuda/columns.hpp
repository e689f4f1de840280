// Domains and columns as kernels read them.
#pragma once

#include "field.hpp"

namespace zkinfer {

// A table of powers of an element for exponents below 2^k: those below 2^h, and those of multiples of 2^h, for the half h of k. A
// power is one product and two reads that mostly stay in the caches.
class Powers {
  public:
    HD Powers() : low_(nullptr), low_bits_(0) {}
    HD Powers(const Fr *table, uint32_t k) : low_(table), low_bits_((k + 1) / 2) {}

    // Elements of a table.
    static HD uint64_t length(uint32_t k) { return (uint64_t{1} << (k + 1) / 2) + (uint64_t{1} << k / 2); }

    HD bool present() const { return low_ != nullptr; }

    HD Fr at(uint64_t exponent) const {
        const uint64_t low = exponent & ((uint64_t{1} << low_bits_) - 1);
        const uint64_t high = exponent >> low_bits_;
        return high == 0 ? low_[low] : low_[low] * low_[(uint64_t{1} << low_bits_) + high];
    }

  private:
    const Fr *low_;
    uint32_t low_bits_;
};

// The tables of the domain of 2^k powers of omega.
class DomainTables {
  public:
    // Bits of the largest transform that one block of threads does.
    static constexpr uint32_t TILE_BITS = 8;
    // Exponents of delta: columns of a permutation are fewer.
    static constexpr uint32_t DELTA_BITS = 16;

    HD DomainTables(const Fr *tables, uint32_t k) : tables_(tables), k_(k) {}

    static HD uint64_t length(uint32_t k) {
        return Powers::length(k) + (uint64_t{1} << TILE_BITS) + Powers::length(DELTA_BITS);
    }

    HD uint32_t k() const { return k_; }
    // Powers of omega.
    HD Powers omega() const { return Powers(tables_, k_); }
    // The powers of a root of unity of order 2^TILE_BITS, all of them.
    HD const Fr *roots() const { return tables_ + Powers::length(k_); }
    // Powers of delta, which tells columns of a permutation apart.
    HD Powers delta() const { return Powers(roots() + (uint64_t{1} << TILE_BITS), DELTA_BITS); }

  private:
    const Fr *tables_;
    uint32_t k_;
};

// The tables at an address, if there is such a domain.
inline DomainTables known_tables(zkinfer_address domain, uint32_t k) {
    if (k > ScalarParameters::TWO_ADICITY) throw Failure(ZKINFER_INVALID, "a domain larger than 2^28");
    return DomainTables(at<Fr>(domain), k);
}

// A column of 2^k rows; see zkinfer_column. Kernels read cells where they need them, and columns stay as narrow as they are.
class ColumnView {
  public:
    ColumnView(const zkinfer_column &column, uint64_t rows)
        : cells_(at<void>(column.cells)), marks_(at<uint32_t>(column.rows)), tail_(at<Fr>(column.tail)),
          count_(column.count), tail_start_(rows - column.tail_count), constant_(Fr::from_words(column.constant)),
          form_(column.form), width_(column.width), column_(column.column) {
        const bool wide = width_ == 1 || width_ == 2 || width_ == 4 || width_ == 8;
        if (form_ > ZKINFER_SIGMA || (form_ == ZKINFER_INTEGERS && !wide)) {
            throw Failure(ZKINFER_INVALID, "a column of no known form");
        }
        const bool long_form = form_ != ZKINFER_CONSTANT && count_ > rows;
        if (long_form || column.tail_count > rows) throw Failure(ZKINFER_INVALID, "a column longer than its domain");
        if (form_ == ZKINFER_SIGMA && column_ >> DomainTables::DELTA_BITS != 0) {
            throw Failure(ZKINFER_INVALID, "a permutation of too many columns");
        }
    }

    // The value in a row.
    HD Fr cell(uint64_t row, const DomainTables &domain) const {
        if (row >= tail_start_) return tail_[row - tail_start_];
        switch (form_) {
        case ZKINFER_INTEGERS: return row < count_ ? Fr::integer(integer(row)) : Fr::zero();
        case ZKINFER_ELEMENTS: return row < count_ ? static_cast<const Fr *>(cells_)[row] : Fr::zero();
        case ZKINFER_SPARSE: {
            const uint64_t place = find(row);
            return place < count_ ? static_cast<const Fr *>(cells_)[place] : Fr::zero();
        }
        case ZKINFER_CONSTANT: return constant_;
        default: {
            const uint64_t place = find(row);
            return place == count_ ? ground(row, domain) : image(place, domain);
        }
        }
    }

    HD uint32_t form() const { return form_; }
    // Where the tail begins: the number of rows where there is none.
    HD uint64_t tail_start() const { return tail_start_; }

    // The integer in a row before `count()`, of a column of integers.
    HD int64_t integer(uint64_t row) const {
        switch (width_) {
        case 1: return static_cast<const int8_t *>(cells_)[row];
        case 2: return static_cast<const int16_t *>(cells_)[row];
        case 4: return static_cast<const int32_t *>(cells_)[row];
        default: return static_cast<const int64_t *>(cells_)[row];
        }
    }
    HD uint64_t count() const { return count_; }
    HD uint32_t width() const { return width_; }

    // The integer in a row as a digit that is not negative; see IntegerSum. Tails and rows behind the integers have that of zero.
    HD uint64_t digit(uint64_t row) const {
        const bool inside = row < count_ && row < tail_start_;
        switch (width_) {
        case 1: return inside ? static_cast<const uint8_t *>(cells_)[row] ^ 0x80u : 0x80u;
        case 2: return inside ? static_cast<const uint16_t *>(cells_)[row] ^ 0x8000u : 0x8000u;
        case 4: return inside ? static_cast<const uint32_t *>(cells_)[row] ^ 0x80000000u : 0x80000000u;
        default: return (inside ? static_cast<const uint64_t *>(cells_)[row] : 0) ^ uint64_t{1} << 63;
        }
    }

    // The element in a row before `count()`, of a column of elements.
    HD Fr element(uint64_t row) const { return static_cast<const Fr *>(cells_)[row]; }

    // What the column would be in a row without the cells that are listed and without a tail: zero, but for constants and permutations.
    HD Fr ground(uint64_t row, const DomainTables &domain) const {
        if (form_ == ZKINFER_CONSTANT) return constant_;
        return form_ == ZKINFER_SIGMA ? domain.delta().at(column_) * domain.omega().at(row) : Fr::zero();
    }

    // What there is to be read beside the ground and the tail: rows, or entries of the list of rows. Of integers all rows.
    HD uint64_t entries(uint64_t rows) const {
        if (form_ == ZKINFER_INTEGERS) return rows;
        if (form_ == ZKINFER_CONSTANT) return 0;
        return form_ == ZKINFER_ELEMENTS && count_ > tail_start_ ? tail_start_ : count_;
    }

    // The row of an entry of the list, and what the cell there adds to the ground.
    HD uint64_t mark(uint64_t entry) const { return marks_[entry]; }
    HD Fr difference(uint64_t entry, const DomainTables &domain) const {
        if (form_ == ZKINFER_SPARSE) return static_cast<const Fr *>(cells_)[entry];
        return image(entry, domain) - ground(marks_[entry], domain);
    }

  private:
    // The cell that an entry of a permutation stands for.
    HD Fr image(uint64_t entry, const DomainTables &domain) const {
        const uint32_t *cell = static_cast<const uint32_t *>(cells_) + 2 * entry;
        return domain.delta().at(cell[0]) * domain.omega().at(cell[1]);
    }

    // Where a row is in the list of rows; `count_` where it is not.
    HD uint64_t find(uint64_t row) const {
        uint64_t low = 0, high = count_;
        while (low < high) {
            const uint64_t middle = (low + high) / 2;
            if (marks_[middle] < row) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        return low < count_ && marks_[low] == row ? low : count_;
    }

    const void *cells_;
    const uint32_t *marks_;
    const Fr *tail_;
    uint64_t count_;
    uint64_t tail_start_;
    Fr constant_;
    uint32_t form_;
    uint32_t width_;
    uint32_t column_;
};

} // namespace zkinfer
