// Commitments: sums over points with the scalars of columns, in passes that keep to the memory there is.

#include "msm.hpp"

#include <algorithm>
#include <map>
#include <optional>

namespace zkinfer {
namespace msm {
namespace {

// A copy of a list on the device.
template <typename T> class Uploaded {
  public:
    Uploaded(Context &context, const std::vector<T> &values) : Uploaded(context, context.work(), values) {}
    Uploaded(Context &context, Stream &stream, const std::vector<T> &values)
        : memory_(context, stream, values), count_(static_cast<uint32_t>(values.size())) {}
    const T *get() const { return memory_.get(); }
    uint32_t count() const { return count_; }

  private:
    Scratch<T> memory_;
    uint32_t count_;
};

// Products of an addition into a bucket, and what sorting an entry takes, in products; those of the two additions that a bucket costs in
// the end.
constexpr uint64_t ENTRY_COST = 10 + 2;
constexpr uint64_t BUCKET_COST = 2 * 14;
constexpr uint32_t WIDEST = 21;

// Memory of a pass at most, where there is more: nothing is gained beyond.
constexpr uint64_t PASS_BYTES = uint64_t{2} << 30;
// Allocations of a pass are rounded up by less than this.
constexpr uint64_t PASS_ROUNDING = 16 << 10;
// A pass does not take fewer places.
constexpr uint64_t LEAST_PLACES = 1 << 12;

// Entries that a thread sums, for so many: chunks enough for a large device, and not so short that merging them matters.
uint32_t chunk_length(uint64_t entries) {
    return static_cast<uint32_t>(std::clamp<uint64_t>(entries >> 17, 8, 64));
}
// Partial sums that a thread sums: merging equal ones takes this many additions for each quarter of the list.
constexpr uint32_t MERGE_LENGTH = 8;

// The points of some rows, and their multiples where these are stored.
struct Bases {
    const Affine *points;
    uint64_t count;
    uint64_t first;
    uint32_t width;
    uint32_t sets;
    uint32_t levels;

    explicit Bases(const zkinfer_bases &bases)
        : points(at<Affine>(bases.points)), count(bases.count), first(bases.first), width(bases.width), sets(bases.sets), levels(bases.levels) {
        const bool multiples = levels != 1;
        if (levels == 0 || (multiples && (width < 2 || width > WIDEST || sets == 0 || sets > 128 || levels > 128))) {
            throw Failure(ZKINFER_INVALID, "multiples of no known kind");
        }
        if (count >> 31 != 0 || count * levels >> 31 != 0 || first >> 31 != 0) throw Failure(ZKINFER_INVALID, "2^31 points or more");
    }
};

// Scalars that take part in a sum, and how they are cut.
struct Job {
    Scalars scalars;
    uint32_t sum;
    Windows windows{};
    // Windows that lie so far apart share buckets; 0: none do.
    uint32_t sets = 0;
    // Scalars that are not zero.
    uint64_t filled = 0;

    uint32_t set_of(uint32_t window) const { return sets == 0 ? window : window % sets; }
    uint32_t level_of(uint32_t window) const { return sets == 0 ? 0 : window / sets; }
    uint32_t buckets(uint32_t set) const { return windows.buckets(set); }

    uint64_t cost() const {
        const uint32_t own = sets == 0 ? windows.count : std::min(sets, windows.count);
        uint64_t buckets_cost = 0;
        for (uint32_t set = 0; set < own; ++set) buckets_cost += BUCKET_COST * buckets(set);
        return ENTRY_COST * filled * windows.count + buckets_cost;
    }

    // Takes the cheapest windows for magnitudes up to 2^bits.
    void choose_windows(uint32_t bits, const Bases &bases) {
        uint64_t least = UINT64_MAX;
        const Job job = *this;
        const auto consider = [&](Windows windows, uint32_t sets) {
            Job candidate = job;
            candidate.windows = windows;
            candidate.sets = sets;
            const uint64_t cost = candidate.cost();
            if (cost < least) {
                least = cost;
                *this = candidate;
            }
        };
        for (uint32_t width = 2; width <= WIDEST; ++width) {
            const uint32_t count = std::max(1u, (bits + width - 1) / width);
            consider(Windows::of(bits, width, count), 0);
            // The top window takes the carry alone.
            if (bits == width * count) consider(Windows::of(bits, width, count + 1), 0);
        }
        if (bases.levels == 1) return;
        // No window has more buckets than those that it shares them with.
        const uint32_t count = bits / bases.width + 1;
        if (count <= bases.sets * bases.levels) consider(Windows::of(bits, bases.width, count), bases.sets);
    }
};

// A window of some places of a job.
struct Piece {
    uint32_t job;
    uint32_t window;
    uint64_t start;
    uint64_t count;
};

// Places of a chunk in sorting: several times as many as it has counters.
uint32_t sort_chunk(const Set &set) { return std::max<uint32_t>(1 << 14, 4 * set.ranges()); }

Set set_of_size(uint32_t buckets) {
    Set set{};
    while (set.buckets() < buckets) ++set.bits;
    return set;
}

// How much a pass does at once.
struct PassSize {
    uint64_t pieces = 0;
    uint64_t entries = 0;
    uint64_t counters = 0;
    uint64_t buckets = 0;
    // Of wide sets alone.
    uint64_t wide_entries = 0;
    uint64_t bins = 0;

