// Number-theoretic transforms.
//
// A transform of n = R1·R2·…·Rm elements, each R at most 2^8, in m passes (Bailey, "FFTs in external or hierarchical memory", 1990).
// With i = c + C·r, C = n/R1, for the place of a coefficient and e + R1·e' for that of a value:
//
//     A[e + R1·e'] = sum over c of (ω^R1)^(c·e') · [ ω^(c·e) · sum over r of (ω^C)^(r·e) · a[c + C·r] ]
//
// The first pass does the inner sums, transforms of R1 elements that lie C apart, multiplies by ω^(c·e) and leaves the result at
// c + C·e. What remains are R1 transforms of C elements side by side, done the same way by the passes behind it. The last pass finds
// its elements side by side, and writes value e_m of the transform (e_1, …, e_(m−1)) to e_1 + R1·e_2 + R1·R2·e_3 + …
//
// A block of threads takes a tile: GROUP neighbouring transforms, so that whatever it reads and writes are runs of GROUP elements
// (128 bytes) at least. The tile's own steps are a decimation in time in shared memory, two layers between barriers.
//
// Columns of one call share launches, as many at a time as their descriptions and scratch memory allow.
//
// Cost: n/2·log n products for butterflies, at most 3·n for each pass but the last (a power of omega is one product), 4·n more over a
// coset. Memory: each pass reads and writes n elements; n of scratch.

#include <algorithm>

#include "columns.hpp"

namespace zkinfer {
namespace {

// Neighbouring transforms of a tile, at most.
constexpr uint32_t GROUP_BITS = 2;
constexpr uint32_t TILE = 1u << (DomainTables::TILE_BITS + GROUP_BITS);
// 2^28 elements in passes of 2^8 at most.
constexpr uint32_t MAX_PASSES = 4;
// Columns of a launch, whose descriptions are its arguments; and scratch memory beyond which nothing is gained.
constexpr uint32_t MOST_COLUMNS = 64;
constexpr uint64_t MOST_SCRATCH = uint64_t{64} << 20;

// How the exponent's bits are dealt out to passes: as evenly as can be.
struct Split {
    uint32_t passes;
    uint32_t bits[MAX_PASSES];

    explicit Split(uint32_t k) : passes(k == 0 ? 1 : (k + DomainTables::TILE_BITS - 1) / DomainTables::TILE_BITS), bits{} {
        for (uint32_t pass = 0; pass < passes; ++pass) bits[pass] = k / passes + (pass < k % passes ? 1 : 0);
    }
};

// Where a column is and goes to, and the powers of its coset.
struct Place {
    const Fr *from;
    Fr *to;
    const Fr *shift;
};

struct Pass {
    static constexpr unsigned THREADS = 256;
    static constexpr unsigned BLOCKS = 3;
    using Locals = Nothing;

    // Halves of elements apart, so that neighbouring threads read neighbouring 16 bytes.
    struct Half {
        uint64_t words[2];
    };
    struct Shared {
        Half halves[2][TILE];
    };

    Place columns[MOST_COLUMNS];
    // A column behind the other, between passes.
    Fr *scratch;
    DomainTables domain;
    // A factor of all results of the last pass of the inverse.
    Fr scale;
    Split split;
    uint32_t pass;
    // Bits of the passes before.
    uint32_t done;
    uint32_t group_bits;
    uint32_t inverse;

    HD uint32_t bits() const { return split.bits[pass]; }
    HD bool is_last() const { return pass + 1 == split.passes; }
    HD const Fr *source(uint64_t column) const { return pass == 0 ? columns[column].from : scratch + (column << domain.k()); }
    HD Fr *target(uint64_t column) const { return is_last() ? columns[column].to : scratch + (column << domain.k()); }
    // Factors of a column's coefficients.
    HD Powers shift(uint64_t column) const {
        return columns[column].shift == nullptr ? Powers() : Powers(columns[column].shift, domain.k());
    }
    // Exponents of the elements between those of one transform.
    HD uint32_t stride_bits() const { return domain.k() - done - bits(); }

    HD unsigned phases() const { return 2 + (bits() + 1) / 2; }

    HD void phase(unsigned phase, Thread thread, Shared &shared, Locals &) const {
        if (phase == 0) {
            load(thread, shared);
        } else if (phase + 1 == phases()) {
            store(thread, shared);
        } else {
            // Where the number of layers is odd, the first phase does one.
            const uint32_t before = bits() % 2 == 0 ? 2 * (phase - 1) : phase == 1 ? 0 : 2 * phase - 3;
            if (bits() % 2 == 1 && phase == 1) {
                one_layer(thread, shared);
            } else {
                two_layers(thread, shared, before);
            }
        }
    }

