// Devices, their memory, and contexts on them; failures; and what both compilers do differently.
#pragma once

#include <atomic>
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
#include "streams.hpp"

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

// What a context has taken of a device's memory, and what nobody else may take.
struct Account {
    uint64_t used = 0;
    uint64_t reserved = 0;

    // What is still to be had of what is reserved.
    uint64_t missing() const { return reserved > used ? reserved - used : 0; }
};

// A device: its memory, with the limit on it, and its streams. Contexts on it share both.
//
// Blocks that are freed are kept for the next allocation of their size, since columns are of few sizes and the runtime's allocation waits
// for the device; they go back where memory is short. Who takes such a block waits for the streams that used it: not the host, but
// the stream that uses it first.
class Device {
  public:
    Device(uint32_t index, uint64_t memory_limit);
    ~Device();
    Device(const Device &) = delete;
    Device &operator=(const Device &) = delete;

    // Makes the device the one of the calling thread.
    void enter() const;
    Streams &streams() { return streams_; }

    void open(Account &account);
    // Takes everything back that the account has.
    void close(Account &account) noexcept;
    // Keeps memory for an account, in place of what was kept before.
    void reserve(Account &account, uint64_t bytes);
    // Memory of any content that `user` is the first to use.
    void *allocate(Account &account, uint64_t bytes, Stream &user);
    // `users` has a bit for each stream that has something to do with the block that it may not have done yet.
    void free(void *memory, uint64_t users);

    // Bytes of blocks in use, and the most that ever were.
    uint64_t used() const;
    uint64_t peak() const;
    // Bytes that an account may still allocate, as far as is known.
    uint64_t available(const Account &account) const;

    // Kernels that were started, and bytes that came from the host and went to it.
    std::atomic<uint64_t> launches{0};
    std::atomic<uint64_t> uploaded{0};
    std::atomic<uint64_t> downloaded{0};

  private:
    // What a stream has started with a block.
    struct Use {
        Stream *stream;
        uint64_t ticket;
    };
    struct Block {
        uint64_t bytes;
        Account *owner;
    };
    struct Idle {
        void *memory;
        std::vector<Use> uses;
    };
    using IdleBlocks = std::multimap<uint64_t, Idle>;

    // What the limit leaves to an account.
    uint64_t allowed(const Account &account) const;
    IdleBlocks::iterator choose(uint64_t bytes, const Stream &user);
    void *allocate_anew(uint64_t bytes);
    // Gives all blocks back that are not in use.
    void trim() noexcept;
    // Bytes that the runtime has left; on the host, no bound is known.
    uint64_t left() const;
    // Null where there is none left.
    void *raw_allocate(uint64_t bytes);
    // Erases and gives back what no stream uses any more.
    void raw_release(void *memory, uint64_t bytes) noexcept;

    uint32_t index_;
    uint64_t limit_;
    uint64_t used_ = 0;
    uint64_t kept_ = 0;
    uint64_t peak_ = 0;
    std::vector<Account *> accounts_;
    std::unordered_map<void *, Block> blocks_;
    IdleBlocks idle_;
    Streams streams_;
};

} // namespace zkinfer

// What the caller holds: two streams of a device, one for kernels and one for copies beside them; and what it has of the device's memory.
struct zkinfer_context {
  public:
    explicit zkinfer_context(std::shared_ptr<zkinfer::Device> device);
    ~zkinfer_context();
    zkinfer_context(const zkinfer_context &) = delete;
    zkinfer_context &operator=(const zkinfer_context &) = delete;

    zkinfer::Device &device() { return *device_; }
    const std::shared_ptr<zkinfer::Device> &shared_device() const { return device_; }
    zkinfer::Stream &work() { return work_; }
    zkinfer::Stream &copies() { return copies_; }
    zkinfer::Account &account() { return account_; }

    void *allocate(uint64_t bytes, zkinfer::Stream &user);
    // Of a block that `user` alone has used.
    void free(void *memory, zkinfer::Stream &user);
    void upload(zkinfer::Stream &stream, void *to, const void *from, uint64_t bytes);
    void download(zkinfer::Stream &stream, void *to, const void *from, uint64_t bytes);
    // In the order of the work.
    void upload(void *to, const void *from, uint64_t bytes) { upload(work_, to, from, bytes); }
    void download(void *to, const void *from, uint64_t bytes) { download(work_, to, from, bytes); }
    void zero(void *to, uint64_t bytes) { work_.fill(to, 0, bytes); }
    // Bytes that may still be allocated, as far as is known.
    uint64_t available() const { return device_->available(account_); }
    void count_launch() { ++device_->launches; }
    void end_call();

