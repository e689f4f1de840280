// Kernels of sums over points with scalars, `sum of s_i * P_i` (Pippenger, *On the evaluation of powers and monomials*, 1980, with signed
// digits).
//
// A scalar is a sign and a magnitude, whichever of `s` and `r - s` is shorter; a magnitude is cut into signed digits of some bits, its
// *windows*. Entries (a point with a sign) go into the *buckets* of their digits' absolute values, by a counting sort; buckets are
// summed; then the sums, with their values as weights. Windows whose points are multiples by the window's power of two share
// buckets: a *set* of these.
//
// Nothing here takes longer for some distributions of scalars than for others: blocks sort equal parts of the places, and threads sum
// equal parts of the sorted list, whatever buckets these lie in. What a bucket has in several parts is merged by the same rule
// applied to the list of these sums.
#pragma once

#include "columns.hpp"
#include "curve.hpp"

namespace zkinfer {
namespace msm {

// The part with the highest `first_block` up to `block`.
template <typename Part> HD const Part &part_of(const Part *parts, uint32_t count, uint64_t block) {
    uint32_t low = 0, high = count;
    while (high - low > 1) {
        const uint32_t middle = (low + high) / 2;
        if (parts[middle].first_block <= block) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return parts[low];
}

// The last place up to `count - 1` with an element up to `value`, in an increasing list that starts with such a one.
HD uint32_t last_up_to(const uint32_t *list, uint32_t count, uint32_t value) {
    uint32_t low = 0, high = count;
    while (high - low > 1) {
        const uint32_t middle = low + (high - low) / 2;
        if (list[middle] <= value) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

// A sign, and an absolute value of at most 253 bits.
struct Magnitude {
    uint64_t words[4];
    bool negative;

    static HD Magnitude integer(int64_t value) {
        const bool negative = value < 0;
        const uint64_t bits = static_cast<uint64_t>(value);
        return {{negative ? 0 - bits : bits, 0, 0, 0}, negative};
    }

    static HD Magnitude element(const Fr &element) {
        using P = ScalarParameters;
        const uint64_t modulus[4] = {P::modulus(0), P::modulus(1), P::modulus(2), P::modulus(3)};
        uint64_t own[4], opposite[4], difference[4];
        element.integer_words(own);
        chains::subtract(opposite, modulus, own);
        const bool negative = chains::subtract(difference, opposite, own) != 0;
        return {{negative ? opposite[0] : own[0], negative ? opposite[1] : own[1], negative ? opposite[2] : own[2],
                 negative ? opposite[3] : own[3]},
                negative};
    }

    HD bool is_zero() const { return (words[0] | words[1] | words[2] | words[3]) == 0; }
};

// Scalars, and the points that they belong to.
struct Scalars {
    static constexpr uint32_t ELEMENTS = 32;

    // Signed integers of `width` bytes, or elements.
    const void *cells;
    // The point of each scalar; without, they are those from `first` on.
    const uint32_t *rows;
    uint64_t count;
    uint32_t first;
    // Rows before the one, and from the other on, do not take part.
    uint32_t start;
    uint32_t limit;
    uint32_t width;

    HD uint32_t row(uint64_t place) const { return rows == nullptr ? first + static_cast<uint32_t>(place) : rows[place]; }

    // Zero for a point that does not take part.
    HD Magnitude magnitude(uint64_t place) const {
        if (row(place) < start || row(place) >= limit) return Magnitude::integer(0);
        switch (width) {
        case 1: return Magnitude::integer(static_cast<const int8_t *>(cells)[place]);
        case 2: return Magnitude::integer(static_cast<const int16_t *>(cells)[place]);
        case 4: return Magnitude::integer(static_cast<const int32_t *>(cells)[place]);
        case 8: return Magnitude::integer(static_cast<const int64_t *>(cells)[place]);
        default: return Magnitude::element(static_cast<const Fr *>(cells)[place]);
        }
    }
};

// How magnitudes up to `2^bits` are cut into windows of `width` bits: digits `-2^(width - 1) < d <= 2^(width - 1)` below the top window,
// and `0 <= d <= 2^rest` there. The bias, `2^(width - 1) - 1` in every window but the top one, makes them the windows of one sum less the
// bias, so that no carry is passed on.
struct Windows {
    uint32_t width;
    uint32_t count;
    uint32_t rest;
    uint64_t bias[4];

    static Windows of(uint32_t bits, uint32_t width, uint32_t count) {
        Windows windows{width, count, bits - width * (count - 1), {0, 0, 0, 0}};
        for (uint32_t window = 0; window + 1 < count; ++window) {
            for (uint32_t bit = 0; bit + 1 < width; ++bit) {
                const uint32_t place = width * window + bit;
                windows.bias[place / 64] |= uint64_t{1} << place % 64;
            }
        }
        return windows;
    }

    // The largest absolute value of a digit: a power of two.
    uint32_t buckets(uint32_t window) const { return uint32_t{1} << (window + 1 == count ? rest : width - 1); }
};

// ---- What scalars are like ----

// Scalars that are not zero, and the bits that some magnitude less one has.
struct Survey {
    uint64_t bits[4];
    uint64_t count;

    HD void join(const Survey &other) {
        for (int word = 0; word < 4; ++word) bits[word] |= other.bits[word];
        count += other.count;
    }
};

struct SurveyPart {
    Scalars scalars;
    uint64_t first_block;
    uint64_t blocks;
};

// Each block surveys a part of a list.
struct SurveyScalars {
    static constexpr unsigned THREADS = 256;
    static constexpr unsigned ROUNDS = 8;
    struct Shared {
        Survey surveys[THREADS];
    };
    using Locals = Nothing;

    const SurveyPart *parts;
    uint32_t part_count;
    // One for each block.
    Survey *surveys;

    HD unsigned phases() const { return 2 + ROUNDS; }

    HD void phase(unsigned phase, Thread thread, Shared &shared, Locals &) const {
        if (phase == 0) {
            const SurveyPart &part = part_of(parts, part_count, thread.block);
            Survey survey{{0, 0, 0, 0}, 0};
            const uint64_t stride = part.blocks * THREADS;
            uint64_t place = (thread.block - part.first_block) * THREADS + thread.index;
            for (; place < part.scalars.count; place += stride) take(survey, part.scalars.magnitude(place));
            shared.surveys[thread.index] = survey;
        } else if (phase <= ROUNDS) {
            const uint32_t distance = THREADS >> phase;
            if (thread.index < distance) shared.surveys[thread.index].join(shared.surveys[thread.index + distance]);
        } else if (thread.index == 0) {
            surveys[thread.block] = shared.surveys[0];
        }
    }

  private:
    static HD void take(Survey &survey, const Magnitude &magnitude) {
        if (magnitude.is_zero()) return;
        const uint64_t one[4] = {1, 0, 0, 0};
        Survey own{{0, 0, 0, 0}, 1};
        chains::subtract(own.bits, magnitude.words, one);
        survey.join(own);
    }
};

static_assert(SurveyScalars::THREADS == 1 << SurveyScalars::ROUNDS, "halved so many times");

// ---- Digits ----

// Some windows of some places of a list. The digits of a window lie side by side, and windows one behind the other.
struct RecodePart {
    Scalars scalars;
    // Places.
    uint64_t start;
    uint64_t count;
    Windows windows;
    uint32_t first_window;
    uint32_t window_count;
    uint64_t first_digit;
    uint64_t first_block;
};

// Cuts scalars into digits, a scalar a thread.
struct Recode {
    static constexpr unsigned THREADS = 256;
    using Shared = Nothing;
    using Locals = Nothing;

    const RecodePart *parts;
    uint32_t part_count;
    int32_t *digits;

    HD unsigned phases() const { return 1; }

    HD void phase(unsigned, Thread thread, Shared &, Locals &) const {
        const RecodePart &part = part_of(parts, part_count, thread.block);
        const uint64_t place = (thread.block - part.first_block) * THREADS + thread.index;
        if (place >= part.count) return;
        const Magnitude magnitude = part.scalars.magnitude(part.start + place);
        const Windows &windows = part.windows;
        uint64_t biased[4];
        chains::add(biased, magnitude.words, windows.bias);
        move_down(biased, windows.width * part.first_window);
        const int32_t bias = (1 << (windows.width - 1)) - 1;
        int32_t *to = digits + part.first_digit + place;
        for (uint32_t i = 0; i < part.window_count; ++i) {
            const bool top = part.first_window + i + 1 == windows.count;
            const int32_t low = static_cast<int32_t>(biased[0]);
            const int32_t digit = top ? low : (low & ((1 << windows.width) - 1)) - bias;
            to[i * part.count] = magnitude.negative ? -digit : digit;
            move_down(biased, windows.width);
        }
    }

  private:
    static HD void move_down(uint64_t (&words)[4], uint32_t bits) {
        for (; bits >= 64; bits -= 64) {
            for (int word = 0; word < 3; ++word) words[word] = words[word + 1];
            words[3] = 0;
        }
        if (bits == 0) return;
        for (int word = 0; word < 3; ++word) words[word] = words[word] >> bits | words[word + 1] << (64 - bits);
        words[3] >>= bits;
    }
};

// ---- Sorting ----

// Counters of a block: 32 KiB.
constexpr uint32_t COUNTER_BITS = 13;
constexpr uint32_t COUNTERS = 1 << COUNTER_BITS;

// A window's digits to be sorted into a set of buckets, or, where there are more than a block has counters, into *bins* of as many
// buckets. Counters are those of the set: for each bucket or bin one for each chunk of places of each of its windows.
struct SortPart {
    // See `Scalars`; for the digit at place 0.
    const uint32_t *rows;
    uint32_t first;
    // Added to a point's place: that of the multiples.
    uint32_t offset;
    uint64_t count;
    uint64_t first_digit;
    uint64_t first_counter;
    // Chunks of the set, and those of its windows before this one.
    uint32_t set_chunks;
    uint32_t first_chunk;
    // Places of a chunk.
    uint32_t chunk;
    // Buckets or bins.
    uint32_t ranges;
    bool wide;
    uint64_t first_block;
};

// Entries that lie in their bins, with their buckets' places in these.
struct BinnedEntries {
    uint32_t *entries;
    uint16_t *places;
};

// Counts digits by bucket (or bin) and chunk, or, with the counters' running sums in their place, writes each digit's entry where it
// belongs. The order of entries within a chunk's part of a bucket is arbitrary, and so are the bits of projective sums; points are
// the same.
template <bool PLACES> struct Sort {
    static constexpr unsigned THREADS = 512;
    struct Shared {
        uint32_t counters[COUNTERS];
    };
    using Locals = Nothing;

    const SortPart *parts;
    uint32_t part_count;
    const int32_t *digits;
    uint32_t *counters;
    // Points' places, doubled, plus one for a negative digit.
    uint32_t *entries;
    // Those of wide sets, which come first.
    BinnedEntries binned;

    HD unsigned phases() const { return PLACES ? 2 : 3; }

    HD void phase(unsigned phase, Thread thread, Shared &shared, Locals &) const {
        const SortPart &part = part_of(parts, part_count, thread.block);
        const uint32_t chunk = static_cast<uint32_t>(thread.block - part.first_block);
        uint32_t *own = counters + part.first_counter + part.first_chunk + chunk;
        if (phase == 0) {
            for (uint32_t i = thread.index; i < part.ranges; i += THREADS) {
                shared.counters[i] = PLACES ? own[uint64_t{i} * part.set_chunks] : 0;
            }
        } else if (phase == 1) {
            const uint64_t start = uint64_t{chunk} * part.chunk;
            const uint64_t end = part.count - start < part.chunk ? part.count : start + part.chunk;
            for (uint64_t place = start + thread.index; place < end; place += THREADS) {
                const int32_t digit = digits[part.first_digit + place];
                if (digit == 0) continue;
                const uint32_t bucket = static_cast<uint32_t>(digit < 0 ? -digit : digit) - 1;
                const uint32_t at = atomic_add(&shared.counters[part.wide ? bucket >> COUNTER_BITS : bucket], 1);
                if (PLACES) write(part, at, place, bucket, digit < 0);
            }
        } else {
            for (uint32_t i = thread.index; i < part.ranges; i += THREADS) {
                own[uint64_t{i} * part.set_chunks] = shared.counters[i];
            }
        }
    }

  private:
    HD void write(const SortPart &part, uint32_t at, uint64_t place, uint32_t bucket, bool negative) const {
        const uint32_t row = part.rows == nullptr ? part.first + static_cast<uint32_t>(place) : part.rows[place];
        const uint32_t entry = (row + part.offset) << 1 | (negative ? 1 : 0);
        if (part.wide) {
            binned.entries[at] = entry;
            binned.places[at] = static_cast<uint16_t>(bucket & (COUNTERS - 1));
        } else {
            entries[at] = entry;
        }
    }
};

// The bins of wide sets, which are cut into chunks of entries, as many as they have when it is known.
struct Bins {
    static constexpr uint32_t CHUNK = 4 * COUNTERS;

    // Where each bin's entries start, and the last one's end.
    const uint32_t *starts;
    // Chunks of the bins before each, and of all.
    const uint32_t *chunks;
    uint32_t count;

    // Counters of a bin come by bucket, then by chunk.
    HD uint64_t first_counter(uint32_t bin) const { return uint64_t{chunks[bin]} * COUNTERS; }
    HD uint32_t chunk_count(uint32_t bin) const { return chunks[bin + 1] - chunks[bin]; }
};

// Writes how many chunks each bin has, and after them zero.
struct CountChunks {
    static constexpr unsigned THREADS = 256;
    using Shared = Nothing;
    using Locals = Nothing;

    const uint32_t *starts;
    uint32_t *chunks;
    uint32_t count;

    HD unsigned phases() const { return 1; }

    HD void phase(unsigned, Thread thread, Shared &, Locals &) const {
        const uint64_t bin = thread.global();
        if (bin > count) return;
        chunks[bin] = bin == count ? 0 : (starts[bin + 1] - starts[bin] + Bins::CHUNK - 1) / Bins::CHUNK;
    }
};

// As `Sort`, within bins; a block for each chunk. There may be more blocks than chunks.
template <bool PLACES> struct SortBins {
    static constexpr unsigned THREADS = 512;
    struct Shared {
        uint32_t counters[COUNTERS];
    };
    using Locals = Nothing;

    Bins bins;
    BinnedEntries binned;
    uint32_t *counters;
    uint32_t *entries;

    HD unsigned phases() const { return PLACES ? 2 : 3; }

    HD void phase(unsigned phase, Thread thread, Shared &shared, Locals &) const {
        if (thread.block >= bins.chunks[bins.count]) return;
        const uint32_t bin = last_up_to(bins.chunks, bins.count, static_cast<uint32_t>(thread.block));
        const uint32_t chunk = static_cast<uint32_t>(thread.block) - bins.chunks[bin];
        const uint32_t stride = bins.chunk_count(bin);
        uint32_t *own = counters + bins.first_counter(bin) + chunk;
        if (phase == 0) {
            for (uint32_t i = thread.index; i < COUNTERS; i += THREADS) {
                shared.counters[i] = PLACES ? own[uint64_t{i} * stride] : 0;
            }
        } else if (phase == 1) {
            const uint32_t start = bins.starts[bin] + chunk * Bins::CHUNK, last = bins.starts[bin + 1];
            const uint32_t end = last - start < Bins::CHUNK ? last : start + Bins::CHUNK;
            for (uint32_t place = start + thread.index; place < end; place += THREADS) {
                const uint32_t at = atomic_add(&shared.counters[binned.places[place]], 1);
                if (PLACES) entries[at] = binned.entries[place];
            }
        } else {
            for (uint32_t i = thread.index; i < COUNTERS; i += THREADS) own[uint64_t{i} * stride] = shared.counters[i];
        }
    }
};

// ---- Running sums of counters ----

// Replaces counters of a tile by the sums of those before them in it, and writes the sum of all.
struct ScanTiles {
    static constexpr unsigned THREADS = 256;
    static constexpr unsigned ROUNDS = 8;
    static constexpr uint32_t EACH = 16;
    static constexpr uint32_t TILE = THREADS * EACH;
    struct Shared {
        uint32_t counters[TILE];
        uint32_t sums[2][THREADS];
    };
    using Locals = Nothing;

    uint32_t *counters;
    uint64_t count;
    uint32_t *totals;

    HD unsigned phases() const { return ROUNDS + 4; }

    HD void phase(unsigned phase, Thread thread, Shared &shared, Locals &) const {
        const uint64_t first = thread.block * TILE;
        const uint32_t own = thread.index * EACH;
        if (phase == 0) {
            for (uint32_t i = thread.index; i < TILE; i += THREADS) {
                shared.counters[i] = first + i < count ? counters[first + i] : 0;
            }
        } else if (phase == 1) {
            uint32_t sum = 0;
            for (uint32_t i = 0; i < EACH; ++i) sum += shared.counters[own + i];
            shared.sums[0][thread.index] = sum;
        } else if (phase < ROUNDS + 2) {
            const uint32_t distance = 1u << (phase - 2);
            const uint32_t *from = shared.sums[phase % 2];
            const uint32_t before = thread.index < distance ? 0 : from[thread.index - distance];
            shared.sums[(phase + 1) % 2][thread.index] = from[thread.index] + before;
        } else if (phase == ROUNDS + 2) {
            uint32_t sum = thread.index == 0 ? 0 : shared.sums[ROUNDS % 2][thread.index - 1];
            for (uint32_t i = 0; i < EACH; ++i) {
                const uint32_t next = sum + shared.counters[own + i];
                shared.counters[own + i] = sum;
                sum = next;
            }
            if (thread.index == THREADS - 1) totals[thread.block] = sum;
        } else {
            for (uint32_t i = thread.index; i < TILE; i += THREADS) {
                if (first + i < count) counters[first + i] = shared.counters[i];
            }
        }
    }
};

static_assert(ScanTiles::THREADS == 1 << ScanTiles::ROUNDS, "doubled so many times");

// Adds to each tile the sum of those before it.
struct AddTotals {
    static constexpr unsigned THREADS = 256;
    using Shared = Nothing;
    using Locals = Nothing;

    uint32_t *counters;
    uint64_t count;
    const uint32_t *totals;

    HD unsigned phases() const { return 1; }

    HD void phase(unsigned, Thread thread, Shared &, Locals &) const {
        const uint64_t i = thread.global();
        if (i < count) counters[i] += totals[i / ScanTiles::TILE];
    }
};

// ---- Buckets ----

// The buckets of windows whose points are multiples of each other by the windows' powers of two.
struct Set {
    uint64_t first_counter;
    uint32_t chunks;
    // The first bucket among those of all sets; the first range (see `FindRanges`) among those of the wide ones, or of the others.
    uint32_t first_bucket;
    uint32_t first_range;
    // A power of two, 2^bits.
    uint32_t bits;
    // Where the set's sum goes.
    uint32_t term;

    HD uint32_t buckets() const { return 1u << bits; }
    HD bool is_wide() const { return bits > COUNTER_BITS; }
    HD uint32_t ranges() const { return is_wide() ? buckets() >> COUNTER_BITS : buckets(); }
};

// Writes where each range's entries start, and after them where the last ones end. A range is a bucket, or a bin of a wide set.
struct FindRanges {
    static constexpr unsigned THREADS = 256;
    using Shared = Nothing;
    using Locals = Nothing;

    const Set *sets;
    uint32_t set_count;
    const uint32_t *counters;
    // Ranges of these sets, and the counters of those of all.
    uint32_t ranges;
    uint64_t counter_count;
    uint32_t *starts;

    HD unsigned phases() const { return 1; }

    HD void phase(unsigned, Thread thread, Shared &, Locals &) const {
        const uint64_t range = thread.global();
        if (range > ranges) return;
        uint64_t counter = counter_count;
        if (range < ranges) {
            uint32_t low = 0, high = set_count;
            while (high - low > 1) {
                const uint32_t middle = (low + high) / 2;
                if (sets[middle].first_range <= range) {
                    low = middle;
                } else {
                    high = middle;
                }
            }
            counter = sets[low].first_counter + (range - sets[low].first_range) * sets[low].chunks;
        }
        starts[range] = counters[counter];
    }
};

// The same for the buckets of all bins, but for the end.
struct FindStarts {
    static constexpr unsigned THREADS = 256;
    using Shared = Nothing;
    using Locals = Nothing;

    Bins bins;
    const uint32_t *counters;
    uint32_t *starts;

    HD unsigned phases() const { return 1; }

    HD void phase(unsigned, Thread thread, Shared &, Locals &) const {
        const uint64_t bucket = thread.global();
        const uint32_t bin = static_cast<uint32_t>(bucket >> COUNTER_BITS);
        if (bin >= bins.count) return;
        // An empty bin has no counter; where the next one's first would be, there is what all before it have.
        starts[bucket] = counters[bins.first_counter(bin) + (bucket & (COUNTERS - 1)) * bins.chunk_count(bin)];
    }
};

// Entries in the order of their buckets.
struct SortedEntries {
    const Affine *points;
    const uint32_t *entries;
    const uint32_t *starts;
    uint32_t buckets;

    struct Cursor {
        uint32_t bucket;
        uint32_t end;
    };

    HD uint64_t count() const { return starts[buckets]; }

    HD Cursor enter(uint64_t place) const {
        const uint32_t bucket = last_up_to(starts, buckets, static_cast<uint32_t>(place));
        return {bucket, starts[bucket + 1]};
    }

    // Whether a place lies behind the cursor's bucket.
    HD bool leaves(const Cursor &cursor, uint64_t place) const { return place >= cursor.end; }
    HD bool begins_before(const Cursor &cursor, uint64_t place) const { return starts[cursor.bucket] < place; }

    HD void add(Point &sum, uint64_t place) const {
        const uint32_t entry = entries[place];
        const Affine point = points[entry >> 1];
        sum += (entry & 1) != 0 ? -point : point;
    }
};

// Sums of parts of buckets in the order of these.
struct PartialSums {
    // No bucket: after the last one.
    static constexpr uint32_t NONE = 0xffffffff;

    const Point *sums;
    const uint32_t *buckets;
    uint64_t length;

    struct Cursor {
        uint32_t bucket;
    };

    HD uint64_t count() const { return length; }
    HD Cursor enter(uint64_t place) const { return {buckets[place]}; }
    HD bool leaves(const Cursor &cursor, uint64_t place) const { return place >= length || buckets[place] != cursor.bucket; }
    HD bool begins_before(const Cursor &cursor, uint64_t place) const {
        return place > 0 && buckets[place - 1] == cursor.bucket;
    }
    HD void add(Point &sum, uint64_t place) const { sum += sums[place]; }
};

// Sums a sorted list in equal chunks, one for each thread. A bucket that lies within a chunk is written; of those that go beyond it, and
// there are two at most, the parts are written to the next list, which has two places for each chunk. A place of that list that is not
// needed has a bucket next to it in order, and the point at infinity. Buckets are at infinity before.
template <typename Source> struct SumChunks {
    static constexpr unsigned THREADS = 128;
    using Shared = Nothing;
    using Locals = Nothing;

    Source source;
    uint64_t chunks;
    uint32_t length;
    Point *buckets;
    Point *parts;
    uint32_t *part_buckets;

    HD unsigned phases() const { return 1; }

    HD void phase(unsigned, Thread thread, Shared &, Locals &) const {
        const uint64_t chunk = thread.global();
        if (chunk >= chunks) return;
        const uint64_t count = source.count(), first = chunk * length;
        Point sum = Point::infinity();
        if (first >= count) {
            write_part(2 * chunk, PartialSums::NONE, sum);
            write_part(2 * chunk + 1, PartialSums::NONE, sum);
            return;
        }
        const uint64_t end = count - first < length ? count : first + length;
        typename Source::Cursor cursor = source.enter(first);
        bool open = source.begins_before(cursor, first);
        if (!open) write_part(2 * chunk, cursor.bucket, sum);
        for (uint64_t place = first; place < end; ++place) {
            if (source.leaves(cursor, place)) {
                finish(chunk, open, cursor.bucket, sum);
                cursor = source.enter(place);
                sum = Point::infinity();
                open = false;
            }
            source.add(sum, place);
        }
        // A part that comes from before is the first one of its chunk, wherever it ends.
        const bool goes_on = !open && !source.leaves(cursor, end);
        if (!goes_on) finish(chunk, open, cursor.bucket, sum);
        write_part(2 * chunk + 1, cursor.bucket, goes_on ? sum : Point::infinity());
    }

  private:
    HD void write_part(uint64_t place, uint32_t bucket, const Point &sum) const {
        parts[place] = sum;
        part_buckets[place] = bucket;
    }

    HD void finish(uint64_t chunk, bool open, uint32_t bucket, const Point &sum) const {
        if (open) {
            write_part(2 * chunk, bucket, sum);
        } else if (!sum.is_infinity()) {
            buckets[bucket] = sum;
        }
    }
};

// ---- Sums of a few points ----

// Scalars of full width on points next to each other, which are the last ones of a basis.
struct EndsPart {
    const Fr *scalars;
    uint32_t first;
    uint32_t count;
    // Where the sum goes.
    uint32_t term;
};

// Sums over points whose multiples by 2^(8 * i) are stored, a sum a block: each thread multiplies one of these by a byte of a scalar, in
// eight doublings and eight additions at most; then they are added in pairs. Takes as long as thirty additions in a row.
struct SumEnds {
    static constexpr unsigned THREADS = 256;
    static constexpr unsigned ROUNDS = 8;
    static constexpr uint32_t BYTES = 32;
    // Scalars of a sum at most.
    static constexpr uint32_t MOST = THREADS / BYTES;
    struct Shared {
        Point sums[THREADS];
    };
    using Locals = Nothing;

    const EndsPart *parts;
    // 32 lists of `count` points.
    const Affine *points;
    uint64_t count;
    Point *terms;

    HD unsigned phases() const { return 2 + ROUNDS; }

    HD void phase(unsigned phase, Thread thread, Shared &shared, Locals &) const {
        const EndsPart &part = parts[thread.block];
        if (phase == 0) {
            shared.sums[thread.index] = product(part, thread.index / BYTES, thread.index % BYTES);
        } else if (phase <= ROUNDS) {
            const uint32_t distance = THREADS >> phase;
            if (thread.index < distance) shared.sums[thread.index] += shared.sums[thread.index + distance];
        } else if (thread.index == 0) {
            terms[part.term] = shared.sums[0];
        }
    }

  private:
    HD Point product(const EndsPart &part, uint32_t place, uint32_t byte) const {
        Point product = Point::infinity();
        if (place >= part.count) return product;
        uint64_t integer[4];
        part.scalars[place].integer_words(integer);
        for (uint32_t word = 0; word < byte / 8; ++word) {
            integer[0] = integer[1];
            integer[1] = integer[2];
            integer[2] = integer[3];
        }
        const uint32_t digit = static_cast<uint32_t>(integer[0] >> byte % 8 * 8) & 0xff;
        const Affine point = points[byte * count + part.first + place];
        for (uint32_t bit = 8; bit-- > 0;) {
            product = product.doubled();
            if ((digit >> bit & 1) != 0) product += point;
        }
        return product;
    }
};

static_assert(SumEnds::THREADS == 1 << SumEnds::ROUNDS, "halved so many times");

// ---- Buckets with their weights ----

// Bucket `s` of a set of `m = 2^k` has the weight `s + 1`. Halving, `sum of s * B_s = 2 * sum of i * (B_2i + B_2i+1) + sum of B_2i+1`; so with
// `O_l` the sum of the nodes at odd places of level `l` of the tree of sums and `T` its root, what is wanted is `T + sum of 2^l * O_l`. Nodes
// stay in place, and the tree that sums up `O_l`, in place `2^l`, starts one round later: in the round with distance `d = 2^round`, places
// `i` and `i + d` are added for `i` zero or a power of two below `d`, modulo `2 * d`. Two additions a bucket.
//
// Sets come by decreasing size, so each starts at a multiple of its size, and those of `2 * d` buckets and more are the first ones.
struct WeighRound {
    static constexpr unsigned THREADS = 128;
    using Shared = Nothing;
    using Locals = Nothing;

    Point *buckets;
    uint32_t round;
    uint64_t additions;

    HD unsigned phases() const { return 1; }

    HD void phase(unsigned, Thread thread, Shared &, Locals &) const {
        const uint64_t addition = thread.global();
        if (addition >= additions) return;
        const uint64_t group = addition / (round + 1);
        const uint32_t which = static_cast<uint32_t>(addition % (round + 1));
        const uint64_t place = (group << (round + 1)) + (which == 0 ? 0 : uint64_t{1} << (which - 1));
        buckets[place] += buckets[place + (uint64_t{1} << round)];
    }
};

// `T + sum of 2^l * O_l` of each set, a set a block: a thread doubles `O_l`, then they are added in pairs.
struct CollectSets {
    static constexpr unsigned THREADS = 32;
    static constexpr unsigned ROUNDS = 5;
    struct Shared {
        Point sums[THREADS];
    };
    using Locals = Nothing;

    const Set *sets;
    const Point *buckets;
    Point *terms;

    HD unsigned phases() const { return 2 + ROUNDS; }

    HD void phase(unsigned phase, Thread thread, Shared &shared, Locals &) const {
        const Set &set = sets[thread.block];
        if (phase == 0) {
            const Point *own = buckets + set.first_bucket;
            Point sum = Point::infinity();
            if (thread.index < set.bits) sum = own[uint32_t{1} << thread.index];
            for (uint32_t level = 0; level < thread.index; ++level) sum = sum.doubled();
            // Sets have fewer levels than a block has threads.
            shared.sums[thread.index] = thread.index == THREADS - 1 ? own[0] : sum;
        } else if (phase <= ROUNDS) {
            const uint32_t distance = THREADS >> phase;
            if (thread.index < distance) shared.sums[thread.index] += shared.sums[thread.index + distance];
        } else if (thread.index == 0) {
            terms[set.term] = shared.sums[0];
        }
    }
};

static_assert(CollectSets::THREADS == 1 << CollectSets::ROUNDS, "halved so many times");

// A term `2^power * terms[place]` of a sum.
struct Term {
    uint32_t place;
    uint32_t power;
};

// The sums of terms, a sum a thread; those of a sum come by decreasing powers.
struct Fold {
    static constexpr unsigned THREADS = 32;
    using Shared = Nothing;
    using Locals = Nothing;

    const Point *points;
    const Term *terms;
    // Where each sum's terms start, and the last one's end.
    const uint32_t *starts;
    uint32_t count;
    Point *sums;

    HD unsigned phases() const { return 1; }

    HD void phase(unsigned, Thread thread, Shared &, Locals &) const {
        const uint64_t own = thread.global();
        if (own >= count) return;
        Point sum = Point::infinity();
        uint32_t power = 0;
        for (uint32_t i = starts[own]; i < starts[own + 1]; ++i) {
            for (; power > terms[i].power; --power) sum = sum.doubled();
            power = terms[i].power;
            sum += points[terms[i].place];
        }
        for (; power > 0; --power) sum = sum.doubled();
        sums[own] = sum;
    }
};

} // namespace msm
} // namespace zkinfer
