// Streams: work that is done in order, beside that of other streams; and what waits for what.
//
// On devices a stream is CUDA's, and a moment an event. The host twin keeps what is started in a queue for each stream and does it when
// somebody waits for it: as late as that allows, or in other orders (ZKINFER_TWIN_STREAMS), so that a wait that is missing shows as
// other bytes. ZKINFER_TWIN_OMIT leaves waits of one kind out, to show that it does.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#ifdef __CUDACC__
#include <cuda_runtime.h>
#else
#include <deque>
#include <functional>
#endif

namespace zkinfer {

// What somebody waits for.
enum class Wait : uint32_t {
    // A reader: until what it reads has come from the host, or was made by another stream.
    ARRIVAL,
    // Who takes a block of memory: until its former users are done with it.
    REUSE,
    // A copy to the host beside the work: until what it copies has been made.
    DEPARTURE,
    // The host: until it may overwrite what is on its way to the device.
    STAGING,
    // The host: until what it reads has come from the device.
    RESULT,
};

// What a stream is for.
enum class Role : uint32_t { WORK, COPIES };

class Stream;
class Streams;

// A point in a stream's work.
class Moment {
  public:
    Moment();
    ~Moment();
    Moment(const Moment &) = delete;
    Moment &operator=(const Moment &) = delete;

  private:
    friend class Stream;
#ifdef __CUDACC__
    cudaEvent_t event_ = nullptr;
#else
    Stream *stream_ = nullptr;
    uint64_t position_ = 0;
#endif
};

// Work in order. What was started by the end of a call has a number, its ticket.
class Stream {
  public:
    Stream(Streams &streams, uint32_t number, Role role);
    ~Stream();
    Stream(const Stream &) = delete;
    Stream &operator=(const Stream &) = delete;

    uint32_t number() const { return number_; }
    Role role() const { return role_; }

    // `pinned` is memory of the host that stays as it is until the copy is done; see Staging.
    void upload(void *to, const void *pinned, uint64_t bytes);
    void download(void *pinned, const void *from, uint64_t bytes);
    void copy(void *to, const void *from, uint64_t bytes);
    void fill(void *to, int byte, uint64_t bytes);
#ifdef __CUDACC__
    cudaStream_t raw() const { return stream_; }
    // Notes that something was started.
    void started();
#else
    void start(std::function<void()> work);
#endif

    // Ends a call.
    void end_call();
    // What was started so far, in the call that has not ended or before.
    uint64_t ticket() const;
    // Whatever is started from now on comes after what `other` has done up to a ticket.
    void wait_for(Stream &other, uint64_t ticket, Wait wait);
    // The moment after what was started so far; and the host waits for one.
    void note(Moment &moment);
    void finish(Moment &moment, Wait wait);
    // The host waits for everything.
    void finish_all();

  private:
    // Ends of calls that can be told apart; for older ones the oldest of these is waited for.
    static constexpr uint64_t CALLS = 256;

    void wait_for(Moment &moment);

    Streams &streams_;
    uint32_t number_;
    Role role_;
    // Calls that have started something and ended; whether one has and has not.
    uint64_t ended_ = 0;
    bool begun_ = false;
    std::vector<std::unique_ptr<Moment>> ends_;
    // Tickets of other streams that were waited for, by their numbers.
    std::vector<uint64_t> seen_;
    Moment now_;
#ifdef __CUDACC__
    cudaStream_t stream_ = nullptr;
#else
    friend class Streams;

    // Something to do, or a moment of another stream to wait for.
    struct Item {
        std::function<void()> work;
        Stream *awaited;
        uint64_t position;
    };

    void put(Item item);
    // Does the next item; waits for another stream only if it must. Whether it was done.
    bool step(bool must);
    void run_to(uint64_t position);

    std::deque<Item> queue_;
    uint64_t queued_ = 0;
    uint64_t done_ = 0;
#endif
};

// The streams of a device.
class Streams {
  public:
    // Streams that there are at most: as many as a word has bits.
    static constexpr uint32_t MOST = 64;

    Streams();
    ~Streams();
    Streams(const Streams &) = delete;
    Streams &operator=(const Streams &) = delete;

    // An idle stream, for somebody alone.
    Stream &take(Role role);
    void give_back(Stream &stream) noexcept;
    Stream &at(uint32_t number);
    uint32_t count() const { return static_cast<uint32_t>(all_.size()); }
    // Held while streams are changed; a thread may take it again.
    std::recursive_mutex &mutex() const { return mutex_; }
    // Whether waits of this kind are left out.
    bool omits(Wait wait) const;
#ifndef __CUDACC__
    // Does some of what can be done, in the order that a test asks for.
    void go_on();
#endif

  private:
    mutable std::recursive_mutex mutex_;
    std::vector<std::unique_ptr<Stream>> all_;
    std::vector<Stream *> idle_;
#ifndef __CUDACC__
    enum class Order { LATE, WORK_FIRST, COPIES_FIRST, RANDOM };

    uint64_t draw();

    Order order_ = Order::LATE;
    uint64_t random_ = 0;
    int64_t omitted_ = -1;
    // Whether something is being done.
    bool busy_ = false;
#endif
};

// Memory of the host that copies begin from, or end in, while the host goes on. It is erased in the end.
class Pinned {
  public:
    explicit Pinned(uint64_t bytes);
    ~Pinned();
    Pinned(const Pinned &) = delete;
    Pinned &operator=(const Pinned &) = delete;

    uint8_t *get() const { return memory_; }
    uint64_t bytes() const { return bytes_; }

  private:
    uint8_t *memory_ = nullptr;
    uint64_t bytes_;
};

// Copies between a stream's device and memory of any kind, by way of two chunks of pinned memory in turns: while one of them is on its
// way, the host fills or empties the other.
class Staging {
  public:
    Staging(Stream &stream, uint64_t chunk) : stream_(stream), chunk_(chunk), position_(chunk) {}

    // When it returns, `from` may be overwritten; the copy is on its way.
    void upload(void *to, const void *from, uint64_t bytes);
    // When it returns, it is done.
    void download(void *to, const void *from, uint64_t bytes);

  private:
    uint8_t *place(uint32_t chunk) const { return memory_->get() + chunk * chunk_; }
    // Takes up the other chunk, once its copies are done.
    void turn();

    Stream &stream_;
    uint64_t chunk_;
    std::unique_ptr<Pinned> memory_;
    uint32_t current_ = 0;
    uint64_t position_;
    Moment moments_[2];
};

} // namespace zkinfer