    // Chunks of bins at most.
    uint64_t chunks() const { return wide_entries / Bins::CHUNK + bins; }

    uint64_t bytes() const {
        const uint64_t parts = 2 * blocks_for(entries, chunk_length(entries));
        // Two lists at a time, the second one a quarter of the first.
        const uint64_t summing = (parts + parts / 4 + 8) * (sizeof(Point) + 4) + buckets * sizeof(Point);
        const uint64_t binning = 4 * entries + 4 * counters + counters / 512;
        const uint64_t bin_counters = chunks() * COUNTERS;
        const uint64_t refining = 4 * bin_counters + bin_counters / 512 + 16 * bins;
        const uint64_t sorting = 6 * wide_entries + std::max(binning, refining);
        const uint64_t descriptions = pieces * (sizeof(SortPart) + sizeof(RecodePart) + sizeof(Set));
        return 4 * entries + 4 * buckets + std::max(sorting, summing) + descriptions + PASS_ROUNDING;
    }
};

// A job and one of its sets.
using SetKey = std::pair<uint32_t, uint32_t>;

// What is done at once.
class Pass {
  public:
    explicit Pass(const std::vector<Job> &jobs) : jobs_(&jobs) {}

    bool is_empty() const { return pieces_.empty(); }
    const std::vector<Piece> &pieces() const { return pieces_; }
    const PassSize &size() const { return size_; }
    // With the buckets of each.
    const std::map<SetKey, uint32_t> &sets() const { return sets_; }
    SetKey set_of(const Piece &piece) const { return {piece.job, (*jobs_)[piece.job].set_of(piece.window)}; }

    // Adds a piece, unless the pass would take more memory.
    bool add(const Piece &piece, uint64_t budget) {
        if (with(piece).bytes() > budget) return false;
        take(piece);
        return true;
    }

    void take(const Piece &piece) {
        size_ = with(piece);
        sets_.emplace(set_of(piece), buckets(piece));
        pieces_.push_back(piece);
    }

  private:
    uint32_t buckets(const Piece &piece) const { return (*jobs_)[piece.job].buckets(set_of(piece).second); }

    PassSize with(const Piece &piece) const {
        PassSize size = size_;
        const Set set = set_of_size(buckets(piece));
        const bool fresh = sets_.count(set_of(piece)) == 0;
        size.pieces += 1;
        size.entries += piece.count;
        size.counters += blocks_for(piece.count, sort_chunk(set)) * set.ranges();
        size.buckets += fresh ? set.buckets() : 0;
        if (set.is_wide()) {
            size.wide_entries += piece.count;
            size.bins += fresh ? set.ranges() : 0;
        }
        return size;
    }

    const std::vector<Job> *jobs_;
    std::vector<Piece> pieces_;
    std::map<SetKey, uint32_t> sets_;
    PassSize size_;
};

std::vector<Pass> plan(const std::vector<Job> &jobs, uint64_t budget) {
    std::vector<Pass> passes{Pass(jobs)};
    for (uint32_t index = 0; index < jobs.size(); ++index) {
        const Job &job = jobs[index];
        if (job.filled == 0) continue;
        for (uint32_t window = 0; window < job.windows.count; ++window) {
            uint64_t start = 0, count = job.scalars.count;
            while (start < job.scalars.count) {
                count = std::min(count, job.scalars.count - start);
                const Piece piece{index, window, start, count};
                if (passes.back().add(piece, budget)) {
                    start += count;
                } else if (!passes.back().is_empty()) {
                    passes.emplace_back(jobs);
                } else if (count > LEAST_PLACES) {
                    count = (count + 1) / 2;
                } else {
                    // There may be more memory than it seems; if not, the allocation fails.
                    passes.back().take(piece);
                    start += count;
                }
            }
        }
    }
    return passes;
}

// The descriptions that the kernels of a pass read.
struct Layout {
    std::vector<RecodePart> recodes;
    std::vector<SortPart> sorts;
    std::vector<Set> sets;
    uint64_t recode_blocks = 0;
    uint64_t sort_blocks = 0;
    uint64_t counters = 0;
    uint32_t buckets = 0;
    // Sets, ranges, buckets and counters of wide sets.
    uint32_t wide_sets = 0;
    uint32_t bins = 0;
    uint32_t wide_buckets = 0;
    uint64_t wide_counters = 0;