    HD static Fr get(const Shared &shared, uint32_t place) {
        const Half low = shared.halves[0][place], high = shared.halves[1][place];
        return Fr{{low.words[0], low.words[1], high.words[0], high.words[1]}};
    }

    HD static void put(Shared &shared, uint32_t place, const Fr &element) {
        shared.halves[0][place] = Half{{element.words[0], element.words[1]}};
        shared.halves[1][place] = Half{{element.words[2], element.words[3]}};
    }

    // The column of the batch, and the tile within it.
    HD uint64_t column(Thread thread) const { return thread.block >> tile_count_bits(); }
    HD uint64_t tile(Thread thread) const { return thread.block & ((uint64_t{1} << tile_count_bits()) - 1); }
    HD uint32_t tile_count_bits() const { return domain.k() - bits() - group_bits; }

    // The place of entry x of the tile's transform g, before and after the pass; `first` is the tile's first transform.
    HD uint64_t place_before(uint64_t first, uint32_t g, uint32_t x) const {
        if (is_last()) return block_of(first + g) << bits() | x;
        return place_after_inner(first, g, x);
    }
    HD uint64_t place_after(uint64_t first, uint32_t g, uint32_t x) const {
        if (is_last()) return (first + g) | static_cast<uint64_t>(x) << done;
        return place_after_inner(first, g, x);
    }
    // Transforms of a pass that is not the last are numbered block by block, and within it by the elements between.
    HD uint64_t place_after_inner(uint64_t first, uint32_t g, uint32_t x) const {
        const uint64_t transform = first + g;
        const uint64_t block = transform >> stride_bits();
        const uint64_t between = transform & ((uint64_t{1} << stride_bits()) - 1);
        return (block << bits() | x) << stride_bits() | between;
    }
    // For the last pass: transforms are numbered by where their results go, e_1 + R1·e_2 + …; the block is the same digits with e_1
    // in the highest place.
    HD uint64_t block_of(uint64_t transform) const {
        uint64_t block = 0;
        for (uint32_t before = 0; before < pass; ++before) {
            const uint32_t digit_bits = split.bits[before];
            block = block << digit_bits | (transform & ((uint64_t{1} << digit_bits) - 1));
            transform >>= digit_bits;
        }
        return block;
    }

    HD static uint32_t reversed(uint32_t x, uint32_t bits) {
        uint32_t result = 0;
        for (uint32_t bit = 0; bit < bits; ++bit) result |= (x >> bit & 1) << (bits - 1 - bit);
        return result;
    }

    HD void load(Thread thread, Shared &shared) const {
        const Fr *from = source(column(thread));
        const Powers factors = pass == 0 && !inverse ? shift(column(thread)) : Powers();
        const uint64_t first = tile(thread) << group_bits;
        for (uint32_t u = thread.index; u < 1u << (bits() + group_bits); u += thread.count) {
            // Neighbouring threads take what lies side by side.
            const uint32_t g = is_last() ? u >> bits() : u & ((1u << group_bits) - 1);
            const uint32_t x = is_last() ? u & ((1u << bits()) - 1) : u >> group_bits;
            const uint64_t place = place_before(first, g, x);
            Fr element = from[place];
            if (factors.present()) element *= factors.at(place);
            put(shared, reversed(x, bits()) << group_bits | g, element);
        }
    }

    HD void store(Thread thread, Shared &shared) const {
        Fr *to = target(column(thread));
        const Powers factors = is_last() && inverse ? shift(column(thread)) : Powers();
        const uint64_t first = tile(thread) << group_bits;
        for (uint32_t u = thread.index; u < 1u << (bits() + group_bits); u += thread.count) {
            const uint32_t g = u & ((1u << group_bits) - 1), x = u >> group_bits;
            const uint64_t place = place_after(first, g, x);
            Fr element = get(shared, u);
            if (!is_last()) {
                const uint64_t between = (first + g) & ((uint64_t{1} << stride_bits()) - 1);
                element *= root(between * x << done);
            } else if (inverse) {
                element *= scale;
                if (factors.present()) element *= factors.at(place);
            }
            to[place] = element;
        }
    }

    // omega^exponent, or its inverse.
    HD Fr root(uint64_t exponent) const {
        const uint64_t order = uint64_t{1} << domain.k();
        return domain.omega().at(inverse ? (order - exponent) & (order - 1) : exponent);
    }

    // The root of order 2^(layer + 1) to the power of j below 2^layer.
    HD Fr tile_root(uint32_t layer, uint32_t j) const {
        const uint32_t order = 1u << DomainTables::TILE_BITS;
        const uint32_t exponent = j << (DomainTables::TILE_BITS - 1 - layer);
        return domain.roots()[inverse ? (order - exponent) & (order - 1) : exponent];
    }

