// LocalQueue: what the methods of a queue's proxy do where the queue has a ring in shared memory.
// Bytes only; the typed half is in local_queue_methods.hpp.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <steward/client/home_process.hpp>
#include <steward/core/token.hpp>
#include <steward/core/travel.hpp>
#include <steward/proxy/blocking.hpp>
#include <steward/shm/bytes.hpp>
#include <steward/shm/shared_queue.hpp>

namespace steward::detail::proxy {

// How an item's bytes are to be read. The manager reads them likewise, for its other clients.
enum class ItemFormat : std::uint32_t {
  packed = 0,  // a MessagePack value
  raw = 1,     // the bytes of a trivially copyable struct
  stub = 2,    // the manager keeps the item, under this number (8 bytes, little-endian)
};

using shm::Bytes;
using shm::bytes_of;
using shm::text_of;

// The rules for handles in items of a ring: nobody counts references in there, so an item with one
// goes through the manager, which does. What a hostile neighbour writes all the same becomes a
// plain token.
class RingTravel final : public core::Travel {
 public:
  bool met_handles() const { return met_; }
  core::Token outgoing(const core::Reference& reference) override {
    met_ = true;
    return reference.token();
  }
  core::ReferencePtr incoming(core::Token token) override {
    return std::make_shared<const core::Reference>(std::move(token));
  }

 private:
  bool met_ = false;
};

// The base of a queue's blocking methods. Thread safety and ownership: as Target.
class LocalQueue : public Blocking {
 protected:
  using Blocking::Blocking;
  using Ring = shm::SharedQueue;

  // nullptr: the general road. An empty proxy has none. Throws TimeoutError.
  Ring* ring(const Method& method) const;

  // When a call that begins now must end, and what that means.
  struct Limit {
    shm::Until until;
    bool own = false;  // the end of a timed form's own time: a result, not an error
  };
  Limit limit(const Method& method) const {
    const core::Deadline whole = deadline();
    if (!method.timed) return {whole, false};
    const bool whole_first = whole && (!method.until || *whole < *method.until);
    return whole_first ? Limit{whole, false} : Limit{method.until, true};
  }

  // A put by the general road, in what is left of a call's time.
  static Method by_manager(const Limit& limit) {
    Method method = offering("put");
    method.timed = limit.own;
    method.until = limit.until.deadline();
    return method;
  }

  // True: done. False: a trying or timed form was not. Throws TimeoutError, Closed, Disconnected.
  // Not for no_block: the manager's road is open then.
  bool concluded(const Method& method, Ring::Outcome outcome, bool own_time) const;

  // Runs an operation of the ring; its errors get the call's name in front.
  template <class F>
  auto on_ring(const Method& method, F&& operation) const {
    try {
      return operation();
    } catch (...) {
      fail_on_ring(method);
    }
  }

  // Runs a call to the manager that is part of another; its errors get the name of that.
  template <class F>
  auto as_part_of(const Method& whole, const Method& part, F&& call) const {
    try {
      return call();
    } catch (...) {
      fail_as_part_of(whole, part);
    }
  }

  // As the manager is told of a time; nullopt: without end.
  template <class Rep, class Period>
  static std::optional<std::uint64_t> milliseconds(std::chrono::duration<Rep, Period> time) {
    if (time <= time.zero()) return 0;
    if (!core::deadline_after(time)) return std::nullopt;
    return static_cast<std::uint64_t>(std::chrono::ceil<std::chrono::milliseconds>(time).count());
  }

  // The number in a stub. Throws BadCall if the bytes are none.
  static std::uint64_t stub_number(Bytes bytes);
  // The manager need not keep that item any more: the stub is gone from the ring. Throws nothing:
  // what it is not told, the manager finds out when this session ends.
  void redeemed(std::uint64_t number) const noexcept;
  // It has been looked at in place, in the process `home`: to a copy that a fork has made of who
  // looks nothing is left to be done. Throws nothing: from damaged memory nobody takes any more.
  static void done_with(Ring& ring, const shm::Held& held, client::HomeProcess home) noexcept;
  // Back into the ring, as far as that is possible: where it is not, the item comes back when this
  // process ends. For who has something else to say.
  static void give_back(Ring& ring, const shm::Held& held) noexcept;
  // Where that cannot be found out it is not known to be gone.
  static bool manager_is_gone(Ring& ring) noexcept;
  // Nobody here wants any more what was reserved under that number.
  void given_back(std::uint64_t number) const { post(changing("nack"), number); }

 private:
  // Nobody waits for it.
  void post(const Method& method, std::uint64_t number) const;
  [[noreturn]] void fail_on_ring(const Method& method) const;
  [[noreturn]] void fail_as_part_of(const Method& whole, const Method& part) const;
};

}  // namespace steward::detail::proxy