    // Terms get places from `first_term` on, and are described in `terms`, by sum.
    Layout(const std::vector<Job> &jobs, const Bases &bases, const Pass &pass, uint32_t first_term,
           std::vector<std::vector<Term>> &terms) {
        std::map<SetKey, uint32_t> places;
        place_sets(pass, places);
        for (const Piece &piece : pass.pieces()) {
            Set &set = sets[places.at(pass.set_of(piece))];
            set.chunks += static_cast<uint32_t>(blocks_for(piece.count, sort_chunk(set)));
        }
        for (Set &set : sets) {
            set.first_counter = counters;
            counters += uint64_t{set.chunks} * set.ranges();
            if (set.is_wide()) wide_counters = counters;
        }
        for (const auto &[key, place] : places) {
            const Job &job = jobs[key.first];
            sets[place].term = first_term + place;
            terms[job.sum].push_back({sets[place].term, job.windows.width * key.second});
        }
        std::vector<uint32_t> chunks(sets.size(), 0);
        const Piece *before = nullptr;
        uint64_t digits = 0;
        for (const Piece &piece : pass.pieces()) {
            const uint32_t place = places.at(pass.set_of(piece));
            add_recode(jobs[piece.job], piece, before, digits);
            add_sort(jobs[piece.job], bases, piece, sets[place], chunks[place], digits);
            digits += piece.count;
            before = &piece;
        }
    }

  private:
    // Largest sets first.
    void place_sets(const Pass &pass, std::map<SetKey, uint32_t> &places) {
        std::vector<std::pair<SetKey, uint32_t>> keys(pass.sets().begin(), pass.sets().end());
        std::stable_sort(keys.begin(), keys.end(), [](const auto &a, const auto &b) { return a.second > b.second; });
        for (const auto &[key, size] : keys) {
            Set set = set_of_size(size);
            set.first_bucket = buckets;
            buckets += size;
            if (set.is_wide()) {
                set.first_range = bins;
                bins += set.ranges();
                wide_buckets = buckets;
                ++wide_sets;
            } else {
                set.first_range = set.first_bucket - wide_buckets;
            }
            places[key] = static_cast<uint32_t>(sets.size());
            sets.push_back(set);
        }
    }

    // The windows of the same places are cut together.
    void add_recode(const Job &job, const Piece &piece, const Piece *before, uint64_t digits) {
        const bool same = before != nullptr && before->job == piece.job && before->start == piece.start;
        if (same && before->count == piece.count && before->window + 1 == piece.window) {
            ++recodes.back().window_count;
            return;
        }
        recodes.push_back({job.scalars, piece.start, piece.count, job.windows, piece.window, 1, digits, recode_blocks});
        recode_blocks += blocks_for(piece.count, Recode::THREADS);
    }

    void add_sort(const Job &job, const Bases &bases, const Piece &piece, const Set &set, uint32_t &first_chunk,
                  uint64_t digits) {
        SortPart part{};
        part.rows = job.scalars.rows == nullptr ? nullptr : job.scalars.rows + piece.start;
        part.first = job.scalars.first + static_cast<uint32_t>(piece.start);
        // Modulo 2^32: the points before the first one are not there.
        part.offset = static_cast<uint32_t>(job.level_of(piece.window) * bases.count - bases.first);
        part.count = piece.count;
        part.first_digit = digits;
        part.first_counter = set.first_counter;
        part.set_chunks = set.chunks;
        part.first_chunk = first_chunk;
        part.chunk = sort_chunk(set);
        part.ranges = set.ranges();
        part.wide = set.is_wide();
        part.first_block = sort_blocks;
        const uint64_t chunks = blocks_for(piece.count, part.chunk);
        first_chunk += static_cast<uint32_t>(chunks);
        sort_blocks += chunks;
        sorts.push_back(part);
    }
};

// Replaces counters by the sums of those before them.
void scan(Context &context, uint32_t *counters, uint64_t count) {
    const uint64_t tiles = blocks_for(count, ScanTiles::TILE);
    Scratch<uint32_t> totals(context, tiles);
    launch(context, tiles, ScanTiles{counters, count, totals.get()});
    if (tiles == 1) return;
    scan(context, totals.get(), tiles);
    launch(context, blocks_for(count, AddTotals::THREADS), AddTotals{counters, count, totals.get()});
}

// Partial sums and their buckets.
struct Parts {
    Scratch<Point> sums;
    Scratch<uint32_t> buckets;

