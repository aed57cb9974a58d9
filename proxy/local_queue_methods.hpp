// The blocking methods of a Queue: by its ring in shared memory where it has one.
#pragma once

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <steward/core/codec.hpp>
#include <steward/core/errors.hpp>
#include <steward/core/padding.hpp>
#include <steward/proxy/delivery.hpp>
#include <steward/proxy/items.hpp>
#include <steward/proxy/local_queue.hpp>
#include <steward/proxy/queue_methods.hpp>
#include <steward/proxy/ring_item.hpp>

namespace steward {
namespace detail::proxy {

// The same methods, blocking, through the ring in shared memory: items go straight from process to
// process. Processes that go through the manager use the same queue, and items keep the order in
// which they were put, whichever way they came. What the shared memory cannot carry (proxies
// inside, too many large items for its blocks) the manager keeps; the item has its place all the
// same, and its takers ask the manager for it.
//
// What differs while a queue is in shared memory:
// - put_many is never one step; where it ends early, by an error, the first of its items are in.
// - Waiters are not served in the order in which they came: who looks first takes.
// - Limits::memory does not count what is in shared memory; the system's memory is the limit, and
//   three million items, past which an unbounded queue throws Overloaded.
// - If the manager is killed, local processes go on with what is in shared memory. What the manager
//   kept is gone: who takes it gets Disconnected, and the next take the item behind it.
template <class T>
class LocalQueueMethods : public QueueMethods<T, LocalQueue> {
  using General = QueueMethods<T, LocalQueue>;
  using Ring = shm::SharedQueue;
  using Method = proxy::Method;

 public:
  void put(const T& item, std::stop_token stop = {}) const {
    const Method method = until_stopped(std::move(stop), offering("put"));
    Ring* ring = this->ring(method);
    if (ring == nullptr) return General::put(item, method.stop);
    static_cast<void>(put_by(*ring, method, item, this->limit(method)));
  }
  bool try_put(const T& item) const {
    const Method method = changing("try_put");
    Ring* ring = this->ring(method);
    if (ring == nullptr) return General::try_put(item);
    const auto done = put_on(*ring, method, item, {Ring::kNow, true});
    return done ? *done : General::try_put(item);
  }
  template <class Rep, class Period>
  bool put_for(const T& item, std::chrono::duration<Rep, Period> wait,
               std::stop_token stop = {}) const {
    if (wait <= wait.zero()) return try_put(item);
    const Method method = within(wait, until_stopped(std::move(stop), offering("put")));
    Ring* ring = this->ring(method);
    if (ring == nullptr) return this->read_as(Done(), method, item);
    return put_by(*ring, method, item, this->limit(method));
  }
  void put_many(const Items<T>& items, std::stop_token stop = {}) const {
    const Method method = until_stopped(std::move(stop), waiting(changing("put_many")));
    Ring* ring = this->ring(method);
    if (ring == nullptr) return General::put_many(items, method.stop);
    const Limit limit = this->limit(method);
    const std::size_t done = put_many_on(*ring, method, items, limit);
    std::size_t at = 0;
    items.for_each([&](const T& item) {
      if (at++ >= done) static_cast<void>(put_by(*ring, method, item, limit));
    });
  }

  T get(std::stop_token stop = {}) const {
    const Method method = until_stopped(std::move(stop), taking("get"));
    Ring* ring = this->ring(method);
    return ring == nullptr ? General::get(method.stop)
                           : *take_from(*ring, method, this->limit(method));
  }
  std::optional<T> try_get() const {
    const Method method = trying("try_get");
    Ring* ring = this->ring(method);
    return ring == nullptr ? General::try_get() : take_from(*ring, method, {Ring::kNow, true});
  }
  template <class Rep, class Period>
  std::optional<T> get_for(std::chrono::duration<Rep, Period> wait,
                           std::stop_token stop = {}) const {
    if (wait <= wait.zero()) return try_get();
    const Method method = within(wait, until_stopped(std::move(stop), taking("get")));
    Ring* ring = this->ring(method);
    if (ring == nullptr) return this->read_as(InTime<As<T>>(), method);
    return take_from(*ring, method, this->limit(method));
  }
  std::vector<T> get_many(std::size_t max, std::stop_token stop = {}) const {
    const Method method = until_stopped(std::move(stop), taking("get_many"));
    Ring* ring = this->ring(method);
    return ring == nullptr ? General::get_many(max, method.stop)
                           : take_many_from(*ring, method, max);
  }

