// Prefix sums of any associative operation, in passes over tiles.
//
// A tile is what a block of threads takes: each thread multiplies up some neighbouring entries, the threads' results are scanned in
// shared memory, and each thread goes over its entries again. Totals of tiles are scanned in the same way, so there are as many
// passes up and down as the logarithm of the length has digits of TILE.
#pragma once

#include "launch.hpp"

namespace zkinfer {

// Entries that lie in memory; entry i becomes what stands before it. The lists may be the same.
template <typename Value> struct Before {
    const Value *from;
    Value *to;

    HD Value load(uint64_t i) const { return from[i]; }
    HD void store(uint64_t i, const Value &before, const Value &) const { to[i] = before; }
};

// `Operation` has a type `Value`, and static functions `Value neutral()` and `Value join(const Value &first, const Value &second)`. `Entries`
// have `Value load(uint64_t)` and `void store(uint64_t, const Value &before, const Value &entry)`, which is called once for each entry
// after it was loaded for the last time.
template <typename Operation, typename Entries = Before<typename Operation::Value>> struct Scan {
    using Value = typename Operation::Value;

    static constexpr unsigned THREADS = 128;
    static constexpr uint64_t ITEMS = 8;
    static constexpr uint64_t TILE = THREADS * ITEMS;
    // Layers of the scan in shared memory.
    static constexpr unsigned LAYERS = 7;
    static_assert(1u << LAYERS == THREADS, "a layer doubles what is joined");

    struct Shared {
        Value joined[2][THREADS];
    };
    using Locals = Nothing;

    Entries entries;
    // Whether entries are stored; else nothing but totals is left.
    bool stores;
    // What stands before each tile; null for the neutral value. May be `totals`.
    const Value *before;
    // What each tile adds up to; null to leave none.
    Value *totals;
    uint64_t count;

    HD unsigned phases() const { return LAYERS + 2; }

    HD void phase(unsigned phase, Thread thread, Shared &shared, Locals &) const {
        const uint64_t first = thread.block * TILE + thread.index * ITEMS;
        const uint32_t index = thread.index;
        if (phase == 0) {
            Value joined = Operation::neutral();
            for (uint64_t i = first; i < first + ITEMS && i < count; ++i) joined = Operation::join(joined, entries.load(i));
            shared.joined[0][index] = joined;
        } else if (phase <= LAYERS) {
            const uint32_t distance = 1u << (phase - 1);
            const Value(&source)[THREADS] = shared.joined[(phase - 1) % 2];
            Value joined = source[index];
            if (index >= distance) joined = Operation::join(source[index - distance], joined);
            shared.joined[phase % 2][index] = joined;
        } else {
            leave(thread, first, shared.joined[LAYERS % 2]);
        }
    }

    HD void leave(Thread thread, uint64_t first, const Value (&joined)[THREADS]) const {
        if (stores) {
            Value here = before == nullptr ? Operation::neutral() : before[thread.block];
            if (thread.index > 0) here = Operation::join(here, joined[thread.index - 1]);
            for (uint64_t i = first; i < first + ITEMS && i < count; ++i) {
                const Value entry = entries.load(i);
                entries.store(i, here, entry);
                here = Operation::join(here, entry);
            }
        }
        if (totals != nullptr && thread.index + 1 == THREADS) totals[thread.block] = joined[thread.index];
    }

    // Stores each entry with `start` joined with the entries before it.
    static void run(Context &context, const Entries &entries, uint64_t count, const Value &start) {
        if (count == 0) return;
        const uint64_t tiles = blocks_for(count, TILE);
        Scratch<Value> before(context, tiles);
        if (tiles == 1) {
            context.upload(before.get(), &start, sizeof(Value));
        } else {
            launch(context, tiles, Scan{entries, false, nullptr, before.get(), count});
            Scan<Operation>::run(context, Before<Value>{before.get(), before.get()}, tiles, start);
        }
        launch(context, tiles, Scan{entries, true, before.get(), nullptr, count});
    }
};

} // namespace zkinfer
