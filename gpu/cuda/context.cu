// The library, its devices and their memory, and contexts.

#include "context.hpp"

#include <algorithm>
#include <cstdlib>
#include <functional>

namespace zkinfer {

namespace {

// Why the last zkinfer_create of this thread failed.
thread_local std::string creation_error;

// Sizes that are asked for become multiples of it, so that columns of nearly one size share blocks.
constexpr uint64_t GRANULE = 256;

#ifdef ZKINFER_NO_REUSE
// Where a sanitizer watches, every allocation is one of its own.
constexpr bool REUSE = false;
#else
constexpr bool REUSE = true;
#endif

uint64_t rounded(uint64_t bytes) {
    if (bytes > UINT64_MAX - GRANULE) throw Failure(ZKINFER_OUT_OF_MEMORY, "an allocation of 2^64 bytes");
    return REUSE ? std::max<uint64_t>(GRANULE, (bytes + GRANULE - 1) / GRANULE * GRANULE) : std::max<uint64_t>(bytes, 1);
}

// For what can't be helped.
template <typename Body> void caught_quietly(Body body) noexcept {
    try {
        body();
    } catch (const std::exception &) {
    }
}

void tell(const std::string &text, char *out, uint64_t bytes) {
    if (out == nullptr || bytes == 0) return;
    const uint64_t length = std::min<uint64_t>(text.size(), bytes - 1);
    std::memcpy(out, text.data(), length);
    out[length] = 0;
}

} // namespace

#ifdef __CUDACC__

void check(cudaError_t error, const char *doing) {
    if (error == cudaSuccess) return;
    const bool memory = error == cudaErrorMemoryAllocation;
    const bool missing = error == cudaErrorNoDevice || error == cudaErrorInsufficientDriver || error == cudaErrorInvalidDevice;
    const int32_t status = memory ? ZKINFER_OUT_OF_MEMORY : missing ? ZKINFER_NO_DEVICE : ZKINFER_DEVICE_FAILURE;
    throw Failure(status, std::string(doing) + ": " + cudaGetErrorString(error));
}

void Device::enter() const { check(cudaSetDevice(static_cast<int>(index_)), "choosing the device"); }

void *Device::raw_allocate(uint64_t bytes) {
    void *memory = nullptr;
    const cudaError_t error = cudaMalloc(&memory, bytes);
    if (error == cudaErrorMemoryAllocation) {
        // The runtime remembers the error until it is asked for.
        cudaGetLastError();
        return nullptr;
    }
    check(error, "allocating memory");
    return memory;
}

void Device::raw_release(void *memory, uint64_t bytes) noexcept {
    // Both wait for each other, and for nothing that is done beside them.
    cudaMemsetAsync(memory, 0, bytes, cudaStreamPerThread);
    cudaStreamSynchronize(cudaStreamPerThread);
    cudaFree(memory);
}

uint64_t Device::left() const {
    size_t available = 0, total = 0;
    check(cudaMemGetInfo(&available, &total), "asking for the free memory");
    return available;
}

#else

void Device::enter() const {
    if (index_ != 0) throw Failure(ZKINFER_NO_DEVICE, "the host twin has one device");
}

void *Device::raw_allocate(uint64_t bytes) {
    void *memory = nullptr;
    return posix_memalign(&memory, GRANULE, bytes) == 0 ? memory : nullptr;
}

void Device::raw_release(void *memory, uint64_t bytes) noexcept {
    std::memset(memory, 0, bytes);
    std::free(memory);
}

uint64_t Device::left() const { return UINT64_MAX / 2; }

#endif

using Guard = std::lock_guard<std::recursive_mutex>;

Device::Device(uint32_t index, uint64_t memory_limit)
    : index_(index), limit_(memory_limit == 0 ? UINT64_MAX : memory_limit) {
    enter();
}

Device::~Device() {
    trim();
    for (const auto &[memory, block] : blocks_) raw_release(memory, block.bytes);
}

void Device::open(Account &account) {
    const Guard guard(streams_.mutex());
    accounts_.push_back(&account);
}

void Device::close(Account &account) noexcept {
    const Guard guard(streams_.mutex());
    accounts_.erase(std::find(accounts_.begin(), accounts_.end(), &account));
    for (auto block = blocks_.begin(); block != blocks_.end();) {
        if (block->second.owner == &account) {
            used_ -= block->second.bytes;
            raw_release(block->first, block->second.bytes);
            block = blocks_.erase(block);
        } else {
            ++block;
        }
    }
}

uint64_t Device::allowed(const Account &account) const {
    uint64_t taken = used_;
    for (const Account *other : accounts_) {
        if (other != &account) taken += other->missing();
    }
    return limit_ > taken ? limit_ - taken : 0;
}

void Device::reserve(Account &account, uint64_t bytes) {
    const Guard guard(streams_.mutex());
    account.reserved = 0;
    if (bytes > account.used && bytes - account.used > allowed(account)) {
        throw Failure(ZKINFER_OUT_OF_MEMORY, std::to_string(bytes) + " bytes can't be kept beside " + std::to_string(used_) +
                                                 " in use and what is kept for others, and the limit is " + std::to_string(limit_));
    }
    account.reserved = bytes;
}

uint64_t Device::used() const {
    const Guard guard(streams_.mutex());
    return used_;
}

uint64_t Device::peak() const {
    const Guard guard(streams_.mutex());
    return peak_;
}

uint64_t Device::available(const Account &account) const {
    const Guard guard(streams_.mutex());
    return std::min(allowed(account), left() + kept_);
}

void Device::trim() noexcept {
    for (const auto &[bytes, idle] : idle_) {
        // What fails here fails the next call as well.
        for (const Use &use : idle.uses) caught_quietly([&] { use.stream->finish_all(); });
        blocks_.erase(idle.memory);
        raw_release(idle.memory, bytes);
    }
    idle_.clear();
    kept_ = 0;
}

Device::IdleBlocks::iterator Device::choose(uint64_t bytes, const Stream &user) {
    // Blocks that are looked at for one that nobody else has used last.
    constexpr int MOST = 16;
    const auto [first, end] = idle_.equal_range(bytes);
    int looked_at = 0;
    for (auto block = first; block != end && looked_at < MOST; ++block, ++looked_at) {
        const std::vector<Use> &uses = block->second.uses;
        if (std::all_of(uses.begin(), uses.end(), [&](const Use &use) { return use.stream == &user; })) return block;
    }
    return first == end ? idle_.end() : first;
}

void *Device::allocate_anew(uint64_t bytes) {
    void *memory = raw_allocate(bytes);
    if (memory == nullptr) {
        trim();
        memory = raw_allocate(bytes);
    }
    if (memory == nullptr) {
        throw Failure(ZKINFER_OUT_OF_MEMORY, std::to_string(bytes) + " bytes are wanted beside " + std::to_string(used_) +
                                                 " in use, and the device has no more");
    }
    return memory;
}

void *Device::allocate(Account &account, uint64_t asked, Stream &user) {
    const Guard guard(streams_.mutex());
    const uint64_t bytes = rounded(asked);
    if (bytes > allowed(account)) {
        throw Failure(ZKINFER_OUT_OF_MEMORY, std::to_string(bytes) + " bytes are wanted beside " + std::to_string(used_) +
                                                 " in use and what is kept for others, and the limit is " + std::to_string(limit_));
    }
    void *memory = nullptr;
    const auto found = choose(bytes, user);
    if (found != idle_.end()) {
        memory = found->second.memory;
        for (const Use &use : found->second.uses) user.wait_for(*use.stream, use.ticket, Wait::REUSE);
        blocks_.at(memory).owner = &account;
        idle_.erase(found);
        kept_ -= bytes;
    } else {
        if (kept_ > limit_ - used_ - bytes) trim();
        memory = allocate_anew(bytes);
        blocks_.emplace(memory, Block{bytes, &account});
    }
    account.used += bytes;
    used_ += bytes;
    peak_ = std::max(peak_, used_);
#ifndef __CUDACC__
    // What was there is gone once the stream gets to it.
    user.fill(memory, 0xa5, bytes);
#endif
    return memory;
}

void Device::free(void *memory, uint64_t users) {
    if (memory == nullptr) return;
    const Guard guard(streams_.mutex());
    const auto found = blocks_.find(memory);
    if (found == blocks_.end() || found->second.owner == nullptr) throw Failure(ZKINFER_INVALID, "an address that was not allocated");
    const uint64_t bytes = found->second.bytes;
    Idle idle{memory, {}};
    for (uint32_t number = 0; number < streams_.count(); ++number) {
        if ((users >> number & 1) != 0) idle.uses.push_back({&streams_.at(number), streams_.at(number).ticket()});
    }
    found->second.owner->used -= bytes;
    found->second.owner = nullptr;
    used_ -= bytes;
    if (REUSE) {
        idle_.emplace(bytes, std::move(idle));
        kept_ += bytes;
    } else {
        for (const Use &use : idle.uses) use.stream->finish_all();
        blocks_.erase(found);
        raw_release(memory, bytes);
    }
}

} // namespace zkinfer