  // Waits for an item as get(), and takes it for at most `time` (what other job queues call the
  // time to run, TTR): see Delivery.
  template <class Rep, class Period>
  Delivery<T> reserve(std::chrono::duration<Rep, Period> time, std::stop_token stop = {}) const {
    const Method method = until_stopped(std::move(stop), taking("reserve"));
    Ring* ring = this->ring(method);
    return ring == nullptr ? reserve_in_manager(method, time) : reserve_on(*ring, method, time);
  }

  // Gives memory to write an item into, without waiting: see Loan. If the ring has no memory for
  // it, the Loan has memory of this process.
  Loan<T> loan() const
    requires std::is_trivially_copyable_v<T>
  {
    const Method method = offering("loan");
    Ring* ring = this->ring(method);
    if constexpr (kRawItem<T> && alignof(T) <= 64) {
      Ring::Loan room;
      if (ring != nullptr && lend(*ring, method, room)) return loan_on(*ring, room);
    }
    auto own = std::make_shared<T>();
    return {own.get(), {[queue = *this, own] { queue.put(*own); }, {}}};
  }

  // Waits for an item, and gives it to be read in place: see View.
  View<T> take(std::stop_token stop = {}) const
    requires std::is_trivially_copyable_v<T>
  {
    const Method method = until_stopped(std::move(stop), taking("take"));
    Ring* ring = this->ring(method);
    if constexpr (kRawItem<T> && alignof(T) <= 64) {
      if (ring != nullptr) return view_on(*ring, method);
    }
    const auto own = std::make_shared<std::optional<T>>();  // first: see view_on()
    own->emplace(get(method.stop));
    return {&**own, own};
  }

  std::size_t size() const {
    Ring* ring = this->ring(reading("size"));
    if (ring == nullptr) return General::size();
    return this->on_ring(reading("size"), [&] { return ring->size(); });
  }
  bool empty() const {
    Ring* ring = this->ring(reading("empty"));
    if (ring == nullptr) return General::empty();
    return this->on_ring(reading("empty"), [&] { return ring->size() == 0; });
  }
  bool full() const {
    Ring* ring = this->ring(reading("full"));
    if (ring == nullptr) return General::full();
    return this->on_ring(reading("full"), [&] { return ring->full(); });
  }

  void task_done() const {
    const Method method = changing("task_done");
    Ring* ring = this->ring(method);
    if (ring == nullptr) return General::task_done();
    if (this->on_ring(method, [&] { return ring->task_done(); })) return;
    throw BadCall(this->name(method) + ": task_done was called more often than items were taken");
  }
  void join(std::stop_token stop = {}) const {
    const Method method = until_stopped(std::move(stop), waiting(reading("join")));
    Ring* ring = this->ring(method);
    if (ring == nullptr) return General::join(method.stop);
    const auto limit = this->limit(method);
    const auto outcome = this->on_ring(method, [&] { return ring->join(limit.until()); });
    this->concluded(method, outcome, limit.own);
  }
  void close() const {
    const Method method = changing("close");
    Ring* ring = this->ring(method);
    if (ring == nullptr) return General::close();
    this->on_ring(method, [&] { ring->close(); });
  }

 protected:
  using General::General;
  using Limit = typename General::Limit;

 private:
  // An item that the manager keeps.
  struct Stub {
    std::uint64_t number;
    shm::Held held;
  };
  // An item that get_many took.
  struct Got {
    std::optional<T> value = {};
    std::uint64_t number = 0;  // of a stub
    bool held = false;         // not taken for good yet
  };
  // What a View looks at: an item of the ring, which is gone with it, or a value of its own.
  struct Viewed {
    explicit Viewed(const LocalQueueMethods& queue, Ring& ring) : queue(queue), ring(ring) {}
    Viewed(const Viewed&) = delete;
    Viewed& operator=(const Viewed&) = delete;
    ~Viewed() {
      if (held) queue.done_with(ring, *held, home);
    }

    const LocalQueueMethods queue;  // keeps the ring
    Ring& ring;
    const client::HomeProcess home = {};
    std::optional<T> value = {};
    std::optional<shm::Held> held = {};
  };
  // An item of the ring that is this process's for a time.
  struct Lease {
    shm::Held held;
    core::Deadline end;
  };

  // Into the ring or, if it cannot carry the item, through the manager, which keeps it.
  bool put_by(Ring& ring, const Method& method, const T& item, const Limit& limit) const {
    if (const auto done = put_on(ring, method, item, limit)) return *done;
    const Method put = this->by_manager(method, limit);
    return this->as_part_of(method, put, [&] { return this->read_as(Done(), put, item); });
  }