    Parts(Context &context, uint64_t count) : sums(context, count), buckets(context, count) {}
};

template <typename Source>
std::unique_ptr<Parts> sum_chunks(Context &context, const Source &source, uint64_t chunks, uint32_t length, Point *buckets) {
    auto parts = std::make_unique<Parts>(context, 2 * chunks);
    const SumChunks<Source> kernel{source, chunks, length, buckets, parts->sums.get(), parts->buckets.get()};
    launch(context, blocks_for(chunks, SumChunks<Source>::THREADS), kernel);
    return parts;
}

// Sums the entries of each bucket.
void sum_buckets(Context &context, const SortedEntries &entries, uint64_t most, Point *buckets) {
    const uint32_t length = chunk_length(most);
    uint64_t chunks = blocks_for(most, length);
    std::unique_ptr<Parts> parts = sum_chunks(context, entries, chunks, length, buckets);
    while (chunks > 1) {
        const PartialSums source{parts->sums.get(), parts->buckets.get(), 2 * chunks};
        chunks = blocks_for(2 * chunks, MERGE_LENGTH);
        std::unique_ptr<Parts> next = sum_chunks(context, source, chunks, MERGE_LENGTH, buckets);
        parts = std::move(next);
    }
}

void weigh(Context &context, const std::vector<Set> &sets, const Set *device_sets, Point *buckets, Point *terms) {
    const uint32_t rounds = sets.empty() ? 0 : sets.front().bits;
    for (uint32_t round = 0; round < rounds; ++round) {
        uint64_t groups = 0;
        for (const Set &set : sets) groups += set.bits > round ? uint64_t{set.buckets()} >> (round + 1) : 0;
        const uint64_t additions = groups * (round + 1);
        launch(context, blocks_for(additions, WeighRound::THREADS), WeighRound{buckets, round, additions});
    }
    launch(context, sets.size(), CollectSets{device_sets, buckets, terms});
}

// Writes where ranges of sets start.
void find_ranges(Context &context, const Set *sets, uint32_t set_count, const uint32_t *counters, uint32_t ranges,
                 uint64_t counter_count, uint32_t *starts) {
    launch(context, blocks_for(ranges + uint64_t{1}, FindRanges::THREADS),
           FindRanges{sets, set_count, counters, ranges, counter_count, starts});
}

// Sorts the entries of wide sets within their bins.
void sort_bins(Context &context, const Layout &layout, const PassSize &size, const uint32_t *bin_starts,
               const BinnedEntries &binned, uint32_t *entries, uint32_t *starts) {
    Scratch<uint32_t> chunks(context, layout.bins + uint64_t{1});
    launch(context, blocks_for(layout.bins + uint64_t{1}, CountChunks::THREADS),
           CountChunks{bin_starts, chunks.get(), layout.bins});
    scan(context, chunks.get(), layout.bins + uint64_t{1});
    const Bins bins{bin_starts, chunks.get(), layout.bins};
    const uint64_t blocks = size.chunks(), counter_count = blocks * COUNTERS + 1;
    Scratch<uint32_t> counters(context, counter_count);
    context.zero(counters.get(), counter_count * sizeof(uint32_t));
    launch(context, blocks, SortBins<false>{bins, binned, counters.get(), entries});
    scan(context, counters.get(), counter_count);
    launch(context, blocks_for(layout.wide_buckets, FindStarts::THREADS), FindStarts{bins, counters.get(), starts});
    launch(context, blocks, SortBins<true>{bins, binned, counters.get(), entries});
}

// Sorts the entries of a pass: where each bucket's start goes to `starts`, entries to `entries`.
void sort(Context &context, const Layout &layout, const PassSize &size, const Set *sets, uint32_t *entries,
          uint32_t *starts) {
    Scratch<uint32_t> binned_entries(context, size.wide_entries), bin_starts(context, layout.bins + uint64_t{1});
    Scratch<uint16_t> binned_places(context, size.wide_entries);
    const BinnedEntries binned{binned_entries.get(), binned_places.get()};
    {
        Scratch<int32_t> digits(context, size.entries);
        Scratch<uint32_t> counters(context, layout.counters + 1);
        const Uploaded<RecodePart> recodes(context, layout.recodes);
        const Uploaded<SortPart> parts(context, layout.sorts);
        launch(context, layout.recode_blocks, Recode{recodes.get(), recodes.count(), digits.get()});
        context.zero(counters.get() + layout.counters, sizeof(uint32_t));
        const Sort<false> count{parts.get(), parts.count(), digits.get(), counters.get(), entries, binned};
        launch(context, layout.sort_blocks, count);
        scan(context, counters.get(), layout.counters + 1);
        find_ranges(context, sets, layout.wide_sets, counters.get(), layout.bins, layout.wide_counters, bin_starts.get());
        find_ranges(context, sets + layout.wide_sets, static_cast<uint32_t>(layout.sets.size()) - layout.wide_sets,
                    counters.get(), layout.buckets - layout.wide_buckets, layout.counters, starts + layout.wide_buckets);
        const Sort<true> place{parts.get(), parts.count(), digits.get(), counters.get(), entries, binned};
        launch(context, layout.sort_blocks, place);
    }
    if (layout.bins != 0) sort_bins(context, layout, size, bin_starts.get(), binned, entries, starts);
}

void run(Context &context, const Bases &bases, const Pass &pass, const Layout &layout, Point *terms) {
    const PassSize &size = pass.size();
    const Uploaded<Set> sets(context, layout.sets);
    Scratch<uint32_t> entries(context, size.entries);
    Scratch<uint32_t> starts(context, layout.buckets + uint64_t{1});
    sort(context, layout, size, sets.get(), entries.get(), starts.get());
    Scratch<Point> buckets(context, layout.buckets);
    context.zero(buckets.get(), layout.buckets * sizeof(Point));
    const SortedEntries sorted{bases.points, entries.get(), starts.get(), layout.buckets};
    sum_buckets(context, sorted, size.entries, buckets.get());
    weigh(context, layout.sets, sets.get(), buckets.get(), terms);
}

// Bits of a number of four words.
uint32_t bit_length(const uint64_t (&words)[4]) {
    uint32_t length = 256;
    while (length > 0 && (words[(length - 1) / 64] >> (length - 1) % 64 & 1) == 0) --length;
    return length;
}

// What scalars are like, which a stream finds out.
class Surveys {
  public:
    Surveys(Context &context, const std::vector<Job> &jobs, Stream &stream) {
        uint64_t blocks = 0;
        for (const Job &job : jobs) {
            const uint64_t own = std::clamp<uint64_t>(job.scalars.count >> 11, 1, 256);
            parts_.push_back({job.scalars, blocks, own});
            blocks += own;
        }
        found_ = std::make_unique<Landing<Survey>>(context, blocks);
        const Uploaded<SurveyPart> uploaded(context, stream, parts_);
        const Scratch<Survey> surveys(context, stream, blocks);
        launch(context, stream, blocks, SurveyScalars{uploaded.get(), uploaded.count(), surveys.get()});
        found_->begin(stream, surveys.get());
    }

