// The methods of a Queue: they encode and decode its items, and QueuePort does the rest.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <optional>
#include <stop_token>
#include <type_traits>
#include <utility>
#include <vector>

#include <steward/core/clock.hpp>
#include <steward/core/padding.hpp>
#include <steward/proxy/delivery.hpp>
#include <steward/proxy/items.hpp>
#include <steward/proxy/queue_port.hpp>
#include <steward/proxy/ring_item.hpp>

namespace steward {
namespace detail::proxy {

// The methods of a Queue. `f` waits, `try_f` waits for the manager's answer at most, `f_for` waits
// that long. Through the manager waiters are served first come, first served.
//
// An item is in the queue when its put returns. What a taker has not received stays in the queue,
// or comes back to its front: an item is never lost on the way, nor taken twice.
//
// Items come out in the order in which they were put. maxsize counts items, of any size. An item is
// at most as long as one message to the manager (core::Limits::message_bytes, 64 MiB), less 256
// bytes.
//
// Methods throw Closed (puts into a closed queue, takes once it is empty as well), Overloaded (the
// item is too large, or the manager's or the system's memory is used up; nothing was put),
// StaleHandle, Disconnected (the manager has ended, or the queue's shared memory is damaged),
// OutcomeUnknown, and TimeoutError on a copy with_timeout(). Whoever waits with a std::stop_token
// gets Interrupted once a stop is requested, before or during the wait: nothing was taken, and
// nothing was put (through the manager an item may be put all the same, of put_many() the first
// ones; what was handed over at that moment comes back, flagged as redelivered). Takes throw
// BadCall for what is no T, which stays in the queue, flagged as redelivered. So does, although it
// can be put, a hash table of more than some ten thousand keys that have one hash (by a poor hash
// of the program's own: BadCall), and what takes more memory as a Value than SECURITY.md says
// (Overloaded).
//
// Items go straight from process to process, by the ring in shared memory, where the queue has one
// and the process is on its host. Processes that go through the manager use the same queue, and
// items keep the order in which they were put, whichever way they came. What the shared memory
// cannot carry (proxies inside, too many large items for its blocks) the manager keeps; the item
// has its place all the same, and its takers ask the manager for it.
//
// What differs while a queue is in shared memory:
// - put_many is never one step; where it ends early, by an error, the first of its items are in.
// - Waiters are not served in the order in which they came: who looks first takes.
// - Limits::memory does not count what is in shared memory; the system's memory is the limit, and
//   three million items, past which an unbounded queue throws Overloaded.
// - If the manager is killed, local processes go on with what is in shared memory. What the manager
//   kept is gone: who takes it gets Disconnected, and the next take the item behind it.
template <class T>
class QueueMethods : public QueuePort {
 public:
  // Waits while the queue is full.
  void put(const T& item, std::stop_token stop = {}) const {
    static_cast<void>(QueuePort::put(until_stopped(std::move(stop), offering("put")),
                                     OutgoingOf<T>(item)));
  }
  // False: the queue is full.
  bool try_put(const T& item) const {
    return QueuePort::put(changing("try_put"), OutgoingOf<T>(item));
  }
  // False: the queue was full all that time; the item is not in it. Throws TimeoutError if the
  // item goes by the manager (also that of a queue in shared memory may) and that did not say so
  // in 100 ms more: the outcome is unknown then, the item may be in the queue.
  template <class Rep, class Period>
  bool put_for(const T& item, std::chrono::duration<Rep, Period> wait,
               std::stop_token stop = {}) const {
    if (wait <= wait.zero()) return try_put(item);
    return QueuePort::put(within(wait, until_stopped(std::move(stop), offering("put"))),
                          OutgoingOf<T>(item));
  }
  // All of them, in this order and one behind the other as space allows; returns when all are in.
  // No single step, but where the items are in the manager and there is room for all of them.
  void put_many(const Items<T>& items, std::stop_token stop = {}) const {
    QueuePort::put_many(until_stopped(std::move(stop), waiting(changing("put_many"))),
                        outgoing(items));
  }