    // Pinned memory that has been there before, or more.
    std::unique_ptr<zkinfer::Pinned> take_pinned(uint64_t bytes);
    void keep_pinned(std::unique_ptr<zkinfer::Pinned> pinned) { pinned_.push_back(std::move(pinned)); }
#ifndef __CUDACC__
    // Whether threads run last to first.
    bool reverse() const { return reverse_; }
#endif

    std::string error;

  private:
    zkinfer::Staging &staging(const zkinfer::Stream &stream) { return &stream == &work_ ? work_staging_ : copies_staging_; }

    std::shared_ptr<zkinfer::Device> device_;
    zkinfer::Account account_;
    zkinfer::Stream &work_;
    zkinfer::Stream &copies_;
    zkinfer::Staging work_staging_;
    zkinfer::Staging copies_staging_;
    std::vector<std::unique_ptr<zkinfer::Pinned>> pinned_;
#ifndef __CUDACC__
    bool reverse_;
#endif
};

namespace zkinfer {

using Context = zkinfer_context;

template <typename T> T *at(zkinfer_address address) { return reinterpret_cast<T *>(static_cast<uintptr_t>(address)); }

// Device memory for as long as a function runs, for one stream.
template <typename T> class Scratch {
  public:
    Scratch(Context &context, uint64_t count) : Scratch(context, context.work(), count) {}
    Scratch(Context &context, Stream &stream, uint64_t count)
        : context_(context), stream_(stream), memory_(static_cast<T *>(context.allocate(count * sizeof(T), stream))) {}
    // A list of the host.
    Scratch(Context &context, const std::vector<T> &values) : Scratch(context, context.work(), values) {}
    Scratch(Context &context, Stream &stream, const std::vector<T> &values) : Scratch(context, stream, values.size()) {
        if (!values.empty()) context.upload(stream, memory_, values.data(), values.size() * sizeof(T));
    }
    ~Scratch() { context_.free(memory_, stream_); }
    Scratch(const Scratch &) = delete;
    Scratch &operator=(const Scratch &) = delete;
    T *get() const { return memory_; }

  private:
    Context &context_;
    Stream &stream_;
    T *memory_;
};

// What a body throws as a status, with the context's error text.
template <typename Body> int32_t caught(Context &context, Body body) noexcept {
    try {
        body();
        return ZKINFER_OK;
    } catch (const Failure &failure) {
        context.error = failure.what();
        return failure.status();
    } catch (const std::bad_alloc &) {
        context.error = "no memory is left on the host";
        return ZKINFER_OUT_OF_MEMORY;
    } catch (const std::exception &failure) {
        context.error = failure.what();
        return ZKINFER_DEVICE_FAILURE;
    }
}

// Values that come from the device while the host goes on.
template <typename T> class Landing {
  public:
    Landing(Context &context, uint64_t count) : context_(context), count_(count), pinned_(context.take_pinned(count * sizeof(T))) {}
    ~Landing() {
        // What is not there yet must not come into the memory of the next one.
        if (stream_ != nullptr) caught(context_, [&] { stream_->finish(there_, Wait::RESULT); });
        context_.keep_pinned(std::move(pinned_));
    }
    Landing(const Landing &) = delete;
    Landing &operator=(const Landing &) = delete;

    void begin(Stream &stream, const T *from) {
        stream_ = &stream;
        context_.device().downloaded += count_ * sizeof(T);
        if (count_ != 0) stream.download(pinned_->get(), from, count_ * sizeof(T));
        stream.note(there_);
    }

    std::vector<T> finish() {
        stream_->finish(there_, Wait::RESULT);
        std::vector<T> values(count_);
        if (count_ != 0) std::memcpy(static_cast<void *>(values.data()), pinned_->get(), count_ * sizeof(T));
        stream_ = nullptr;
        return values;
    }

  private:
    Context &context_;
    uint64_t count_;
    std::unique_ptr<Pinned> pinned_;
    Stream *stream_ = nullptr;
    Moment there_;
};

// Runs the body of an exported function, and ends the call whether it fails or not.
template <typename Body> int32_t guarded(Context *context, Body body) noexcept {
    if (context == nullptr) return ZKINFER_INVALID;
    context->error.clear();
    const int32_t status = caught(*context, [&] {
        context->device().enter();
        body(*context);
    });
    const int32_t ended = caught(*context, [&] { context->end_call(); });
    return status != ZKINFER_OK ? status : ended;
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