  // nullopt: it has handles inside, or there is no memory for it.
  std::optional<bool> put_on(Ring& ring, const Method& method, const T& item,
                             const Limit& limit) const {
    const auto put = [&](Bytes bytes) -> std::optional<bool> {
      const auto outcome = this->on_ring(method, [&] {
        return ring.put(bytes, kItemFormat<T>, limit.until(), Ring::NoBlock::tell);
      });
      if (outcome == Ring::Outcome::no_block) return std::nullopt;
      return this->concluded(method, outcome, limit.own);
    };
    if constexpr (kPlainItem<T>) {
      return put(std::as_bytes(std::span(&item, 1)));
    } else if constexpr (kRawItem<T>) {
      const auto bytes = core::clean_bytes(item);
      return put(std::as_bytes(std::span(bytes)));
    } else {
      std::string packed;
      if (!pack_for_ring(method, packed, item)) return std::nullopt;
      return put(bytes_of(packed));
    }
  }

  // How many of them the ring has taken: all, or those before the first that it cannot carry.
  std::size_t put_many_on(Ring& ring, const Method& method, const Items<T>& items,
                          const Limit& limit) const {
    std::vector<Bytes> views;
    views.reserve(items.size());
    std::string packed;
    if constexpr (kPlainItem<T>) {
      items.for_each([&](const T& item) { views.push_back(std::as_bytes(std::span(&item, 1))); });
    } else {
      std::vector<std::size_t> ends;
      bool plain = true;
      items.for_each([&](const T& item) {
        if constexpr (kRawItem<T>) {
          const auto bytes = core::clean_bytes(item);
          packed.append(bytes.data(), bytes.size());
        } else {
          plain = plain && pack_for_ring(method, packed, item);
        }
        ends.push_back(packed.size());
      });
      if (!plain) return 0;
      std::size_t begin = 0;
      for (const std::size_t end : ends) {
        views.push_back(bytes_of(packed).subspan(begin, end - begin));
        begin = end;
      }
    }
    std::size_t done = 0;
    const auto outcome = this->on_ring(method, [&] {
      return ring.put_many(views, kItemFormat<T>, limit.until(), done, Ring::NoBlock::tell);
    });
    if (outcome != Ring::Outcome::no_block) this->concluded(method, outcome, limit.own);
    return done;
  }

  bool pack_for_ring(const Method& method, std::string& out, const T& item) const {
    RingHandleCodec codec;
    const core::HandleCodecScope scope(codec);
    this->on_ring(method, [&] { write_element(out, item); });
    return !codec.met_handles();
  }

  std::optional<T> take_from(Ring& ring, const Method& method, const Limit& limit) const {
    for (;;) {
      std::optional<T> value;
      std::uint64_t number = 0;
      shm::Held held;
      const auto read = [&](const shm::Item& item) {
        if (item.format == static_cast<std::uint32_t>(ItemFormat::stub)) {
          number = this->stub_number(item.bytes);
          return false;
        }
        value.emplace(DecodedItem<T>{item});
        return true;
      };
      const auto outcome =
          this->on_ring(method, [&] { return ring.get(read, limit.until(), held); });
      if (!this->concluded(method, outcome, limit.own)) return std::nullopt;
      try {
        if (!value) value = redeem(ring, method, {number, held}, limit);
      } catch (const TimeoutError&) {
        if (limit.own && !limit.until().is_now()) return std::nullopt;
        throw;
      }
      if (value) return value;
    }
  }

  std::vector<T> take_many_from(Ring& ring, const Method& method, std::size_t max) const {
    const Limit limit = this->limit(method);
    for (;;) {
      std::vector<Got> got;
      std::vector<shm::Held> held;
      std::vector<T> all;
      const auto read = [&](const shm::Item& item) {
        Got& one = got.emplace_back();
        // Reserve here, where nothing is taken for good yet: this may throw for want of memory.
        if (all.capacity() < got.size()) all.reserve(got.capacity());
        if (item.format == static_cast<std::uint32_t>(ItemFormat::stub)) {
          one.number = this->stub_number(item.bytes);
        } else {
          one.value.emplace(DecodedItem<T>{item});
        }
        // Behind a stub that is the first, nothing is taken for good before that is redeemed.
        one.held = !got.front().value || !one.value;
        return !one.held;
      };
      const auto outcome =
          this->on_ring(method, [&] { return ring.get_many(max, read, limit.until(), held); });
      this->concluded(method, outcome, limit.own);
      redeem_all(ring, method, got, held, limit, all);
      if (!all.empty() || max == 0) return all;
    }
  }