using namespace zkinfer;

#ifdef __CUDACC__
// What is copied at once: descriptions beside the work; columns.
constexpr uint64_t WORK_CHUNK = uint64_t{256} << 10;
constexpr uint64_t COPIES_CHUNK = uint64_t{4} << 20;
#else
// So small that tests fill many.
constexpr uint64_t WORK_CHUNK = uint64_t{16} << 10;
constexpr uint64_t COPIES_CHUNK = uint64_t{4} << 10;
#endif

zkinfer_context::zkinfer_context(std::shared_ptr<Device> device)
    : device_(std::move(device)), work_(device_->streams().take(Role::WORK)), copies_(device_->streams().take(Role::COPIES)),
      work_staging_(work_, WORK_CHUNK), copies_staging_(copies_, COPIES_CHUNK) {
    device_->open(account_);
#ifndef __CUDACC__
    const char *order = std::getenv("ZKINFER_TWIN_ORDER");
    reverse_ = order != nullptr && std::string(order) == "reverse";
#endif
}

zkinfer_context::~zkinfer_context() {
    for (Stream *stream : {&work_, &copies_}) {
        caught_quietly([&] { stream->finish_all(); });
        device_->streams().give_back(*stream);
    }
    device_->close(account_);
}

void *zkinfer_context::allocate(uint64_t bytes, Stream &user) { return device_->allocate(account_, bytes, user); }