  // Waits while the queue is empty.
  T get(std::stop_token stop = {}) const {
    return *take_one(until_stopped(std::move(stop), taking("get")));
  }
  template <class Rep, class Period>
  void get(std::chrono::duration<Rep, Period>) const {
    static_assert(sizeof(Rep) == 0,
                  "get() takes no time: get_for(time) gives nullopt once it is over");
  }
  // nullopt: the queue is empty.
  std::optional<T> try_get() const { return take_one(trying("try_get")); }
  // nullopt: the queue was empty all that time; nothing was taken.
  template <class Rep, class Period>
  std::optional<T> get_for(std::chrono::duration<Rep, Period> wait,
                           std::stop_token stop = {}) const {
    if (wait <= wait.zero()) return try_get();
    return take_one(within(wait, until_stopped(std::move(stop), taking("get"))));
  }
  // Waits for the first item, then takes what is there, at most `max`; for 0 nothing. Overloaded if
  // the manager has the items and they are more than one message takes: they are lost then.
  std::vector<T> get_many(std::size_t max, std::stop_token stop = {}) const {
    std::vector<std::optional<T>> slots;
    std::vector<T> items;
    const auto read = [&](std::size_t slot, const shm::Item* item) {
      if (slot == slots.size()) slots.emplace_back();
      // Here, where nothing is taken for good yet: this may throw for want of memory.
      if (items.capacity() < slots.size()) items.reserve(slots.capacity());
      slots[slot].reset();
      if (item != nullptr) slots[slot].emplace(DecodedItem<T>{*item});
    };
    take_many(until_stopped(std::move(stop), taking("get_many")), max, read);
    for (auto& slot : slots) {
      if (slot) items.push_back(*std::move(slot));
    }
    return items;
  }

  // Waits for an item as get(), and takes it for at most `time` (what other job queues call the
  // time to run, TTR): see Delivery.
  template <class Rep, class Period>
  Delivery<T> reserve(std::chrono::duration<Rep, Period> time, std::stop_token stop = {}) const {
    std::optional<T> item;
    const auto read = reader(item);
    bool redelivered = false;
    auto lease = QueuePort::reserve(until_stopped(std::move(stop), taking("reserve")),
                                    length(time), read, redelivered);
    return {*std::move(item), redelivered, std::move(lease)};
  }

  // Gives memory to write an item into, without waiting: see Loan. If the ring has no memory for
  // it, the Loan has memory of this process.
  Loan<T> loan() const
    requires std::is_trivially_copyable_v<T>
  {
    const Method method = offering("loan");
    if constexpr (kLiesInPlace<T>) {
      void* place = nullptr;
      auto room = QueuePort::loan(method, sizeof(T), alignof(T), kPlainItem<T> ? nullptr : clean,
                                  place);
      // Begins the lifetime of a T; for most types this costs nothing.
      if (place != nullptr) return {::new (place) T, std::move(room)};
    } else {
      static_cast<void>(has_ring(method));  // also says what is wrong with the queue
    }
    auto own = std::make_unique<OwnRoom>(*this);
    T* const place = &own->item;
    return {place, Lent<RoomWays>(std::move(own))};
  }

  // Waits for an item, and gives it to be read in place: see View.
  View<T> take(std::stop_token stop = {}) const
    requires std::is_trivially_copyable_v<T>
  {
    const T* place = nullptr;
    std::shared_ptr<const T> own;
    const auto read = [&](const shm::Item& item) {
      if constexpr (kLiesInPlace<T>) {
        if (lies_as_it_is(item)) {
          place = reinterpret_cast<const T*>(item.bytes.data());
          return false;
        }
      }
      own = std::make_shared<T>(DecodedItem<T>{item});
      return true;
    };
    auto owner = view(until_stopped(std::move(stop), taking("take")), read);
    if (owner != nullptr) return {place, std::move(owner)};
    return {own.get(), own};
  }

 protected:
  using QueuePort::QueuePort;

 private:
  // Memory of this process, where the ring has none.
  struct OwnRoom final : RoomWays {
    explicit OwnRoom(const QueueMethods& queue) : queue(queue) {}
    void commit() override { queue.put(item); }
    void drop() override {}

    const QueueMethods queue;
    T item{};
  };

  static bool lies_as_it_is(const shm::Item& item) {
    return item.format == kItemFormat<T> && item.bytes.size() == sizeof(T) &&
           reinterpret_cast<std::uintptr_t>(item.bytes.data()) % alignof(T) == 0;
  }
  static void clean(void* bytes) {
    const auto clean = core::clean_bytes(*std::launder(static_cast<const T*>(bytes)));
    std::memcpy(bytes, clean.data(), clean.size());
  }

  // nullopt: without end.
  template <class Rep, class Period>
  static std::optional<core::Duration> length(std::chrono::duration<Rep, Period> time) {
    if (time <= time.zero()) return core::Duration::zero();
    if (!core::deadline_after(time)) return std::nullopt;
    return std::chrono::ceil<core::Duration>(time);
  }

  static auto reader(std::optional<T>& item) {
    return [&item](const shm::Item& shown) {
      item.emplace(DecodedItem<T>{shown});
      return true;
    };
  }
  std::optional<T> take_one(const Method& method) const {
    std::optional<T> item;
    const auto read = reader(item);
    // What was shown, and then not to be had, is not the caller's.
    if (!QueuePort::take(method, read)) item.reset();
    return item;
  }
};

template <class T>
struct QueueMethodsOf {
  // There is one policy: Blocking.
  template <class Calls>
  using Methods = QueueMethods<T>;
};

}  // namespace detail::proxy
}  // namespace steward
