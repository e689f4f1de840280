// Sums of columns, and what else takes rows one by one: products of such sums, quotients of openings, small matrices.

#include <algorithm>

#include "columns.hpp"
#include "integers.hpp"

namespace zkinfer {
namespace {

// A column and what it is multiplied with.
struct Term {
    ColumnView column;
    Fr factor;
};

// A sum of columns in each row: integers first, then others.
struct Combine {
    static constexpr unsigned THREADS = 256;
    using Shared = Nothing;
    using Locals = Nothing;

    const Term *terms;
    uint64_t integer_count;
    uint64_t count;
    // Factor of the row's point, and the constant with what digits stand for taken off.
    Fr identity;
    Fr constant;
    DomainTables domain;
    Fr *to;
    uint64_t rows;
    uint32_t mode;

    HD unsigned phases() const { return 1; }

    HD void phase(unsigned, Thread thread, Shared &, Locals &) const {
        const uint64_t row = thread.global();
        if (row >= rows) return;
        Fr sum = constant;
        if (integer_count != 0) sum += integers(row);
        for (uint64_t i = integer_count; i < count; ++i) sum += terms[i].factor * terms[i].column.cell(row, domain);
        if (!identity.is_zero()) sum += identity * domain.omega().at(row);
        switch (mode) {
        case ZKINFER_SET: to[row] = sum; break;
        case ZKINFER_AND_ADD: to[row] += sum; break;
        default: to[row] *= sum; break;
        }
    }

    // The columns of integers, their tails included; too much by the digits that stand for zero.
    HD Fr integers(uint64_t row) const {
        Fr tails = Fr::zero();
        IntegerSum sum;
        sum.clear();
        for (uint64_t i = 0; i < integer_count; ++i) {
            if (i % IntegerSum::FOLD == 0) sum.fold();
            const ColumnView &column = terms[i].column;
            sum.add(terms[i].factor, column.digit(row), column.width());
            if (row >= column.tail_start()) tails += terms[i].factor * column.cell(row, domain);
        }
        return sum.value() + tails;
    }
};

// Adds (numerator - remainder) * inverse in each row.
struct AddQuotients {
    static constexpr unsigned THREADS = 256;
    using Shared = Nothing;
    using Locals = Nothing;

    Fr *to;
    const Fr *numerator;
    const Fr *inverse;
    const Fr *remainder;
    uint64_t length;
    DomainTables domain;
    uint64_t rows;
    uint32_t mode;

    HD unsigned phases() const { return 1; }

    HD void phase(unsigned, Thread thread, Shared &, Locals &) const {
        const uint64_t row = thread.global();
        if (row >= rows) return;
        const Fr point = domain.omega().at(row);
        Fr value = Fr::zero();
        for (uint64_t i = length; i-- > 0;) value = value * point + remainder[i];
        const Fr quotient = (numerator[row] - value) * inverse[row];
        to[row] = mode == ZKINFER_SET ? quotient : to[row] + quotient;
    }
};

// The product of a matrix and as many columns, in their place.
struct MultiplyColumns {
    static constexpr unsigned THREADS = 128;
    using Shared = Nothing;
    using Locals = Nothing;

    Fr *const *columns;
    // Row by row.
    const Fr *matrix;
    uint32_t size;
    uint64_t rows;

    HD unsigned phases() const { return 1; }

    HD void phase(unsigned, Thread thread, Shared &, Locals &) const {
        const uint64_t row = thread.global();
        if (row >= rows) return;
        Fr cells[ZKINFER_MOST_COLUMNS];
        for (uint32_t i = 0; i < size; ++i) cells[i] = columns[i][row];
        for (uint32_t i = 0; i < size; ++i) {
            Fr sum = Fr::zero();
            for (uint32_t j = 0; j < size; ++j) sum += matrix[uint64_t{i} * size + j] * cells[j];
            columns[i][row] = sum;
        }
    }
};

void known_mode(uint32_t mode) {
    if (mode > ZKINFER_AND_MULTIPLY) throw Failure(ZKINFER_INVALID, "a mode of no known name");
}

} // namespace
} // namespace zkinfer

using namespace zkinfer;

int32_t zkinfer_combine(zkinfer_context *context, zkinfer_address domain, uint32_t k, const zkinfer_term *terms,
                        uint64_t count, const uint64_t identity[4], const uint64_t constant[4], uint32_t mode,
                        zkinfer_address to) {
    return guarded(context, [&](Context &context) {
        known_mode(mode);
        const DomainTables tables = known_tables(domain, k);
        const uint64_t rows = uint64_t{1} << k;
        std::vector<Term> views;
        for (uint64_t i = 0; i < count; ++i) {
            views.push_back(Term{ColumnView(terms[i].column, rows), Fr::from_words(terms[i].factor)});
        }
        const auto is_integers = [](const Term &term) { return term.column.form() == ZKINFER_INTEGERS; };
        const auto others = std::stable_partition(views.begin(), views.end(), is_integers);
        Fr sum = Fr::from_words(constant);
        for (auto view = views.begin(); view != others; ++view) {
            sum -= view->factor * Fr::natural(zero_digit(view->column.width()));
        }
        const Scratch<Term> list(context, views);
        const Combine kernel{list.get(),
                             static_cast<uint64_t>(others - views.begin()),
                             count,
                             Fr::from_words(identity),
                             sum,
                             tables,
                             at<Fr>(to),
                             rows,
                             mode};
        launch(context, blocks_for(rows, Combine::THREADS), kernel);
    });
}

int32_t zkinfer_add_quotients(zkinfer_context *context, zkinfer_address domain, uint32_t k, zkinfer_address numerator,
                              zkinfer_address inverse, const uint64_t *remainder, uint64_t length, uint32_t mode,
                              zkinfer_address to) {
    return guarded(context, [&](Context &context) {
        known_mode(mode);
        if (mode == ZKINFER_AND_MULTIPLY) throw Failure(ZKINFER_INVALID, "quotients are set or added");
        const uint64_t rows = uint64_t{1} << k;
        const DomainTables tables = known_tables(domain, k);
        std::vector<Fr> coefficients;
        for (uint64_t i = 0; i < length; ++i) coefficients.push_back(Fr::from_words(remainder + 4 * i));
        const Scratch<Fr> list(context, coefficients);
        const AddQuotients kernel{at<Fr>(to), at<Fr>(numerator), at<Fr>(inverse), list.get(), length, tables, rows, mode};
        launch(context, blocks_for(rows, AddQuotients::THREADS), kernel);
    });
}

int32_t zkinfer_multiply_columns(zkinfer_context *context, uint64_t rows, const zkinfer_address *columns, uint32_t size,
                                 const uint64_t *matrix) {
    return guarded(context, [&](Context &context) {
        if (size > ZKINFER_MOST_COLUMNS) throw Failure(ZKINFER_INVALID, "a matrix that is too large");
        std::vector<Fr *> places;
        for (uint32_t i = 0; i < size; ++i) places.push_back(at<Fr>(columns[i]));
        std::vector<Fr> entries;
        for (uint64_t i = 0; i < uint64_t{size} * size; ++i) entries.push_back(Fr::from_words(matrix + 4 * i));
        const Scratch<Fr *> list(context, places);
        const Scratch<Fr> weights(context, entries);
        const MultiplyColumns kernel{list.get(), weights.get(), size, rows};
        launch(context, blocks_for(rows, MultiplyColumns::THREADS), kernel);
    });
}