  // The values, as far as that is possible: what has been taken is not to get lost because the
  // manager does not answer. What is left goes back, so that the next call meets it first. There is
  // room for all of them.
  void redeem_all(Ring& ring, const Method& method, std::vector<Got>& got,
                  const std::vector<shm::Held>& held, const Limit& limit,
                  std::vector<T>& values) const {
    auto next = held.begin();
    try {
      for (Got& one : got) {
        if (one.held) {
          const shm::Held& item = *next++;
          if (one.value) {
            // False: it is or was somebody else's.
            if (!ring.consume(item)) one.value.reset();
          } else {
            one.value = redeem(ring, method, {one.number, item}, limit, values.empty());
          }
        }
        if (one.value) values.push_back(*std::exchange(one.value, std::nullopt));
      }
    } catch (...) {
      for (; next != held.end(); ++next) this->give_back(ring, *next);
      if (values.empty()) throw;
      for (Got& one : got) {
        if (one.value && !one.held) values.push_back(*std::move(one.value));
      }
    }
  }

  template <class Rep, class Period>
  Delivery<T> reserve_on(Ring& ring, const Method& method,
                         std::chrono::duration<Rep, Period> time) const {
    const Limit limit = this->limit(method);
    // The end of the reservation is computed once the item is taken; its time does not begin while
    // this thread waits.
    for (;;) {
      std::optional<T> value;
      std::uint64_t number = 0;
      bool redelivered = false;
      Lease lease;
      const auto read = [&](const shm::Item& item) {
        redelivered = item.redelivered;
        if (item.format == static_cast<std::uint32_t>(ItemFormat::stub)) {
          number = this->stub_number(item.bytes);
        } else {
          value.emplace(DecodedItem<T>{item});
        }
        return true;
      };
      const auto outcome = this->on_ring(method, [&] {
        const auto until = [&] { return lease.end = core::deadline_after(time); };
        return ring.reserve(until, read, limit.until(), lease.held);
      });
      this->concluded(method, outcome, limit.own);
      const bool stub = !value;
      if (stub) value = fetch(ring, method, {number, lease.held}, limit);
      if (!value) continue;
      try {
        return delivery(ring, time, *std::move(value), redelivered, lease, stub, number);
      } catch (...) {
        this->give_back(ring, lease.held);
        throw;
      }
    }
  }

  template <class Rep, class Period>
  Delivery<T> delivery(Ring& ring, std::chrono::duration<Rep, Period> time, T value,
                       bool redelivered, const Lease& taken, bool stub,
                       std::uint64_t number) const {
    const auto lease = std::make_shared<Lease>(taken);
    // Whether the time is not over yet. If it is over, gives the item back, in case nobody else has
    // done that.
    const auto in_time = [&ring, lease] {
      if (!lease->end || std::chrono::steady_clock::now() < *lease->end) return true;
      static_cast<void>(ring.nack(lease->held));
      return false;
    };
    return {std::move(value), redelivered,
            {[queue = *this, &ring, lease, in_time, stub, number] {
               const bool mine = in_time() && ring.ack(lease->held);
               if (mine && stub) queue.redeemed(number);
               return mine;
             },
             [queue = *this, &ring, lease, in_time] {
               return in_time() && ring.nack(lease->held);
             },
             [queue = *this, &ring, lease, in_time, time] {
               if (!in_time()) return false;
               lease->end = core::deadline_after(time);
               return ring.touch(lease->held, lease->end.value_or(core::Time::max()));
             },
             [queue = *this, &ring, lease] { static_cast<void>(ring.nack(lease->held)); }}};
  }

  template <class Rep, class Period>
  Delivery<T> reserve_in_manager(const Method& method,
                                 std::chrono::duration<Rep, Period> time) const {
    const auto ms = this->milliseconds(time);
    std::uint64_t number = 0;
    try {
      auto [redelivered, value] = this->read_as(Reserved<As<T>>{number}, method, ms);
      const auto say = [queue = *this, number](std::string_view word, auto... more) {
        return queue.template call<bool>(changing(word), number, more...);
      };
      return {std::move(value), redelivered,
              {[say] { return say("ack"); }, [say] { return say("nack"); },
               [say, ms] { return say("touch", ms); },
               [queue = *this, number] { queue.given_back(number); }}};
    } catch (...) {
      if (number != 0) this->given_back(number);
      throw;
    }
  }

  // False: the ring has no memory for one.
  bool lend(Ring& ring, const Method& method, Ring::Loan& room) const {
    const auto outcome =
        this->on_ring(method, [&] { return ring.loan(sizeof(T), alignof(T), room); });
    return outcome != Ring::Outcome::no_block && this->concluded(method, outcome, false);
  }