    // Chooses how scalars are cut, once it is known.
    void choose_windows(const Bases &bases, std::vector<Job> &jobs) {
        const std::vector<Survey> surveys = found_->finish();
        for (uint64_t job = 0; job < jobs.size(); ++job) {
            Survey survey{{0, 0, 0, 0}, 0};
            for (uint64_t block = 0; block < parts_[job].blocks; ++block) survey.join(surveys[parts_[job].first_block + block]);
            jobs[job].filled = survey.count;
            jobs[job].choose_windows(bit_length(survey.bits), bases);
        }
    }

  private:
    std::vector<SurveyPart> parts_;
    std::unique_ptr<Landing<Survey>> found_;
};

// A few scalars of a sum, on the last points of the bases.
struct Ends {
    EndsPart part;
    uint32_t sum;
};

// Computes sums over a few points, and describes their terms, from `first_term` on.
void run_ends(Context &context, const Bases &bases, const std::vector<Ends> &ends, uint32_t first_term, Point *points) {
    std::vector<EndsPart> parts;
    for (const Ends &own : ends) {
        parts.push_back(own.part);
        parts.back().term = first_term++;
    }
    const Uploaded<EndsPart> uploaded(context, parts);
    launch(context, parts.size(), SumEnds{uploaded.get(), bases.points, bases.count, points});
}

// A few points by their coordinates, with one inversion, which takes the host less time than a device has latency.
std::vector<Affine> normalised(const std::vector<Point> &points) {
    std::vector<Fq> before(points.size());
    std::vector<Affine> affine(points.size(), Affine::infinity());
    invert_together(
        before.data(), points.size(), [&](uint64_t i) { return points[i].zzz; },
        [&](uint64_t i, const Fq &, const Fq &inverse) {
            if (!inverse.is_zero()) affine[i] = points[i].affine(inverse);
        });
    return affine;
}

// What is summed: `count` sums.
struct Work {
    std::vector<Job> jobs;
    std::vector<Ends> ends;
    uint64_t count;
};

// Starts sums; they come to `found`. Nothing is changed where memory is refused.
void start_sums(Context &context, const Bases &bases, const Bases &end_bases, const Work &work, const std::vector<Job> &jobs,
                Landing<Point> &found) {
    const uint64_t count = work.count;
    const uint64_t available = context.available();
    const uint64_t fixed = (jobs.size() * 256 + 2 * count) * (sizeof(Point) + sizeof(Term));
    const std::vector<Pass> passes = plan(jobs, std::min(PASS_BYTES, available > fixed ? available - fixed : 0));
    std::vector<std::vector<Term>> terms(count);
    std::vector<Layout> layouts;
    uint32_t term_count = 0;
    for (const Pass &pass : passes) {
        layouts.emplace_back(jobs, bases, pass, term_count, terms);
        term_count += static_cast<uint32_t>(layouts.back().sets.size());
    }
    const uint32_t first_end = term_count;
    for (const Ends &own : work.ends) terms[own.sum].push_back({term_count++, 0});
    Scratch<Point> points(context, term_count);
    run_ends(context, end_bases, work.ends, first_end, points.get());
    for (uint64_t pass = 0; pass < passes.size(); ++pass) {
        if (!passes[pass].is_empty()) run(context, bases, passes[pass], layouts[pass], points.get());
    }
    std::vector<Term> all;
    std::vector<uint32_t> starts{0};
    for (std::vector<Term> &own : terms) {
        std::sort(own.begin(), own.end(), [](const Term &a, const Term &b) { return a.power > b.power; });
        all.insert(all.end(), own.begin(), own.end());
        starts.push_back(static_cast<uint32_t>(all.size()));
    }
    const Uploaded<Term> uploaded(context, all);
    const Uploaded<uint32_t> ranges(context, starts);
    Scratch<Point> sums(context, count);
    const Fold fold{points.get(), uploaded.get(), ranges.get(), static_cast<uint32_t>(count), sums.get()};
    launch(context, blocks_for(count, Fold::THREADS), fold);
    found.begin(context.work(), sums.get());
}

// ---- Columns ----

// `differences[i] = delta^(image's column) * omega^(image's row) - delta^column * omega^row` of the moved cells of a permutation column.
struct SigmaDifferences {
    static constexpr unsigned THREADS = 256;
    using Shared = Nothing;
    using Locals = Nothing;

