// How kernels are written, so that the same body runs on a device and on the processor.
//
// A kernel is a struct of its arguments:
//
//     struct Kernel {
//         static constexpr unsigned THREADS = 256;        // threads of a block
//         static constexpr unsigned BLOCKS = 3;           // optional: that a multiprocessor has room for at least
//         struct Shared { ... };                          // what they share; no constructors
//         struct Locals { ... };                          // what a thread keeps from phase to phase; no constructors
//         HD unsigned phases() const;
//         HD void phase(unsigned phase, Thread thread, Shared &shared, Locals &locals) const;
//     };
//
// `launch` runs all phases of all blocks; between two phases all threads of a block have met (a barrier). Within a phase threads must
// not depend on each other but through the atomics below; blocks must not at all. nvcc makes a kernel of it; the host twin runs the
// threads of each phase one after the other, last to first where ZKINFER_TWIN_ORDER is `reverse`: a body that depends on an order
// gives two results. Neither shared memory nor locals start at zero; the twin fills them with rubbish.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "compilers.hpp"
#include "context.hpp"

namespace zkinfer {

// Who runs.
struct Thread {
    // Within its block.
    uint32_t index;
    uint32_t count;
    uint64_t block;

    HD uint64_t global() const { return block * count + index; }
};

// For kernels that share or keep nothing.
struct Nothing {};

// Adds to a counter that other threads add to; returns what it was.
HD uint32_t atomic_add(uint32_t *counter, uint32_t value) {
#ifdef __CUDA_ARCH__
    return atomicAdd(counter, value);
#else
    uint32_t before = *counter;
    *counter = before + value;
    return before;
#endif
}

#ifdef ZKINFER_COUNT_PRODUCTS
constexpr bool COUNTS_PRODUCTS = true;
#else
constexpr bool COUNTS_PRODUCTS = false;
#endif

// For tests, where they are counted: products of field elements so far; and how many of these had to be done one after the other, which
// is, for each launch, those of the busiest thread of each phase in the block where they are most.
inline uint64_t product_count = 0;
inline uint64_t product_depth = 0;

#ifdef __CUDACC__

template <typename Kernel> __device__ __forceinline__ void run_block(const Kernel &kernel, typename Kernel::Shared &shared) {
    typename Kernel::Locals locals;
    const Thread thread{threadIdx.x, Kernel::THREADS, blockIdx.x};
    const unsigned phases = kernel.phases();
    for (unsigned phase = 0; phase < phases; ++phase) {
        if (phase != 0) __syncthreads();
        kernel.phase(phase, thread, shared, locals);
    }
}

template <typename Kernel> __global__ void __launch_bounds__(Kernel::THREADS) run_kernel(const Kernel kernel) {
    __shared__ typename Kernel::Shared shared;
    run_block(kernel, shared);
}

// For kernels that say how many of their blocks a multiprocessor is to have room for at least, which bounds their registers.
template <typename Kernel, unsigned BLOCKS>
__global__ void __launch_bounds__(Kernel::THREADS, BLOCKS) run_kernel(const Kernel kernel) {
    __shared__ typename Kernel::Shared shared;
    run_block(kernel, shared);
}

template <typename Kernel, typename = void> struct SaysBlocks : std::false_type {};
template <typename Kernel> struct SaysBlocks<Kernel, std::void_t<decltype(Kernel::BLOCKS)>> : std::true_type {};

template <typename Kernel> void launch(Context &context, Stream &stream, uint64_t blocks, const Kernel &kernel) {
    static_assert(sizeof(Kernel) <= 4096, "arguments of a kernel");
    if (blocks == 0) return;
    if (blocks > 0x7fffffff) throw Failure(ZKINFER_INVALID, "too many blocks for one kernel");
    context.count_launch();
    const unsigned count = static_cast<unsigned>(blocks);
    if constexpr (SaysBlocks<Kernel>::value) {
        run_kernel<Kernel, Kernel::BLOCKS><<<count, Kernel::THREADS, 0, stream.raw()>>>(kernel);
    } else {
        run_kernel<Kernel><<<count, Kernel::THREADS, 0, stream.raw()>>>(kernel);
    }
    check(cudaGetLastError(), "starting a kernel");
    stream.started();
}

#else

// Runs a phase of a block; returns the products of the busiest thread.
template <typename Kernel>
uint64_t run_phase(const Kernel &kernel, unsigned phase, uint64_t number, bool reverse, HostBlock<Kernel> &block) {
    uint64_t most = 0;
    for (uint32_t turn = 0; turn < Kernel::THREADS; ++turn) {
        const uint32_t index = reverse ? Kernel::THREADS - 1 - turn : turn;
        const uint64_t before = product_count;
        kernel.phase(phase, Thread{index, Kernel::THREADS, number}, block.shared(), block.locals(index));
        most = std::max(most, product_count - before);
    }
    return most;
}

template <typename Kernel> void run_blocks(const Kernel &kernel, uint64_t blocks, bool reverse) {
    HostBlock<Kernel> block;
    const unsigned phases = kernel.phases();
    uint64_t most = 0;
    for (uint64_t step = 0; step < blocks; ++step) {
        block.spoil();
        uint64_t products = 0;
        for (unsigned phase = 0; phase < phases; ++phase) {
            products += run_phase(kernel, phase, reverse ? blocks - 1 - step : step, reverse, block);
        }
        most = std::max(most, products);
    }
    if (COUNTS_PRODUCTS) product_depth += most;
}

template <typename Kernel> void launch(Context &context, Stream &stream, uint64_t blocks, const Kernel &kernel) {
    if (blocks == 0) return;
    context.count_launch();
    stream.start([kernel, blocks, reverse = context.reverse()] { run_blocks(kernel, blocks, reverse); });
}

#endif

// In the order of the context's work.
template <typename Kernel> void launch(Context &context, uint64_t blocks, const Kernel &kernel) {
    launch(context, context.work(), blocks, kernel);
}

// Blocks for so many threads.
HD uint64_t blocks_for(uint64_t threads, uint64_t block) { return (threads + block - 1) / block; }

} // namespace zkinfer
