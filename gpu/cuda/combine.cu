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

// A sum of columns: integers first, then others.
struct Sum {
    uint64_t first_term;
    uint32_t integer_count;
    uint32_t count;
    // Factor of the row's point, and the constant with what digits stand for taken off.
    Fr identity;
    Fr constant;
    uint32_t mode;
};

// Sums of columns in each row, some of them for each place.
struct Combine {
    static constexpr unsigned THREADS = 128;
    static constexpr unsigned BLOCKS = 5;
    using Shared = Nothing;
    using Locals = Nothing;

    // A column that is written, with its sums.
    struct Place {
        Fr *to;
        uint32_t first_sum;
        uint32_t count;
    };

    const Place *places;
    const Sum *sums;
    const Term *terms;
    DomainTables domain;
    uint64_t rows;

    HD unsigned phases() const { return 1; }

    HD void phase(unsigned, Thread thread, Shared &, Locals &) const {
        const uint64_t blocks = blocks_for(rows, THREADS);
        const Place &place = places[thread.block / blocks];
        const uint64_t row = thread.block % blocks * THREADS + thread.index;
        if (row >= rows) return;
        // What is summed up so far waits in memory, not in registers.
        for (uint32_t i = 0; i < place.count; ++i) {
            const Sum &sum = sums[place.first_sum + i];
            const Fr more = at_row(sum, row);
            switch (sum.mode) {
            case ZKINFER_SET: place.to[row] = more; break;
            case ZKINFER_AND_ADD: place.to[row] += more; break;
            default: place.to[row] *= more; break;
            }
        }
    }

    HD Fr at_row(const Sum &sum, uint64_t row) const {
        Fr value = sum.constant;
        const Term *own = terms + sum.first_term;
        if (sum.integer_count != 0) value += integers(own, sum.integer_count, row);
        for (uint32_t i = sum.integer_count; i < sum.count; ++i) value += own[i].factor * own[i].column.cell(row, domain);
        if (!sum.identity.is_zero()) value += sum.identity * domain.omega().at(row);
        return value;
    }

    // The columns of integers, their tails included; too much by the digits that stand for zero.
    HD Fr integers(const Term *own, uint32_t count, uint64_t row) const {
        Fr tails = Fr::zero();
        IntegerSum sum;
        sum.clear();
        for (uint32_t i = 0; i < count; ++i) {
            if (i % IntegerSum::FOLD == 0) sum.fold();
            const ColumnView &column = own[i].column;
            sum.add(own[i].factor, column.digit(row), column.width());
            if (row >= column.tail_start()) tails += own[i].factor * column.cell(row, domain);
        }
        return sum.value() + tails;
    }
};

// A fraction of two linear polynomials in each row; a thread's rows share an inversion.
struct Fractions {
    static constexpr unsigned THREADS = 128;
    static constexpr uint64_t EACH = 16;
    using Shared = Nothing;
    using Locals = Nothing;

    // Coefficient and constant.
    Fr above[2];
    Fr below[2];
    DomainTables domain;
    Fr *to;
    uint64_t rows;
    uint64_t threads;

    HD unsigned phases() const { return 1; }

    HD void phase(unsigned, Thread thread, Shared &, Locals &) const {
        invert_apart<Fr, EACH>(
            thread.global(), threads, rows, [&](uint64_t row) { return linear(below, row); },
            [&](uint64_t row, const Fr &inverse) { to[row] = linear(above, row) * inverse; });
    }

    HD Fr linear(const Fr (&line)[2], uint64_t row) const {
        return line[0].is_zero() ? line[1] : line[0] * domain.omega().at(row) + line[1];
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

// A sum as kernels read it; its terms go behind the others.
Sum described(const zkinfer_sum &sum, const zkinfer_term *terms, uint64_t rows, std::vector<Term> &views) {
    known_mode(sum.mode);
    if (sum.count > UINT32_MAX) throw Failure(ZKINFER_INVALID, "2^32 terms or more");
    const uint64_t first = views.size();
    for (uint64_t i = 0; i < sum.count; ++i) {
        views.push_back(Term{ColumnView(terms[i].column, rows), Fr::from_words(terms[i].factor)});
    }
    const auto begin = views.begin() + static_cast<int64_t>(first);
    const auto is_integers = [](const Term &term) { return term.column.form() == ZKINFER_INTEGERS; };
    const auto others = std::stable_partition(begin, views.end(), is_integers);
    Fr constant = Fr::from_words(sum.constant);
    for (auto view = begin; view != others; ++view) {
        constant -= view->factor * Fr::natural(zero_digit(view->column.width()));
    }
    const uint32_t integers = static_cast<uint32_t>(others - begin);
    return {first, integers, static_cast<uint32_t>(sum.count), Fr::from_words(sum.identity), constant, sum.mode};
}

} // namespace
} // namespace zkinfer

using namespace zkinfer;

int32_t zkinfer_combine(zkinfer_context *context, zkinfer_address domain, uint32_t k, const zkinfer_term *terms,
                        const zkinfer_sum *sums, uint64_t count) {
    return guarded(context, [&](Context &context) {
        const DomainTables tables = known_tables(domain, k);
        const uint64_t rows = uint64_t{1} << k;
        if (count > UINT32_MAX) throw Failure(ZKINFER_INVALID, "2^32 sums or more");
        std::vector<Term> views;
        std::vector<Sum> list;
        std::vector<Combine::Place> places;
        for (uint64_t i = 0; i < count; ++i) {
            Fr *to = at<Fr>(sums[i].to);
            if (places.empty() || places.back().to != to) places.push_back({to, static_cast<uint32_t>(i), 0});
            ++places.back().count;
            list.push_back(described(sums[i], terms + views.size(), rows, views));
        }
        const Scratch<Combine::Place> written(context, places);
        const Scratch<Sum> summed(context, list);
        const Scratch<Term> read(context, views);
        const Combine kernel{written.get(), summed.get(), read.get(), tables, rows};
        launch(context, places.size() * blocks_for(rows, Combine::THREADS), kernel);
    });
}

int32_t zkinfer_fractions(zkinfer_context *context, zkinfer_address domain, uint32_t k, const uint64_t above[8],
                          const uint64_t below[8], zkinfer_address to) {
    return guarded(context, [&](Context &context) {
        const DomainTables tables = known_tables(domain, k);
        const uint64_t rows = uint64_t{1} << k;
        const uint64_t threads = blocks_for(rows, Fractions::EACH);
        const Fractions kernel{{Fr::from_words(above), Fr::from_words(above + 4)},
                               {Fr::from_words(below), Fr::from_words(below + 4)},
                               tables,
                               at<Fr>(to),
                               rows,
                               threads};
        launch(context, blocks_for(threads, Fractions::THREADS), kernel);
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
