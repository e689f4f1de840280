// Evaluations: sums of weights times cells, of many columns at a time.
//
// A block has eight groups of threads, each with a query of its own, so that the weights of some rows are read once from memory for
// eight queries. Columns of integers take no products; of a permutation and of sparse columns only the rows that are listed
// are read. Each block leaves one element for each of its queries; a second kernel adds up what the blocks left.

#include <algorithm>

#include "columns.hpp"
#include "integers.hpp"

namespace zkinfer {
namespace {

// Threads of a query, and queries of a block.
constexpr uint32_t LANES = 32;
constexpr uint32_t QUERIES = 8;
// Entries that a query's threads take at least in a block.
constexpr uint64_t SHARE = 1u << 10;
// Blocks that a column is dealt out to, at most.
constexpr uint64_t MOST_SHARES = 512;

struct Query {
    ColumnView column;
    int64_t rotation;
};

struct Dots {
    static constexpr unsigned THREADS = LANES * QUERIES;
    struct Shared {
        Fr sums[THREADS];
    };
    using Locals = Nothing;

    const Query *queries;
    uint32_t count;
    // The values of the Lagrange polynomials at the point, by row.
    const Fr *weights;
    DomainTables domain;
    uint64_t rows;
    uint64_t shares;
    // One for each query and share.
    Fr *partial;

    // Sums of the threads, then halves of what is left.
    HD unsigned phases() const { return 6; }

    HD void phase(unsigned phase, Thread thread, Shared &shared, Locals &) const {
        const uint32_t lane = thread.index % LANES;
        const uint64_t share = thread.block % shares;
        const uint64_t query = thread.block / shares * QUERIES + thread.index / LANES;
        if (query >= count) return;
        if (phase == 0) {
            shared.sums[thread.index] = sum(queries[query], share, lane);
            return;
        }
        const uint32_t half = LANES >> phase;
        if (lane < half) shared.sums[thread.index] += shared.sums[thread.index + half];
        if (half == 1 && lane == 0) partial[query * shares + share] = shared.sums[thread.index];
    }

    HD Fr weight(const Query &query, uint64_t row) const {
        return weights[(row - static_cast<uint64_t>(query.rotation)) & (rows - 1)];
    }

    // What a thread contributes.
    HD Fr sum(const Query &query, uint64_t share, uint32_t lane) const {
        const ColumnView &column = query.column;
        const uint64_t entries = column.entries(rows);
        const uint64_t length = (entries + shares - 1) / shares;
        const uint64_t first = share * length;
        const uint64_t end = first + length < entries ? first + length : entries;
        Fr sum = Fr::zero();
        switch (column.form()) {
        case ZKINFER_INTEGERS: {
            IntegerSum integers;
            integers.clear();
            uint32_t added = 0;
            for (uint64_t row = first + lane; row < end; row += LANES) {
                if (++added == IntegerSum::FOLD) {
                    integers.fold();
                    added = 0;
                }
                integers.add(weight(query, row), column.digit(row), column.width());
            }
            sum = integers.value();
            break;
        }
        case ZKINFER_ELEMENTS:
            for (uint64_t row = first + lane; row < end; row += LANES) sum += weight(query, row) * column.element(row);
            break;
        case ZKINFER_CONSTANT: break;
        default:
            for (uint64_t entry = first + lane; entry < end; entry += LANES) {
                const uint64_t row = column.mark(entry);
                if (row < column.tail_start()) sum += weight(query, row) * column.difference(entry, domain);
            }
        }
        if (share == 0) {
            for (uint64_t row = column.tail_start() + lane; row < rows; row += LANES) {
                sum += weight(query, row) * (column.cell(row, domain) - column.ground(row, domain));
            }
        }
        return sum;
    }
};

// The sums of equally long runs of elements, a block for each.
struct SumRuns {
    static constexpr unsigned THREADS = 128;
    struct Shared {
        Fr sums[THREADS];
    };
    using Locals = Nothing;

    const Fr *from;
    Fr *to;
    uint64_t length;

    HD unsigned phases() const { return 8; }

    HD void phase(unsigned phase, Thread thread, Shared &shared, Locals &) const {
        const uint32_t lane = thread.index;
        if (phase == 0) {
            Fr sum = Fr::zero();
            for (uint64_t i = lane; i < length; i += THREADS) sum += from[thread.block * length + i];
            shared.sums[lane] = sum;
            return;
        }
        const uint32_t half = THREADS >> phase;
        if (lane < half) shared.sums[lane] += shared.sums[lane + half];
        if (half == 1 && lane == 0) to[thread.block] = shared.sums[0];
    }
};

// What the kernels leave out: the column's ground, a polynomial of degree 1 at most, at omega^rotation * x; and the digits that stand for
// zero, whose weights add up to one.
Fr ground_at(const zkinfer_column &column, const ColumnView &view, const Fr &point) {
    switch (view.form()) {
    case ZKINFER_INTEGERS: return -Fr::natural(zero_digit(view.width()));
    case ZKINFER_CONSTANT: return Fr::from_words(column.constant);
    case ZKINFER_SIGMA: return scalar_delta().power(column.column) * point;
    default: return Fr::zero();
    }
}

} // namespace
} // namespace zkinfer

using namespace zkinfer;

int32_t zkinfer_evaluate(zkinfer_context *context, zkinfer_address domain, uint32_t k, zkinfer_address weights,
                         const uint64_t x[4], const zkinfer_query *queries, uint32_t count, uint64_t *values) {
    return guarded(context, [&](Context &context) {
        if (count == 0) return;
        const DomainTables tables = known_tables(domain, k);
        const uint64_t rows = uint64_t{1} << k;
        std::vector<Query> views;
        for (uint32_t i = 0; i < count; ++i) {
            views.push_back(Query{ColumnView(queries[i].column, rows), queries[i].rotation});
        }
        const Scratch<Query> list(context, views);
        const uint64_t shares = std::min(MOST_SHARES, (rows + SHARE - 1) / SHARE);
        const Scratch<Fr> partial(context, count * shares), sums(context, count);
        const Dots dots{list.get(), count, at<Fr>(weights), tables, rows, shares, partial.get()};
        launch(context, (count + QUERIES - 1) / QUERIES * shares, dots);
        launch(context, count, SumRuns{partial.get(), sums.get(), shares});
        std::vector<Fr> found(count);
        context.download(found.data(), sums.get(), count * sizeof(Fr));
        const Fr omega = scalar_root_of_order(k);
        for (uint32_t i = 0; i < count; ++i) {
            const uint64_t turn = static_cast<uint64_t>(int64_t{queries[i].rotation}) & (rows - 1);
            const Fr point = Fr::from_words(x) * omega.power(turn);
            found[i] += ground_at(queries[i].column, views[i].column, point);
            std::memcpy(values + 4 * uint64_t{i}, found[i].words, sizeof(Fr));
        }
    });
}
