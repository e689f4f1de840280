// Element-wise operations, tables of powers, and columns in full.

#include "columns.hpp"

namespace zkinfer {
namespace {

// One operation on the elements of two lists.
template <typename F> struct Elementwise {
    static constexpr unsigned THREADS = 256;
    using Shared = Nothing;
    using Locals = Nothing;

    F *to;
    const F *a;
    const F *b;
    F scalar;
    uint64_t count;
    uint32_t operation;

    HD unsigned phases() const { return 1; }

    HD void phase(unsigned, Thread thread, Shared &, Locals &) const {
        const uint64_t i = thread.global();
        if (i >= count) return;
        switch (operation) {
        case ZKINFER_ADD: to[i] = a[i] + b[i]; break;
        case ZKINFER_SUBTRACT: to[i] = a[i] - b[i]; break;
        case ZKINFER_MULTIPLY: to[i] = a[i] * b[i]; break;
        case ZKINFER_ADD_SCALED: to[i] = a[i] + scalar * b[i]; break;
        default: to[i] = scalar * a[i]; break;
        }
    }
};

// Inverses; a thread's elements share one.
template <typename F> struct Invert {
    static constexpr unsigned THREADS = 128;
    static constexpr uint64_t CHUNK = 16;
    using Shared = Nothing;
    using Locals = Nothing;

    F *to;
    const F *from;
    uint64_t count;
    uint64_t threads;

    HD unsigned phases() const { return 1; }

    HD void phase(unsigned, Thread thread, Shared &, Locals &) const {
        invert_apart<F, CHUNK>(
            thread.global(), threads, count, [&](uint64_t i) { return from[i]; },
            [&](uint64_t i, const F &inverse) { to[i] = inverse; });
    }
};

// A table of powers; each thread one entry.
struct MakePowers {
    static constexpr unsigned THREADS = 256;
    using Shared = Nothing;
    using Locals = Nothing;

    Fr *to;
    Fr base;
    uint32_t k;

    HD unsigned phases() const { return 1; }

    HD void phase(unsigned, Thread thread, Shared &, Locals &) const {
        const uint64_t i = thread.global();
        if (i >= Powers::length(k)) return;
        const uint32_t low_bits = (k + 1) / 2;
        const uint64_t low = uint64_t{1} << low_bits;
        to[i] = base.power(i < low ? i : (i - low) << low_bits);
    }
};

// All powers of an element in order.
struct MakeRoots {
    static constexpr unsigned THREADS = 256;
    using Shared = Nothing;
    using Locals = Nothing;

    Fr *to;
    Fr base;
    uint64_t count;

    HD unsigned phases() const { return 1; }

    HD void phase(unsigned, Thread thread, Shared &, Locals &) const {
        const uint64_t i = thread.global();
        if (i < count) to[i] = base.power(i);
    }
};

// Columns' values.
struct Expand {
    static constexpr unsigned THREADS = 256;
    using Shared = Nothing;
    using Locals = Nothing;

    struct Item {
        ColumnView column;
        Fr *to;
    };

    const Item *items;
    DomainTables domain;
    uint64_t rows;

    HD unsigned phases() const { return 1; }

