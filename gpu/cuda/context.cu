// The library, its devices, contexts and their memory.

#include "context.hpp"

#include <algorithm>
#include <cstdlib>

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

DeviceMemory::DeviceMemory(uint32_t device) : device_(device) {
    enter();
    check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "making a stream");
}

DeviceMemory::~DeviceMemory() { cudaStreamDestroy(stream_); }

void DeviceMemory::enter() const { check(cudaSetDevice(static_cast<int>(device_)), "choosing the device"); }

void *DeviceMemory::allocate(uint64_t bytes) {
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

void DeviceMemory::release(void *memory, uint64_t bytes) noexcept {
    cudaMemsetAsync(memory, 0, bytes, stream_);
    cudaStreamSynchronize(stream_);
    cudaFree(memory);
}

void DeviceMemory::upload(void *to, const void *from, uint64_t bytes) {
    uploaded_ += bytes;
    check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream_), "copying to the device");
}

void DeviceMemory::download(void *to, const void *from, uint64_t bytes) {
    downloaded_ += bytes;
    check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream_), "copying from the device");
    synchronize();
}

void DeviceMemory::copy(void *to, const void *from, uint64_t bytes) {
    check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream_), "copying on the device");
}

void DeviceMemory::zero(void *to, uint64_t bytes) {
    check(cudaMemsetAsync(to, 0, bytes, stream_), "clearing memory");
}

void DeviceMemory::synchronize() { check(cudaStreamSynchronize(stream_), "waiting for the device"); }

uint64_t DeviceMemory::left() const {
    size_t available = 0, total = 0;
    check(cudaMemGetInfo(&available, &total), "asking for the free memory");
    return available;
}

#else

DeviceMemory::DeviceMemory(uint32_t device) {
    if (device != 0) throw Failure(ZKINFER_NO_DEVICE, "the host twin has one device");
}

DeviceMemory::~DeviceMemory() = default;

void DeviceMemory::enter() const {}

void *DeviceMemory::allocate(uint64_t bytes) {
    void *memory = nullptr;
    return posix_memalign(&memory, GRANULE, bytes) == 0 ? memory : nullptr;
}

void DeviceMemory::release(void *memory, uint64_t bytes) noexcept {
    std::memset(memory, 0, bytes);
    std::free(memory);
}

void DeviceMemory::upload(void *to, const void *from, uint64_t bytes) {
    uploaded_ += bytes;
    std::memcpy(to, from, bytes);
}

void DeviceMemory::download(void *to, const void *from, uint64_t bytes) {
    downloaded_ += bytes;
    std::memcpy(to, from, bytes);
}

void DeviceMemory::copy(void *to, const void *from, uint64_t bytes) { std::memcpy(to, from, bytes); }
void DeviceMemory::zero(void *to, uint64_t bytes) { std::memset(to, 0, bytes); }
void DeviceMemory::synchronize() {}
uint64_t DeviceMemory::left() const { return UINT64_MAX / 2; }

#endif

} // namespace zkinfer

using namespace zkinfer;

zkinfer_context::zkinfer_context(uint32_t device, uint64_t memory_limit)
    : memory_(device), limit_(memory_limit == 0 ? UINT64_MAX : memory_limit) {
#ifndef __CUDACC__
    const char *order = std::getenv("ZKINFER_TWIN_ORDER");
    reverse_ = order != nullptr && std::string(order) == "reverse";
#endif
}

zkinfer_context::~zkinfer_context() {
    for (const auto &[memory, bytes] : sizes_) memory_.release(memory, bytes);
}

void zkinfer_context::trim() noexcept {
    for (const auto &[bytes, memory] : free_) {
        sizes_.erase(memory);
        memory_.release(memory, bytes);
    }
    free_.clear();
    kept_ = 0;
}

