// Streams of devices, and their imitation on the host.

#include "context.hpp"

#include <algorithm>
#include <cstdlib>

namespace zkinfer {

using Guard = std::lock_guard<std::recursive_mutex>;

// ---- What both have in common ----

uint64_t Stream::ticket() const {
    const Guard guard(streams_.mutex());
    return ended_ + (begun_ ? 1 : 0);
}

void Stream::end_call() {
    const Guard guard(streams_.mutex());
    if (!begun_) return;
    std::unique_ptr<Moment> &end = ends_[(ended_ + 1) % CALLS];
    if (end == nullptr) end = std::make_unique<Moment>();
    note(*end);
    ++ended_;
    begun_ = false;
}

void Stream::wait_for(Stream &other, uint64_t ticket, Wait wait) {
    const Guard guard(streams_.mutex());
    if (seen_.size() <= other.number_) seen_.resize(other.number_ + 1, 0);
    uint64_t &seen = seen_[other.number_];
    ticket = std::min(ticket, other.ticket());
    if (&other == this || ticket <= seen || streams_.omits(wait)) return;
    if (ticket <= other.ended_) {
        const uint64_t oldest = other.ended_ < CALLS ? 1 : other.ended_ - CALLS + 1;
        seen = std::max(ticket, oldest);
        wait_for(*other.ends_[seen % CALLS]);
    } else {
        // The call has not ended, so that what it starts later has the same number: it is not seen yet.
        other.note(other.now_);
        seen = std::max(seen, other.ended_);
        wait_for(other.now_);
    }
}

Stream &Streams::take(Role role) {
    const Guard guard(mutex_);
    const auto found = std::find_if(idle_.begin(), idle_.end(), [&](const Stream *stream) { return stream->role() == role; });
    if (found != idle_.end()) {
        Stream &stream = **found;
        idle_.erase(found);
        return stream;
    }
    if (all_.size() == MOST) throw Failure(ZKINFER_INVALID, "a device has 32 contexts at most at a time");
    all_.push_back(std::make_unique<Stream>(*this, static_cast<uint32_t>(all_.size()), role));
    return *all_.back();
}

void Streams::give_back(Stream &stream) noexcept {
    const Guard guard(mutex_);
    idle_.push_back(&stream);
}

Stream &Streams::at(uint32_t number) {
    const Guard guard(mutex_);
    if (number >= all_.size()) throw Failure(ZKINFER_INVALID, "a stream that there is not");
    return *all_[number];
}

void Staging::turn() {
    if (memory_ == nullptr) memory_ = std::make_unique<Pinned>(2 * chunk_);
    stream_.note(moments_[current_]);
    current_ ^= 1;
    stream_.finish(moments_[current_], Wait::STAGING);
    position_ = 0;
}

void Staging::upload(void *to, const void *from, uint64_t bytes) {
    constexpr uint64_t ALIGNMENT = 16;
    uint8_t *target = static_cast<uint8_t *>(to);
    const uint8_t *source = static_cast<const uint8_t *>(from);
    while (bytes != 0) {
        if (position_ >= chunk_) turn();
        const uint64_t piece = std::min(bytes, chunk_ - position_);
        uint8_t *place = this->place(current_) + position_;
        std::memcpy(place, source, piece);
        stream_.upload(target, place, piece);
        position_ += (piece + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        target += piece;
        source += piece;
        bytes -= piece;
    }
}

void Staging::download(void *to, const void *from, uint64_t bytes) {
    uint8_t *target = static_cast<uint8_t *>(to);
    const uint8_t *source = static_cast<const uint8_t *>(from);
    // What is on its way in the other chunk.
    uint64_t before = 0;
    const auto take = [&](uint32_t chunk) {
        stream_.finish(moments_[chunk], Wait::RESULT);
        std::memcpy(target, place(chunk), before);
        target += before;
    };
    while (bytes != 0) {
        turn();
        const uint64_t piece = std::min(bytes, chunk_);
        stream_.download(place(current_), source, piece);
        stream_.note(moments_[current_]);
        if (before != 0) take(current_ ^ 1);
        before = piece;
        source += piece;
        bytes -= piece;
    }
    if (before != 0) take(current_);
    position_ = chunk_;
}

#ifdef __CUDACC__

// ---- Devices ----

Moment::Moment() { check(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming), "making an event"); }
Moment::~Moment() { cudaEventDestroy(event_); }

Stream::Stream(Streams &streams, uint32_t number, Role role) : streams_(streams), number_(number), role_(role), ends_(CALLS) {
    check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "making a stream");
}

Stream::~Stream() { cudaStreamDestroy(stream_); }

void Stream::started() {
    const Guard guard(streams_.mutex());
    begun_ = true;
}

void Stream::upload(void *to, const void *pinned, uint64_t bytes) {
    check(cudaMemcpyAsync(to, pinned, bytes, cudaMemcpyHostToDevice, stream_), "copying to the device");
    started();
}

void Stream::download(void *pinned, const void *from, uint64_t bytes) {
    check(cudaMemcpyAsync(pinned, from, bytes, cudaMemcpyDeviceToHost, stream_), "copying from the device");
    started();
}

void Stream::copy(void *to, const void *from, uint64_t bytes) {
    check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream_), "copying on the device");
    started();
}

void Stream::fill(void *to, int byte, uint64_t bytes) {
    check(cudaMemsetAsync(to, byte, bytes, stream_), "filling memory");
    started();
}

void Stream::note(Moment &moment) { check(cudaEventRecord(moment.event_, stream_), "noting what was started"); }