void zkinfer_context::free(void *memory, Stream &user) { device_->free(memory, uint64_t{1} << user.number()); }

void zkinfer_context::upload(Stream &stream, void *to, const void *from, uint64_t bytes) {
    device_->uploaded += bytes;
    staging(stream).upload(to, from, bytes);
}

void zkinfer_context::download(Stream &stream, void *to, const void *from, uint64_t bytes) {
    device_->downloaded += bytes;
    staging(stream).download(to, from, bytes);
}

void zkinfer_context::end_call() {
    work_.end_call();
    copies_.end_call();
}

std::unique_ptr<Pinned> zkinfer_context::take_pinned(uint64_t bytes) {
    constexpr uint64_t LEAST = 4096;
    const auto fits = [&](const std::unique_ptr<Pinned> &pinned) { return pinned->bytes() >= bytes; };
    const auto found = std::find_if(pinned_.begin(), pinned_.end(), fits);
    if (found == pinned_.end()) return std::make_unique<Pinned>(std::max(LEAST, bytes));
    std::unique_ptr<Pinned> pinned = std::move(*found);
    pinned_.erase(found);
    return pinned;
}

uint32_t zkinfer_abi_version(void) { return ZKINFER_ABI_VERSION; }

uint32_t zkinfer_is_host(void) {
#ifdef __CUDACC__
    return 0;
#else
    return 1;
#endif
}

uint32_t zkinfer_device_count(char *reason, uint64_t reason_bytes) {
    tell("", reason, reason_bytes);
#ifdef __CUDACC__
    int count = 0;
    const cudaError_t error = cudaGetDeviceCount(&count);
    if (error == cudaSuccess && count > 0) return static_cast<uint32_t>(count);
    cudaGetLastError();
    tell(error == cudaSuccess ? "no CUDA device" : cudaGetErrorString(error), reason, reason_bytes);
    return 0;
#else
    return 1;
#endif
}

int32_t zkinfer_describe_device(uint32_t device, zkinfer_device_info *info) {
    if (info == nullptr) return ZKINFER_INVALID;
    std::memset(info, 0, sizeof *info);
#ifdef __CUDACC__
    cudaDeviceProp properties;
    size_t available = 0, total = 0;
    int driver = 0;
    const bool described = cudaGetDeviceProperties(&properties, static_cast<int>(device)) == cudaSuccess &&
                           cudaSetDevice(static_cast<int>(device)) == cudaSuccess &&
                           cudaMemGetInfo(&available, &total) == cudaSuccess &&
                           cudaDriverGetVersion(&driver) == cudaSuccess;
    if (!described) {
        cudaGetLastError();
        return ZKINFER_NO_DEVICE;
    }
    tell(properties.name, info->name, sizeof info->name);
    info->memory_bytes = total;
    info->free_bytes = available;
    info->multiprocessors = static_cast<uint32_t>(properties.multiProcessorCount);
    info->architecture = static_cast<uint32_t>(10 * properties.major + properties.minor);
    info->driver_version = static_cast<uint32_t>(driver);
    info->toolkit_version = CUDART_VERSION;
    return ZKINFER_OK;
#else
    if (device != 0) return ZKINFER_NO_DEVICE;
    tell("host twin", info->name, sizeof info->name);
    return ZKINFER_OK;
#endif
}

namespace {

int32_t create(zkinfer_context **context, const std::function<std::shared_ptr<Device>()> &device) {
    if (context == nullptr) return ZKINFER_INVALID;
    *context = nullptr;
    try {
        *context = new zkinfer_context(device());
        return ZKINFER_OK;
    } catch (const Failure &failure) {
        creation_error = failure.what();
        return failure.status();
    } catch (const std::exception &failure) {
        creation_error = failure.what();
        return ZKINFER_DEVICE_FAILURE;
    }
}

} // namespace

