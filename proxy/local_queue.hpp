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
#include <steward/core/handle_codec.hpp>
#include <steward/core/interrupt.hpp>
#include <steward/core/token.hpp>
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
class RingHandleCodec final : public core::HandleCodec {
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

  // nullptr: the queue has no ring that this process can use, and the call goes through the
  // manager; likewise for an empty proxy. Throws TimeoutError.
  Ring* ring(const Method& method) const;

  // When a call that begins now must end, what that means, and what may end it before. Refers to
  // the method, which outlives it.
  struct Limit {
    shm::Until time;
    bool own = false;  // the end of a timed form's own time: a result, not an error
    shm::Stopping stopping = {};

    shm::Until until() const {
      const bool stops = stopping.token != nullptr || stopping.interrupted != nullptr;
      return stops ? shm::Until(time, stopping) : time;
    }
  };
  Limit limit(const Method& method) const {
    const core::Deadline whole = deadline();
    const bool own = method.timed && !(whole && (!method.until || *whole < *method.until));
    Limit limit{own ? method.until : whole, own};
    if (method.stop.stop_possible()) limit.stopping.token = &method.stop;
    if (core::interrupt_check() != nullptr) {
      limit.stopping.interrupted = core::ask_interrupt_check;
    }
    return limit;
  }

  // The put() that the manager is asked for when the ring cannot carry the item, with what is left
  // of the call's time.
  static Method by_manager(const Method& whole, const Limit& limit) {
    Method method = until_stopped(whole.stop, offering("put"));
    method.timed = limit.own;
    method.until = limit.until().deadline();
    return method;
  }

  // True: done. False: a trying or timed form was not. Throws TimeoutError, Closed, Disconnected.
  // Must not be called for Outcome::no_block: then the caller asks the manager.
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

  // A duration as the manager takes it; nullopt: unlimited.
  template <class Rep, class Period>
  static std::optional<std::uint64_t> milliseconds(std::chrono::duration<Rep, Period> time) {
    if (time <= time.zero()) return 0;
    if (!core::deadline_after(time)) return std::nullopt;
    return static_cast<std::uint64_t>(std::chrono::ceil<std::chrono::milliseconds>(time).count());
  }

  // The number in a stub. Throws BadCall if the bytes are none.
  static std::uint64_t stub_number(Bytes bytes);
  // Tells the manager that the stub is gone from the ring, so that it need not keep the item.
  // Throws nothing: if this fails, the manager finds out when the session ends.
  void redeemed(std::uint64_t number) const noexcept;
  // Ends the taking of an item that was looked at in place, in the process `home`; in a forked copy
  // of that process does nothing. Throws nothing: if the memory is damaged, nobody takes from the
  // queue any more.
  static void done_with(Ring& ring, const shm::Held& held, client::HomeProcess home) noexcept;
  // Gives the item back to the ring. If that fails, the item comes back when this process ends: the
  // caller has another error to report.
  static void give_back(Ring& ring, const shm::Held& held) noexcept;
  // Whether the manager is known to be gone; false if that cannot be found out.
  static bool manager_is_gone(Ring& ring) noexcept;
  // Gives back what was reserved under this number, without waiting for the answer.
  void given_back(std::uint64_t number) const { post(changing("nack"), number); }

 private:
  // Nobody waits for it.
  void post(const Method& method, std::uint64_t number) const;
  [[noreturn]] void fail_on_ring(const Method& method) const;
  [[noreturn]] void fail_as_part_of(const Method& whole, const Method& part) const;
};

}  // namespace steward::detail::proxy