void Stream::wait_for(Moment &moment) { check(cudaStreamWaitEvent(stream_, moment.event_, 0), "waiting for a stream"); }

void Stream::finish(Moment &moment, Wait) { check(cudaEventSynchronize(moment.event_), "waiting for the device"); }

void Stream::finish_all() { check(cudaStreamSynchronize(stream_), "waiting for the device"); }

Streams::Streams() = default;
Streams::~Streams() = default;

bool Streams::omits(Wait) const { return false; }

Pinned::Pinned(uint64_t bytes) : bytes_(bytes) {
    void *memory = nullptr;
    if (cudaHostAlloc(&memory, bytes, cudaHostAllocPortable) != cudaSuccess) {
        cudaGetLastError();
        throw Failure(ZKINFER_DEVICE_FAILURE, "no memory of the host can be pinned for copies");
    }
    memory_ = static_cast<uint8_t *>(memory);
}

Pinned::~Pinned() {
    std::memset(memory_, 0, bytes_);
    cudaFreeHost(memory_);
}

#else

// ---- The host ----

namespace {

// What is in memory of any content.
constexpr int RUBBISH = 0xa5;

} // namespace

Moment::Moment() = default;
Moment::~Moment() = default;

Stream::Stream(Streams &streams, uint32_t number, Role role) : streams_(streams), number_(number), role_(role), ends_(CALLS) {}
Stream::~Stream() = default;

void Stream::put(Item item) {
    const Guard guard(streams_.mutex());
    queue_.push_back(std::move(item));
    ++queued_;
    streams_.go_on();
}

void Stream::start(std::function<void()> work) {
    const Guard guard(streams_.mutex());
    begun_ = true;
    put(Item{std::move(work), nullptr, 0});
}

bool Stream::step(bool must) {
    if (queue_.empty()) return false;
    const Stream *awaited = queue_.front().awaited;
    if (awaited != nullptr && awaited->done_ < queue_.front().position) {
        if (!must) return false;
        queue_.front().awaited->run_to(queue_.front().position);
    }
    const Item item = std::move(queue_.front());
    queue_.pop_front();
    if (item.work) item.work();
    ++done_;
    return true;
}

void Stream::run_to(uint64_t position) {
    while (done_ < position && step(true)) {}
}

void Stream::upload(void *to, const void *pinned, uint64_t bytes) { copy(to, pinned, bytes); }
void Stream::download(void *pinned, const void *from, uint64_t bytes) { copy(pinned, from, bytes); }

void Stream::copy(void *to, const void *from, uint64_t bytes) {
    start([=] { std::memcpy(to, from, bytes); });
}

void Stream::fill(void *to, int byte, uint64_t bytes) {
    start([=] { std::memset(to, byte, bytes); });
}

void Stream::note(Moment &moment) {
    const Guard guard(streams_.mutex());
    moment.stream_ = this;
    moment.position_ = queued_;
}

void Stream::wait_for(Moment &moment) {
    if (moment.stream_ != nullptr) put(Item{nullptr, moment.stream_, moment.position_});
}

void Stream::finish(Moment &moment, Wait wait) {
    const Guard guard(streams_.mutex());
    if (moment.stream_ == nullptr || streams_.omits(wait)) return;
    moment.stream_->run_to(moment.position_);
}

void Stream::finish_all() {
    const Guard guard(streams_.mutex());
    run_to(queued_);
}

Streams::Streams() {
    static const char *const waits[] = {"arrival", "reuse", "departure", "staging", "result"};
    if (const char *omitted = std::getenv("ZKINFER_TWIN_OMIT")) {
        const auto found = std::find(std::begin(waits), std::end(waits), std::string(omitted));
        if (found == std::end(waits)) throw Failure(ZKINFER_INVALID, "ZKINFER_TWIN_OMIT names no wait");
        omitted_ = found - std::begin(waits);
    }
    const char *order = std::getenv("ZKINFER_TWIN_STREAMS");
    const std::string name = order == nullptr ? "late" : order;
    if (name == "work-first") {
        order_ = Order::WORK_FIRST;
    } else if (name == "copies-first") {
        order_ = Order::COPIES_FIRST;
    } else if (name != "late") {
        order_ = Order::RANDOM;
        // Any number starts another sequence; a sequence of xorshift has no zero.
        random_ = std::strtoull(name.c_str(), nullptr, 10) * 2 + 1;
    }
}

Streams::~Streams() = default;

bool Streams::omits(Wait wait) const { return omitted_ == static_cast<int64_t>(wait); }

// Marsaglia, "Xorshift RNGs" (2003).
uint64_t Streams::draw() {
    random_ ^= random_ << 13;
    random_ ^= random_ >> 7;
    random_ ^= random_ << 17;
    return random_;
}

void Streams::go_on() {
    if (order_ == Order::LATE || busy_) return;
    busy_ = true;
    if (order_ == Order::RANDOM) {
        for (uint64_t steps = draw() % 4; steps > 0; --steps) all_[draw() % all_.size()]->step(false);
    } else {
        const Role first = order_ == Order::WORK_FIRST ? Role::WORK : Role::COPIES;
        for (const std::unique_ptr<Stream> &stream : all_) {
            while (stream->role() == first && stream->step(false)) {}
        }
    }
    busy_ = false;
}

Pinned::Pinned(uint64_t bytes) : memory_(new uint8_t[bytes]), bytes_(bytes) { std::memset(memory_, RUBBISH, bytes); }

Pinned::~Pinned() {
    std::memset(memory_, 0, bytes_);
    delete[] memory_;
}

#endif

} // namespace zkinfer