    // The layer of butterflies between neighbours, whose factors are one.
    HD void one_layer(Thread thread, Shared &shared) const {
        for (uint32_t u = thread.index; u < 1u << (bits() + group_bits - 1); u += thread.count) {
            const uint32_t g = u & ((1u << group_bits) - 1), pair = u >> group_bits;
            const uint32_t low = 2 * pair << group_bits | g, high = low + (1u << group_bits);
            const Fr a = get(shared, low), b = get(shared, high);
            put(shared, low, a + b);
            put(shared, high, a - b);
        }
    }

    // Two layers, the first of butterflies over 2^layer.
    HD void two_layers(Thread thread, Shared &shared, uint32_t layer) const {
        const uint32_t half = 1u << layer;
        for (uint32_t u = thread.index; u < 1u << (bits() + group_bits - 2); u += thread.count) {
            const uint32_t g = u & ((1u << group_bits) - 1), quad = u >> group_bits;
            const uint32_t j = quad & (half - 1);
            const uint32_t x = (quad - j) * 4 + j;
            uint32_t places[4];
            for (uint32_t i = 0; i < 4; ++i) places[i] = (x + i * half) << group_bits | g;
            Fr a = get(shared, places[0]), b = get(shared, places[1]);
            Fr c = get(shared, places[2]), d = get(shared, places[3]);
            const Fr inner = tile_root(layer, j);
            b *= inner;
            d *= inner;
            const Fr sum = a + b, difference = a - b;
            const Fr other_sum = (c + d) * tile_root(layer + 1, j);
            const Fr other_difference = (c - d) * tile_root(layer + 1, j + half);
            put(shared, places[0], sum + other_sum);
            put(shared, places[1], difference + other_difference);
            put(shared, places[2], sum - other_sum);
            put(shared, places[3], difference - other_difference);
        }
    }
};

// 1 / 2^k
Fr inverse_of_size(uint32_t k) {
    const Fr half = Fr::one().doubled().inverse();
    return half.power(k);
}

// Scratch memory for so many columns, or for half as many as long as memory is short; `columns` becomes what it is for.
std::unique_ptr<Scratch<Fr>> scratch_for(Context &context, uint32_t k, uint64_t &columns) {
    while (true) {
        try {
            return std::make_unique<Scratch<Fr>>(context, columns << k);
        } catch (const Failure &failure) {
            if (failure.status() != ZKINFER_OUT_OF_MEMORY || columns == 1) throw;
            columns = (columns + 1) / 2;
        }
    }
}

struct Transform {
    DomainTables domain;
    bool inverse;

    void run(Context &context, const std::vector<Place> &places) const {
        const uint32_t k = domain.k();
        const Split split(k);
        uint64_t together = std::min<uint64_t>(places.size(), MOST_COLUMNS);
        std::unique_ptr<Scratch<Fr>> scratch;
        if (split.passes > 1) {
            together = std::clamp<uint64_t>(MOST_SCRATCH / sizeof(Fr) >> k, 1, together);
            scratch = scratch_for(context, k, together);
        }
        for (uint64_t start = 0; start < places.size(); start += together) {
            const uint64_t count = std::min<uint64_t>(together, places.size() - start);
            Pass kernel{{}, scratch == nullptr ? nullptr : scratch->get(), domain, inverse_of_size(k), split, 0, 0, 0, inverse};
            std::copy_n(places.begin() + static_cast<int64_t>(start), count, kernel.columns);
            passes(context, count, kernel);
        }
    }

  private:
    void passes(Context &context, uint64_t count, Pass &kernel) const {
        const Split &split = kernel.split;
        for (kernel.pass = 0; kernel.pass < split.passes; ++kernel.pass) {
            const uint32_t others = domain.k() - split.bits[kernel.pass];
            kernel.group_bits = std::min(others, GROUP_BITS);
            launch(context, count << (others - kernel.group_bits), kernel);
            kernel.done += split.bits[kernel.pass];
        }
    }
};

} // namespace
} // namespace zkinfer

using namespace zkinfer;

int32_t zkinfer_transform(zkinfer_context *context, zkinfer_address domain, uint32_t k, uint32_t inverse,
                          const zkinfer_transformed *columns, uint64_t count) {
    return guarded(context, [&](Context &context) {
        const DomainTables tables = known_tables(domain, k);
        if (count == 0) return;
        std::vector<Place> places;
        for (uint64_t i = 0; i < count; ++i) {
            places.push_back({at<Fr>(columns[i].from), at<Fr>(columns[i].to), at<Fr>(columns[i].shift)});
        }
        Transform{tables, inverse != 0}.run(context, places);
    });
}
