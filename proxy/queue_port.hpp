// QueuePort: what the methods of a queue's proxy do, in bytes: by the ring in shared memory where
// the queue has one, else through the manager. The typed half is in queue_methods.hpp.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include <steward/core/clock.hpp>
#include <steward/proxy/blocking.hpp>
#include <steward/proxy/delivery.hpp>
#include <steward/proxy/function_ref.hpp>
#include <steward/shm/item.hpp>

namespace steward::detail::shm {
class SharedQueue;
}

namespace steward::detail::proxy {

// How an item's bytes are to be read. The manager reads them likewise, for its other clients.
enum class ItemFormat : std::uint32_t {
  packed = 0,  // a MessagePack value
  raw = 1,     // the bytes of a trivially copyable struct
  stub = 2,    // the manager keeps the item, under this number (8 bytes, little-endian)
};

// An item to be put. Refers to the caller's, which outlives the call.
struct Outgoing {
  const void* item;
  void (*write)(std::string& out, const void* item);  // as a MessagePack value
  shm::Bytes raw = {};  // what travels by the ring instead; empty: the MessagePack value does

  void write_argument(std::string& out) const { write(out, item); }
};

// Several, likewise.
struct OutgoingItems {
  const void* items;
  std::size_t size;
  void (*write)(std::string& out, const void* items);  // as a MessagePack array
  void (*visit)(const void* items, FunctionRef<void(const Outgoing&)> visit);
  shm::Bytes raw = {};  // that of all, one behind the other; empty: they are to be visited

  void write_argument(std::string& out) const { write(out, items); }
};

// Is shown an item, and decodes it: raw bytes or, from the ring and from the manager alike, a
// MessagePack value, under the rules for handles that are right for it. Returns true; false if it
// looks at the item where it lies, which view() alone lets it do. What it throws is the call's
// error, and the item goes back, flagged. Shown another one, it forgets the one before: that had
// become somebody else's.
using ItemReader = FunctionRef<bool(const shm::Item&)>;
// Likewise for several, by their place in the result. nullptr: there is nothing in this place, or
// not yet. A place comes for the first time after those before it.
using SlotReader = FunctionRef<void(std::size_t slot, const shm::Item*)>;

// The base of a queue's blocking methods: all that does not depend on the type of the items.
// Whether a call waits for what it is for, its Method says (parks), and what else may end it.
// Thread safety and ownership: as Target. Errors: as QueueMethods says.
class QueuePort : public Blocking {
 public:
  // Of the moment: another process may change it before the caller looks.
  std::size_t size() const;
  bool empty() const;
  bool full() const;
  // 0: unbounded.
  std::size_t maxsize() const;

  // Reports that one taken item has been dealt with. BadCall if there is none left to report: more
  // reports than items that were taken.
  void task_done() const;
  // Waits until every item ever put has been reported by task_done().
  void join(std::stop_token stop = {}) const;

  // Nothing more can be put; what is there can be taken. Wakes who waits. May be called again.
  void close() const;

 protected:
  using Blocking::Blocking;

  // Whether the queue has a ring that this process can use. Throws StaleHandle, Disconnected,
  // TimeoutError.
  bool has_ring(const Method& method) const { return ring(method) != nullptr; }

  // False: a form that does not wait, or not that long, found no room.
  bool put(const Method& method, const Outgoing& item) const;
  void put_many(const Method& method, const OutgoingItems& items) const;
  // False: likewise, it found no item.
  bool take(const Method& method, ItemReader read) const;
  void take_many(const Method& method, std::size_t max, SlotReader read) const;
  // nullopt for a time: without end.
  Lent<LeaseWays> reserve(const Method& method, std::optional<core::Duration> time,
                          ItemReader read, bool& redelivered) const;
  // Who owns the item that the reader looks at; null: it has taken the item.
  std::shared_ptr<const void> view(const Method& method, ItemReader read) const;
  // Room for one raw item, at `place`, whose bytes go through `clean`, if there is one, before they
  // are put. Empty: the ring has none.
  using Clean = void (*)(void* bytes);
  Lent<RoomWays> loan(const Method& method, std::size_t bytes, std::size_t alignment, Clean clean,
                      void*& place) const;

 private:
  using Ring = shm::SharedQueue;
  struct Limit;
  class RingCall;
  struct InPlace;
  class RingLease;
  class ManagerLease;
  class RingRoom;

  // nullptr: the queue has no ring that this process can use, and the call goes through the
  // manager; likewise for an empty proxy, and for a timed form whose own time is over. Throws as
  // session().
  Ring* ring(const Method& method) const;
  Ring* ring(const Method& method, const Limit& limit) const;

  // A call without arguments, by an operation of the ring or through the manager.
  template <class R, class F>
  R ask(const Method& method, F operation) const;

  bool put_in_manager(const Method& method, const TimeLimit& limit, const Outgoing& item) const;
  // Shows the item that a reply has brought.
  static void show_reply(std::string_view encoded, ItemReader read);
  bool take_in_manager(const Method& method, const TimeLimit& limit, ItemReader read) const;
  void take_many_in_manager(const Method& method, const TimeLimit& limit, std::size_t max,
                            SlotReader read) const;
  Lent<LeaseWays> reserve_in_manager(const Method& method, const TimeLimit& limit,
                                     std::optional<core::Duration> time, ItemReader read,
                                     bool& redelivered) const;

  // Tells the manager that the stub is gone from the ring, so that it need not keep the item.
  // Throws nothing: if this fails, the manager finds out when the session ends.
  void redeemed(std::uint64_t number) const noexcept;
  // Gives back what was reserved under this number, without waiting for the answer.
  void given_back(std::uint64_t number) const { post(changing("nack"), number); }
  // Nobody waits for it.
  void post(const Method& method, std::uint64_t number) const;
  [[noreturn]] void fail_on_ring(const Method& method) const;
  [[noreturn]] void fail_as_part_of(const Method& whole, const Method& part) const;
};

}  // namespace steward::detail::proxy