  Loan<T> loan_on(Ring& ring, const Ring::Loan& room) const {
    const auto commit = [queue = *this, &ring, room] {
      const Method method = offering("commit");
      Limit limit;
      Ring::Outcome outcome{};
      try {
        if constexpr (!kPlainItem<T>) {
          const auto* item = std::launder(reinterpret_cast<const T*>(room.bytes.data()));
          const auto clean = core::clean_bytes(*item);
          std::memcpy(room.bytes.data(), clean.data(), clean.size());
        }
        limit = queue.limit(method);
        outcome = queue.on_ring(
            method, [&] { return ring.commit(room, kItemFormat<T>, limit.until()); });
      } catch (...) {
        ring.give_back(room);
        throw;
      }
      if (outcome != Ring::Outcome::done) ring.give_back(room);
      queue.concluded(method, outcome, limit.own);
    };
    try {
      // Begins the lifetime of a T; for most types this costs nothing.
      T* const place = ::new (room.bytes.data()) T;
      return {place, {commit, [queue = *this, &ring, room] { ring.give_back(room); }}};
    } catch (...) {
      ring.give_back(room);
      throw;
    }
  }

  View<T> view_on(Ring& ring, const Method& method) const {
    const Limit limit = this->limit(method);
    // Allocated before anything is taken, so that no item is lost for want of memory.
    const auto viewed = std::make_shared<Viewed>(*this, ring);
    for (;;) {
      std::optional<std::uint64_t> number;
      shm::Held held;
      const T* place = nullptr;
      const auto read = [&](const shm::Item& item) {
        if (item.format == static_cast<std::uint32_t>(ItemFormat::stub)) {
          number = this->stub_number(item.bytes);
          return false;
        }
        const bool in_place = item.format == kItemFormat<T> && item.bytes.size() == sizeof(T) &&
                              reinterpret_cast<std::uintptr_t>(item.bytes.data()) % alignof(T) == 0;
        if (in_place) {
          place = reinterpret_cast<const T*>(item.bytes.data());
        } else {
          viewed->value.emplace(DecodedItem<T>{item});
        }
        return !in_place;
      };
      const auto outcome =
          this->on_ring(method, [&] { return ring.get(read, limit.until(), held); });
      this->concluded(method, outcome, limit.own);
      if (number) {
        viewed->value = redeem(ring, method, {*number, held}, limit);
        if (!viewed->value) continue;
      }
      if (place != nullptr) {
        viewed->held = held;
      } else {
        place = &*viewed->value;
      }
      return {place, viewed};
    }
  }

  // The item of a stub, which stays where it is; nullopt: see redeem(). A form that does not wait
  // still waits for the manager's answer. If this throws, the item has gone back. But if its
  // manager is gone and `heard` is true (the caller passes the exception on), the item is removed,
  // so that the next call gets the one behind it.
  std::optional<T> fetch(Ring& ring, const Method& method, const Stub& stub, const Limit& limit,
                         bool heard = true) const {
    Method ask = reading("redeem");
    if (!limit.until().is_now()) ask.until = limit.until().deadline();
    bool answered = false;
    try {
      return this->as_part_of(method, ask, [&] {
        return this->read_as(Answered<As<T>>{answered}, ask, stub.number);
      });
    } catch (const std::out_of_range&) {
      if (answered) {  // the exception came from reading the T, not from the manager
        this->give_back(ring, stub.held);
        throw;
      }
      ring.ack(stub.held);
      return std::nullopt;
    } catch (const Disconnected&) {
      if (heard && this->manager_is_gone(ring)) {
        ring.ack(stub.held);
      } else {
        this->give_back(ring, stub.held);
      }
      throw;
    } catch (...) {
      this->give_back(ring, stub.held);
      throw;
    }
  }

  // The item from the manager, for good; nullopt: it is somebody else's.
  std::optional<T> redeem(Ring& ring, const Method& method, const Stub& stub, const Limit& limit,
                          bool heard = true) const {
    std::optional<T> value = fetch(ring, method, stub, limit, heard);
    if (!value || !ring.consume(stub.held)) return std::nullopt;
    this->redeemed(stub.number);
    return value;
  }
};

template <class T>
struct QueueMethodsOf {
  template <class Calls>
  struct Choose {
    using Type = QueueMethods<T, Calls>;
  };
  template <class Calls>
    requires std::same_as<Calls, Blocking>
  struct Choose<Calls> {
    using Type = LocalQueueMethods<T>;
  };
  template <class Calls>
  using Methods = typename Choose<Calls>::Type;
};

}  // namespace detail::proxy
}  // namespace steward