    DomainTables domain;
    const uint32_t *rows;
    const uint32_t *images;
    uint64_t count;
    uint32_t column;
    Fr *differences;

    HD unsigned phases() const { return 1; }

    HD void phase(unsigned, Thread thread, Shared &, Locals &) const {
        const uint64_t i = thread.global();
        if (i >= count) return;
        const Fr image = domain.delta().at(images[2 * i]) * domain.omega().at(images[2 * i + 1]);
        differences[i] = image - domain.delta().at(column) * domain.omega().at(rows[i]);
    }
};

// Columns as scalars: their cells, their last rows, and what has a closed form, on the points that come after those of the rows.
class Columns {
  public:
    Columns(Context &context, const Bases &bases, const Bases &ends, const DomainTables &domain, const zkinfer_column *columns,
            uint64_t count)
        : context_(context), domain_(domain), rows_(uint64_t{1} << domain.k()), ends_(ends.count - CLOSED),
          constants_(context, count) {
        const uint64_t end = bases.first + bases.count;
        if (bases.first >= rows_ || (bases.first != 0 && end > rows_)) throw Failure(ZKINFER_INVALID, "bases of another domain");
        start_ = static_cast<uint32_t>(bases.first);
        limit_ = static_cast<uint32_t>(std::min(end, rows_));
        if (ends.count < CLOSED || ends_ > rows_ || ends.levels != SumEnds::BYTES || ends.width * ends.sets != 8) {
            throw Failure(ZKINFER_INVALID, "ends of other bases");
        }
        work_.count = count;
        std::vector<Fr> constants(count, Fr::zero());
        for (uint32_t i = 0; i < count; ++i) add(i, columns[i], constants[i]);
        if (count != 0) context.upload(constants_.get(), constants.data(), count * sizeof(Fr));
    }

    const Work &work() const { return work_; }
    // Whether scalars are computed in the order of the work.
    bool has_differences() const { return !differences_.empty(); }

  private:
    // Points after those of the rows.
    static constexpr uint64_t CLOSED = 2;

    void add(uint32_t index, const zkinfer_column &column, Fr &constant) {
        const ColumnView view(column, rows_);
        const uint32_t limit = static_cast<uint32_t>(view.tail_start());
        const uint32_t *marks = at<uint32_t>(column.rows);
        switch (column.form) {
        case ZKINFER_INTEGERS: push_rows(index, at<uint8_t>(column.cells), 0, column.count, limit, column.width); break;
        case ZKINFER_ELEMENTS: push_rows(index, at<uint8_t>(column.cells), 0, column.count, limit, Scalars::ELEMENTS); break;
        case ZKINFER_SPARSE: push_marked(index, at<void>(column.cells), marks, column.count, limit); break;
        case ZKINFER_CONSTANT:
            constant = Fr::from_words(column.constant);
            push_constant(index, ends_, column);
            break;
        default:
            constant = scalar_delta().power(column.column);
            push_constant(index, ends_ + 1, column);
            push_sigma(index, column);
        }
        push_tail(index, column, limit);
    }

    // Cells of neighbouring rows from `first` on; those of the rows that have points, and lie before `limit`, take part.
    void push_rows(uint32_t index, const uint8_t *cells, uint32_t first, uint64_t count, uint32_t limit, uint32_t width) {
        const uint64_t start = std::max(first, start_), end = std::min<uint64_t>({first + count, limit, limit_});
        if (start >= end) return;
        const uint32_t place = static_cast<uint32_t>(start);
        work_.jobs.push_back({{cells + (start - first) * width, nullptr, end - start, place, start_, limit_, width}, index});
    }

    // Elements of marked rows.
    void push_marked(uint32_t index, const void *cells, const uint32_t *rows, uint64_t count, uint32_t limit) {
        if (count == 0) return;
        work_.jobs.push_back({{cells, rows, count, 0, start_, std::min(limit, limit_), Scalars::ELEMENTS}, index});
    }

    void push_tail(uint32_t index, const zkinfer_column &column, uint32_t limit) {
        if (column.tail_count == 0) return;
        if (column.tail_count <= std::min<uint64_t>(ends_, SumEnds::MOST)) {
            push_ends(index, at<Fr>(column.tail), static_cast<uint32_t>(ends_) - column.tail_count, column.tail_count);
        } else {
            const uint32_t rows = static_cast<uint32_t>(rows_);
            push_rows(index, at<uint8_t>(column.tail), limit, column.tail_count, rows, Scalars::ELEMENTS);
        }
    }