void *zkinfer_context::allocate(uint64_t asked) {
    const uint64_t bytes = rounded(asked);
    if (bytes > limit_ || used_ > limit_ - bytes) {
        throw Failure(ZKINFER_OUT_OF_MEMORY, std::to_string(bytes) + " bytes are wanted beside " + std::to_string(used_) +
                                                 " in use, and the limit is " + std::to_string(limit_));
    }
    void *memory = nullptr;
    const auto kept = free_.find(bytes);
    if (kept != free_.end()) {
        memory = kept->second;
        free_.erase(kept);
        kept_ -= bytes;
    } else {
        if (kept_ > limit_ - used_ - bytes) trim();
        memory = memory_.allocate(bytes);
        if (memory == nullptr) {
            trim();
            memory = memory_.allocate(bytes);
        }
        if (memory == nullptr) {
            throw Failure(ZKINFER_OUT_OF_MEMORY, std::to_string(bytes) + " bytes are wanted beside " +
                                                     std::to_string(used_) + " in use, and the device has no more");
        }
        sizes_.emplace(memory, bytes);
    }
    used_ += bytes;
    peak_ = std::max(peak_, used_);
    return memory;
}

uint64_t zkinfer_context::available() const { return std::min(limit_ - used_, memory_.left() + kept_); }

void zkinfer_context::free(void *memory) {
    if (memory == nullptr) return;
    const auto found = sizes_.find(memory);
    if (found == sizes_.end()) throw Failure(ZKINFER_INVALID, "an address that was not allocated");
    const uint64_t bytes = found->second;
    used_ -= bytes;
    if (REUSE) {
        free_.emplace(bytes, memory);
        kept_ += bytes;
    } else {
        sizes_.erase(found);
        memory_.release(memory, bytes);
    }
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

int32_t zkinfer_create(uint32_t device, uint64_t memory_limit, zkinfer_context **context) {
    if (context == nullptr) return ZKINFER_INVALID;
    *context = nullptr;
    try {
        *context = new zkinfer_context(device, memory_limit);
        return ZKINFER_OK;
    } catch (const Failure &failure) {
        creation_error = failure.what();
        return failure.status();
    } catch (const std::exception &failure) {
        creation_error = failure.what();
        return ZKINFER_DEVICE_FAILURE;
    }
}

void zkinfer_destroy(zkinfer_context *context) {
    if (context == nullptr) return;
    guarded(context, [](Context &) {});
    delete context;
}

const char *zkinfer_error_text(const zkinfer_context *context) {
    return context == nullptr ? creation_error.c_str() : context->error.c_str();
}

int32_t zkinfer_memory(zkinfer_context *context, uint64_t *used_bytes, uint64_t *peak_bytes) {
    return guarded(context, [&](Context &context) {
        *used_bytes = context.used();
        *peak_bytes = context.peak();
    });
}

int32_t zkinfer_count(zkinfer_context *context, zkinfer_counts *counts) {
    return guarded(context, [&](Context &context) {
        *counts = {context.launches(), context.memory().uploaded(), context.memory().downloaded()};
    });
}

int32_t zkinfer_allocate(zkinfer_context *context, uint64_t bytes, zkinfer_address *address) {
    return guarded(context, [&](Context &context) {
        *address = static_cast<zkinfer_address>(reinterpret_cast<uintptr_t>(context.allocate(bytes)));
    });
}

int32_t zkinfer_free(zkinfer_context *context, zkinfer_address address) {
    return guarded(context, [&](Context &context) { context.free(at<void>(address)); });
}

int32_t zkinfer_upload(zkinfer_context *context, zkinfer_address to, const void *from, uint64_t bytes) {
    return guarded(context, [&](Context &context) {
        if (bytes != 0) context.memory().upload(at<void>(to), from, bytes);
    });
}

int32_t zkinfer_download(zkinfer_context *context, void *to, zkinfer_address from, uint64_t bytes) {
    return guarded(context, [&](Context &context) {
        if (bytes != 0) context.memory().download(to, at<void>(from), bytes);
    });
}

int32_t zkinfer_copy(zkinfer_context *context, zkinfer_address to, zkinfer_address from, uint64_t bytes) {
    return guarded(context, [&](Context &context) {
        if (bytes != 0) context.memory().copy(at<void>(to), at<void>(from), bytes);
    });
}

int32_t zkinfer_zero(zkinfer_context *context, zkinfer_address to, uint64_t bytes) {
    return guarded(context, [&](Context &context) {
        if (bytes != 0) context.memory().zero(at<void>(to), bytes);
    });
}

int32_t zkinfer_synchronize(zkinfer_context *context) {
    return guarded(context, [](Context &context) { context.memory().synchronize(); });
}