int32_t zkinfer_create(uint32_t device, uint64_t memory_limit, zkinfer_context **context) {
    return create(context, [&] { return std::make_shared<Device>(device, memory_limit); });
}

int32_t zkinfer_join(const zkinfer_context *other, zkinfer_context **context) {
    if (other == nullptr) return ZKINFER_INVALID;
    return create(context, [&] {
        other->shared_device()->enter();
        return other->shared_device();
    });
}

void zkinfer_destroy(zkinfer_context *context) {
    if (context == nullptr) return;
    guarded(context, [](Context &) {});
    delete context;
}

const char *zkinfer_error_text(const zkinfer_context *context) {
    return context == nullptr ? creation_error.c_str() : context->error.c_str();
}

int32_t zkinfer_reserve(zkinfer_context *context, uint64_t bytes) {
    return guarded(context, [&](Context &context) { context.device().reserve(context.account(), bytes); });
}

int32_t zkinfer_memory(zkinfer_context *context, uint64_t *used_bytes, uint64_t *peak_bytes) {
    return guarded(context, [&](Context &context) {
        *used_bytes = context.device().used();
        *peak_bytes = context.device().peak();
    });
}

int32_t zkinfer_count(zkinfer_context *context, zkinfer_counts *counts) {
    return guarded(context, [&](Context &context) {
        const Device &device = context.device();
        *counts = {device.launches, device.uploaded, device.downloaded};
    });
}

int32_t zkinfer_streams(zkinfer_context *context, uint32_t numbers[2]) {
    return guarded(context, [&](Context &context) {
        numbers[0] = context.work().number();
        numbers[1] = context.copies().number();
    });
}

int32_t zkinfer_tickets(zkinfer_context *context, uint64_t tickets[2]) {
    return guarded(context, [&](Context &context) {
        tickets[0] = context.work().ticket();
        tickets[1] = context.copies().ticket();
    });
}

int32_t zkinfer_await(zkinfer_context *context, uint32_t copies, uint32_t stream, uint64_t ticket) {
    return guarded(context, [&](Context &context) {
        Stream &awaited = context.device().streams().at(stream);
        if (copies == 0) {
            context.work().wait_for(awaited, ticket, Wait::ARRIVAL);
        } else {
            context.copies().wait_for(awaited, ticket, Wait::DEPARTURE);
        }
    });
}

int32_t zkinfer_allocate(zkinfer_context *context, uint64_t bytes, uint32_t for_copies, zkinfer_address *address) {
    return guarded(context, [&](Context &context) {
        Stream &user = for_copies == 0 ? context.work() : context.copies();
        *address = static_cast<zkinfer_address>(reinterpret_cast<uintptr_t>(context.allocate(bytes, user)));
    });
}

int32_t zkinfer_free(zkinfer_context *context, zkinfer_address address, uint64_t users) {
    return guarded(context, [&](Context &context) { context.device().free(at<void>(address), users); });
}

int32_t zkinfer_upload(zkinfer_context *context, zkinfer_address to, const void *from, uint64_t bytes) {
    return guarded(context, [&](Context &context) { context.upload(at<void>(to), from, bytes); });
}

int32_t zkinfer_download(zkinfer_context *context, void *to, zkinfer_address from, uint64_t bytes) {
    return guarded(context, [&](Context &context) { context.download(to, at<void>(from), bytes); });
}

int32_t zkinfer_send(zkinfer_context *context, zkinfer_address to, const void *from, uint64_t bytes) {
    return guarded(context, [&](Context &context) { context.upload(context.copies(), at<void>(to), from, bytes); });
}

int32_t zkinfer_fetch(zkinfer_context *context, void *to, zkinfer_address from, uint64_t bytes) {
    return guarded(context, [&](Context &context) { context.download(context.copies(), to, at<void>(from), bytes); });
}

int32_t zkinfer_copy(zkinfer_context *context, zkinfer_address to, zkinfer_address from, uint64_t bytes) {
    return guarded(context, [&](Context &context) {
        if (bytes != 0) context.work().copy(at<void>(to), at<void>(from), bytes);
    });
}

int32_t zkinfer_zero(zkinfer_context *context, zkinfer_address to, uint64_t bytes) {
    return guarded(context, [&](Context &context) {
        if (bytes != 0) context.zero(at<void>(to), bytes);
    });
}

int32_t zkinfer_synchronize(zkinfer_context *context) {
    return guarded(context, [](Context &context) {
        context.work().finish_all();
        context.copies().finish_all();
    });
}