    // Scalars of some ends, which belong to the sum over the first rows.
    void push_ends(uint32_t index, const Fr *scalars, uint32_t first, uint32_t count) {
        if (start_ == 0) work_.ends.push_back({{scalars, first, count, 0}, index});
    }

    // A column's constant on the end with a given place.
    void push_constant(uint32_t index, uint64_t end, const zkinfer_column &column) {
        if (column.tail_count != 0) throw Failure(ZKINFER_INVALID, "a column of all rows with a tail");
        push_ends(index, constants_.get() + index, static_cast<uint32_t>(end), 1);
    }

    void push_sigma(uint32_t index, const zkinfer_column &column) {
        if (column.count == 0) return;
        differences_.push_back(std::make_unique<Scratch<Fr>>(context_, column.count));
        Fr *differences = differences_.back()->get();
        const uint32_t *rows = at<uint32_t>(column.rows);
        launch(context_, blocks_for(column.count, SigmaDifferences::THREADS),
               SigmaDifferences{domain_, rows, at<uint32_t>(column.cells), column.count, column.column, differences});
        push_marked(index, differences, rows, column.count, static_cast<uint32_t>(rows_));
    }

    Context &context_;
    DomainTables domain_;
    uint64_t rows_;
    // The rows that have points.
    uint32_t start_ = 0;
    uint32_t limit_ = 0;
    // Rows among the ends.
    uint64_t ends_;
    Scratch<Fr> constants_;
    std::vector<std::unique_ptr<Scratch<Fr>>> differences_;
    Work work_;
};

} // namespace
} // namespace msm
} // namespace zkinfer

// Commitments on their way. What they hold of the device is given back, in the order of the work, when the sums are started.
struct zkinfer_commitments {
    zkinfer_commitments(zkinfer::Context &context, const zkinfer_bases &bases, const zkinfer_bases &ends,
                        const zkinfer::DomainTables &domain, const zkinfer_column *columns, uint64_t count, bool beside_work)
        : bases_(bases), ends_(ends),
          columns_(std::make_unique<zkinfer::msm::Columns>(context, bases_, ends_, domain, columns, count)),
          found_(context, count) {
        const std::vector<zkinfer::msm::Job> &jobs = columns_->work().jobs;
        const bool beside = beside_work && !columns_->has_differences();
        if (!jobs.empty()) surveys_.emplace(context, jobs, beside ? context.copies() : context.work());
    }

    bool is_started() const { return columns_ == nullptr; }

    // Waits for the surveys alone. May be tried again where memory is refused.
    void start(zkinfer::Context &context) {
        std::vector<zkinfer::msm::Job> jobs = columns_->work().jobs;
        if (surveys_) surveys_->choose_windows(bases_, jobs);
        zkinfer::msm::start_sums(context, bases_, ends_, columns_->work(), jobs, found_);
        surveys_.reset();
        columns_.reset();
    }

    std::vector<zkinfer::Affine> finish() { return zkinfer::msm::normalised(found_.finish()); }

  private:
    zkinfer::msm::Bases bases_;
    zkinfer::msm::Bases ends_;
    std::unique_ptr<zkinfer::msm::Columns> columns_;
    std::optional<zkinfer::msm::Surveys> surveys_;
    zkinfer::Landing<zkinfer::Point> found_;
};

namespace zkinfer {
namespace msm {
namespace {

// ---- Multiples ----

// `2^doublings` times each point.
struct Double {
    static constexpr unsigned THREADS = 128;
    using Shared = Nothing;
    using Locals = Nothing;

    const Affine *points;
    uint64_t count;
    uint32_t doublings;
    Point *multiples;

    HD unsigned phases() const { return 1; }

    HD void phase(unsigned, Thread thread, Shared &, Locals &) const {
        const uint64_t i = thread.global();
        if (i >= count) return;
        Point point = Point::from(points[i]);
        for (uint32_t doubling = 0; doubling < doublings; ++doubling) point = point.doubled();
        multiples[i] = point;
    }
};

// Points by their coordinates. Those of a thread share an inversion.
struct Normalise {
    static constexpr unsigned THREADS = 128;
    static constexpr uint32_t EACH = 16;
    using Shared = Nothing;
    using Locals = Nothing;

    const Point *points;
    uint64_t count;
    uint64_t threads;
    Affine *to;

    HD unsigned phases() const { return 1; }