    HD void phase(unsigned, Thread thread, Shared &, Locals &) const {
        const uint64_t blocks = blocks_for(rows, THREADS);
        const Item &item = items[thread.block / blocks];
        const uint64_t row = thread.block % blocks * THREADS + thread.index;
        if (row < rows) item.to[row] = item.column.cell(row, domain);
    }
};

template <typename F>
void elementwise(Context &context, uint32_t operation, zkinfer_address to, zkinfer_address a, zkinfer_address b,
                 const uint64_t *scalar, uint64_t count) {
    using Kernel = Elementwise<F>;
    const F factor = scalar == nullptr ? F::zero() : F::from_words(scalar);
    launch(context, blocks_for(count, Kernel::THREADS), Kernel{at<F>(to), at<F>(a), at<F>(b), factor, count, operation});
}

template <typename F> void invert(Context &context, zkinfer_address to, zkinfer_address from, uint64_t count) {
    using Kernel = Invert<F>;
    const uint64_t threads = blocks_for(count, Kernel::CHUNK);
    launch(context, blocks_for(threads, Kernel::THREADS), Kernel{at<F>(to), at<F>(from), count, threads});
}

void make_powers(Context &context, uint32_t k, const Fr &base, Fr *to) {
    launch(context, blocks_for(Powers::length(k), MakePowers::THREADS), MakePowers{to, base, k});
}

void known_field(uint32_t field) {
    if (field > ZKINFER_COORDINATES) throw Failure(ZKINFER_INVALID, "a field of no known name");
}

void known_domain(uint32_t k) {
    if (k > ScalarParameters::TWO_ADICITY) throw Failure(ZKINFER_INVALID, "a domain larger than 2^28");
}

} // namespace
} // namespace zkinfer

using namespace zkinfer;

int32_t zkinfer_elementwise(zkinfer_context *context, uint32_t field, uint32_t operation, zkinfer_address to,
                            zkinfer_address a, zkinfer_address b, const uint64_t scalar[4], uint64_t count) {
    return guarded(context, [&](Context &context) {
        known_field(field);
        if (operation > ZKINFER_SCALE) throw Failure(ZKINFER_INVALID, "an operation of no known name");
        if (field == ZKINFER_SCALARS) {
            elementwise<Fr>(context, operation, to, a, b, scalar, count);
        } else {
            elementwise<Fq>(context, operation, to, a, b, scalar, count);
        }
    });
}

int32_t zkinfer_invert(zkinfer_context *context, uint32_t field, zkinfer_address to, zkinfer_address from,
                       uint64_t count) {
    return guarded(context, [&](Context &context) {
        known_field(field);
        if (field == ZKINFER_SCALARS) {
            invert<Fr>(context, to, from, count);
        } else {
            invert<Fq>(context, to, from, count);
        }
    });
}

int32_t zkinfer_expand(zkinfer_context *context, zkinfer_address domain, uint32_t k, const zkinfer_column *columns,
                       const zkinfer_address *places, uint64_t count) {
    return guarded(context, [&](Context &context) {
        const DomainTables tables = known_tables(domain, k);
        const uint64_t rows = uint64_t{1} << k;
        std::vector<Expand::Item> items;
        for (uint64_t i = 0; i < count; ++i) items.push_back({ColumnView(columns[i], rows), at<Fr>(places[i])});
        const Scratch<Expand::Item> list(context, items);
        launch(context, count * blocks_for(rows, Expand::THREADS), Expand{list.get(), tables, rows});
    });
}

uint64_t zkinfer_powers_length(uint32_t k) { return Powers::length(k); }

int32_t zkinfer_powers(zkinfer_context *context, uint32_t k, const uint64_t base[4], zkinfer_address to) {
    return guarded(context, [&](Context &context) {
        known_domain(k);
        make_powers(context, k, Fr::from_words(base), at<Fr>(to));
    });
}

uint64_t zkinfer_domain_length(uint32_t k) { return DomainTables::length(k); }

int32_t zkinfer_domain(zkinfer_context *context, uint32_t k, zkinfer_address to) {
    return guarded(context, [&](Context &context) {
        known_domain(k);
        Fr *tables = at<Fr>(to);
        make_powers(context, k, scalar_root_of_order(k), tables);
        const uint64_t tile = uint64_t{1} << DomainTables::TILE_BITS;
        Fr *roots = tables + Powers::length(k);
        launch(context, blocks_for(tile, MakeRoots::THREADS), MakeRoots{roots, scalar_root_of_order(DomainTables::TILE_BITS), tile});
        make_powers(context, DomainTables::DELTA_BITS, scalar_delta(), roots + tile);
    });
}
