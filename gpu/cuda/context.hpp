// Contexts: a device, its stream of work, and the memory on it; failures; and what both compilers do differently.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

#ifdef __CUDACC__
#include <cuda_runtime.h>
#endif

#include "abi.h"

namespace zkinfer {

// What ends a call: a status and a line about it. It never leaves the library: `guarded` turns it into both.
class Failure : public std::runtime_error {
  public:
    Failure(int32_t status, const std::string &text) : std::runtime_error(text), status_(status) {}
    int32_t status() const { return status_; }

  private:
    int32_t status_;
};

#ifdef __CUDACC__
// Throws a failure of the device's runtime.
void check(cudaError_t error, const char *doing);
#endif

// Memory of a device as the runtime gives it; on the host, of the processor.
class DeviceMemory {
  public:
    explicit DeviceMemory(uint32_t device);
    ~DeviceMemory();
    DeviceMemory(const DeviceMemory &) = delete;
    DeviceMemory &operator=(const DeviceMemory &) = delete;

    // Makes the device the one of the calling thread.
    void enter() const;
    // Null where there is none left.
    void *allocate(uint64_t bytes);
    // Erases and gives back.
    void release(void *memory, uint64_t bytes) noexcept;
    void upload(void *to, const void *from, uint64_t bytes);
    void download(void *to, const void *from, uint64_t bytes);
    void copy(void *to, const void *from, uint64_t bytes);
    void zero(void *to, uint64_t bytes);
    void synchronize();
    // Bytes that came from the host, and went to it.
    uint64_t uploaded() const { return uploaded_; }
    uint64_t downloaded() const { return downloaded_; }
    // Bytes that the runtime has left; on the host, no bound is known.
    uint64_t left() const;
#ifdef __CUDACC__
    cudaStream_t stream() const { return stream_; }
#endif

  private:
    uint64_t uploaded_ = 0;
    uint64_t downloaded_ = 0;
#ifdef __CUDACC__
    uint32_t device_;
    cudaStream_t stream_ = nullptr;
#endif
};

} // namespace zkinfer

// What the caller holds. Blocks that are freed are kept for the next allocation of their size, since columns are of few sizes and the
// runtime's allocation waits for the device; they go back where memory is short.
struct zkinfer_context {
  public:
    zkinfer_context(uint32_t device, uint64_t memory_limit);
    ~zkinfer_context();

    void *allocate(uint64_t bytes);
    void free(void *memory);
    zkinfer::DeviceMemory &memory() { return memory_; }
    uint64_t used() const { return used_; }
    uint64_t peak() const { return peak_; }
    // Kernels that were started.
    uint64_t launches() const { return launches_; }
    void count_launch() { ++launches_; }
    // Bytes that may still be allocated, as far as is known.
    uint64_t available() const;
#ifdef __CUDACC__
    cudaStream_t stream() const { return memory_.stream(); }
#else
    // Whether threads run last to first.
    bool reverse() const { return reverse_; }
#endif

    std::string error;

  private:
    // Gives all blocks back that are not in use.
    void trim() noexcept;

    zkinfer::DeviceMemory memory_;
    uint64_t limit_;
    // Bytes of blocks in use; of blocks that are kept; and the most in use.
    uint64_t used_ = 0;
    uint64_t kept_ = 0;
    uint64_t peak_ = 0;
    uint64_t launches_ = 0;
    std::unordered_map<void *, uint64_t> sizes_;
    std::multimap<uint64_t, void *> free_;
#ifndef __CUDACC__
    bool reverse_;
#endif
};

namespace zkinfer {

using Context = zkinfer_context;

template <typename T> T *at(zkinfer_address address) { return reinterpret_cast<T *>(static_cast<uintptr_t>(address)); }

// Device memory for as long as a function runs.
template <typename T> class Scratch {
  public:
    Scratch(Context &context, uint64_t count)
        : context_(context), memory_(static_cast<T *>(context.allocate(count * sizeof(T)))) {}
    // A list of the host.
    Scratch(Context &context, const std::vector<T> &values) : Scratch(context, values.size()) {
        if (!values.empty()) context.memory().upload(memory_, values.data(), values.size() * sizeof(T));
    }
    ~Scratch() { context_.free(memory_); }
    Scratch(const Scratch &) = delete;
    Scratch &operator=(const Scratch &) = delete;
    T *get() const { return memory_; }

  private:
    Context &context_;
    T *memory_;
};

// Runs the body of an exported function: what it throws becomes a status and the context's error text.
template <typename Body> int32_t guarded(Context *context, Body body) noexcept {
    if (context == nullptr) return ZKINFER_INVALID;
    try {
        context->error.clear();
        context->memory().enter();
        body(*context);
        return ZKINFER_OK;
    } catch (const Failure &failure) {
        context->error = failure.what();
        return failure.status();
    } catch (const std::bad_alloc &) {
        context->error = "no memory is left on the host";
        return ZKINFER_OUT_OF_MEMORY;
    } catch (const std::exception &failure) {
        context->error = failure.what();
        return ZKINFER_DEVICE_FAILURE;
    }
}

#ifndef __CUDACC__
// What a block of threads has on the host.
template <typename Kernel> class HostBlock {
  public:
    HostBlock() : shared_(new typename Kernel::Shared), locals_(new typename Kernel::Locals[Kernel::THREADS]) {}

    typename Kernel::Shared &shared() { return *shared_; }
    typename Kernel::Locals &locals(uint32_t thread) { return locals_[thread]; }

    // Nothing is left of the block before.
    void spoil() {
        std::memset(static_cast<void *>(shared_.get()), 0xa5, sizeof(typename Kernel::Shared));
        std::memset(static_cast<void *>(locals_.get()), 0xa5, Kernel::THREADS * sizeof(typename Kernel::Locals));
    }

  private:
    std::unique_ptr<typename Kernel::Shared> shared_;
    std::unique_ptr<typename Kernel::Locals[]> locals_;
};
#endif

} // namespace zkinfer