    HD void phase(unsigned, Thread thread, Shared &, Locals &) const {
        invert_apart<Fq, EACH>(
            thread.global(), threads, count, [&](uint64_t i) { return points[i].zzz; },
            [&](uint64_t i, const Fq &inverse) {
                to[i] = inverse.is_zero() ? Affine::infinity() : points[i].affine(inverse);
            });
    }
};

// The part of the memory that is free which multiples may take.
constexpr uint64_t MULTIPLES_SHARE = 4;
// What a table of multiples must save to be made: this part of a sum's cost.
constexpr uint64_t WORTH_A_TABLE = 8;

// Chooses multiples for sums with scalars of full width, of so many bytes at most; none where they save little.
void choose_multiples(zkinfer_bases &bases, uint64_t bytes) {
    constexpr uint32_t BITS = 253;
    bases.levels = 1;
    bases.width = bases.sets = 0;
    Job job{};
    job.filled = bases.count;
    job.choose_windows(BITS, Bases(bases));
    uint64_t least = job.cost() - job.cost() / WORTH_A_TABLE;
    for (uint32_t width = 2; width <= WIDEST; ++width) {
        const uint32_t windows = BITS / width + 1;
        job.windows = Windows::of(BITS, width, windows);
        for (job.sets = 1; job.sets < windows; ++job.sets) {
            const uint32_t levels = (windows + job.sets - 1) / job.sets;
            const bool fits = (levels - 1) * bases.count <= bytes / sizeof(Affine) && levels * bases.count < 1u << 31;
            if (!fits || job.cost() >= least) continue;
            least = job.cost();
            bases.levels = levels;
            bases.width = width;
            bases.sets = job.sets;
        }
    }
}

// Points whose multiples are made at once.
constexpr uint64_t MULTIPLES_AT_ONCE = 1 << 18;

void make_multiples(Context &context, const Bases &bases) {
    if (bases.levels == 1) return;
    const uint64_t most = std::min(MULTIPLES_AT_ONCE, bases.count);
    Scratch<Point> multiples(context, most);
    Affine *points = const_cast<Affine *>(bases.points);
    const uint64_t total = bases.count * (bases.levels - 1);
    for (uint64_t start = 0; start < total;) {
        // No level begins within a step, so that what is read has been written.
        const uint64_t count = std::min(most, bases.count - start % bases.count);
        launch(context, blocks_for(count, Double::THREADS),
               Double{points + start, count, bases.width * bases.sets, multiples.get()});
        const uint64_t threads = blocks_for(count, Normalise::EACH);
        launch(context, blocks_for(threads, Normalise::THREADS),
               Normalise{multiples.get(), count, threads, points + start + bases.count});
        start += count;
    }
}

} // namespace
} // namespace msm
} // namespace zkinfer

using namespace zkinfer;

int32_t zkinfer_choose_multiples(zkinfer_context *context, zkinfer_bases *bases) {
    return guarded(context, [&](Context &context) {
        msm::choose_multiples(*bases, context.available() / msm::MULTIPLES_SHARE);
    });
}

int32_t zkinfer_make_multiples(zkinfer_context *context, const zkinfer_bases *bases) {
    return guarded(context, [&](Context &context) { msm::make_multiples(context, msm::Bases(*bases)); });
}

namespace {

// Begins commitments.
std::unique_ptr<zkinfer_commitments> begin(Context &context, const zkinfer_bases *bases, const zkinfer_bases *ends,
                                           zkinfer_address domain, uint32_t k, const zkinfer_column *columns, uint64_t count,
                                           bool beside_work) {
    if (count > UINT32_MAX) throw Failure(ZKINFER_INVALID, "2^32 columns or more");
    const DomainTables tables = known_tables(domain, k);
    return std::make_unique<zkinfer_commitments>(context, *bases, *ends, tables, columns, count, beside_work);
}

void write(const std::vector<Affine> &sums, uint64_t *commitments) {
    if (!sums.empty()) std::memcpy(commitments, sums.data(), sums.size() * sizeof(Affine));
}

} // namespace

int32_t zkinfer_commit(zkinfer_context *context, const zkinfer_bases *bases, const zkinfer_bases *ends,
                       zkinfer_address domain, uint32_t k, const zkinfer_column *columns, uint64_t count,
                       uint64_t *commitments) {
    return guarded(context, [&](Context &context) {
        if (count == 0) return;
        const std::unique_ptr<zkinfer_commitments> begun = begin(context, bases, ends, domain, k, columns, count, false);
        begun->start(context);
        write(begun->finish(), commitments);
    });
}

int32_t zkinfer_begin_commit(zkinfer_context *context, const zkinfer_bases *bases, const zkinfer_bases *ends,
                             zkinfer_address domain, uint32_t k, const zkinfer_column *columns, uint64_t count,
                             zkinfer_commitments **commitments) {
    return guarded(context, [&](Context &context) {
        *commitments = nullptr;
        *commitments = begin(context, bases, ends, domain, k, columns, count, true).release();
    });
}

int32_t zkinfer_start_commit(zkinfer_context *context, zkinfer_commitments *commitments) {
    return guarded(context, [&](Context &context) {
        if (!commitments->is_started()) commitments->start(context);
    });
}

int32_t zkinfer_end_commit(zkinfer_context *context, zkinfer_commitments *commitments, uint64_t *points) {
    return guarded(context, [&](Context &) {
        const std::unique_ptr<zkinfer_commitments> begun(commitments);
        if (points == nullptr) return;
        if (!begun->is_started()) throw Failure(ZKINFER_INVALID, "commitments that were not started");
        write(begun->finish(), points);
    });
}
