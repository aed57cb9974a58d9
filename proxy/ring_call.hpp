// RingCall: a call of a queue that goes by the queue's ring. A part of QueuePort: for its sources
// alone, since it brings the ring's algorithm along.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <steward/client/home_process.hpp>
#include <steward/core/handle_codec.hpp>
#include <steward/core/interrupt.hpp>
#include <steward/proxy/queue_port.hpp>
#include <steward/shm/shared_queue.hpp>
#include <steward/shm/until.hpp>

namespace steward::detail::proxy {

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

// When a call that begins now must end, what that means, and what may end it before. Refers to the
// method, which outlives it.
struct QueuePort::Limit {
  Limit(const QueuePort& port, const Method& method)
      : time(port.time_limit(method)), until(time.end) {
    if (method.stop.stop_possible()) stopping.token = &method.stop;
    if (core::interrupt_check() != nullptr) stopping.interrupted = core::ask_interrupt_check;
    if (stopping.token != nullptr || stopping.interrupted != nullptr) {
      until = shm::Until(until, stopping);
    }
  }
  Limit(const Limit&) = delete;
  Limit& operator=(const Limit&) = delete;

  const TimeLimit time;
  shm::Until until;
  shm::Stopping stopping = {};
};

// On the stack of the call. The hot part is here: of a few dozen nanoseconds, each call that is not
// made inline counts.
class QueuePort::RingCall {
 public:
  RingCall(const QueuePort& port, Ring& ring, const Method& method, const Limit& limit)
      : port_(port), ring_(ring), method_(method), limit_(limit) {}

  // Runs an operation of the ring; its errors get the call's name in front.
  template <class F>
  auto on_ring(F&& operation) const {
    try {
      return operation();
    } catch (...) {
      port_.fail_on_ring(method_);
    }
  }
  // Runs a call to the manager that is part of this one; its errors get the name of this.
  template <class F>
  auto as_part(const Method& part, F&& call) const {
    try {
      return call();
    } catch (...) {
      port_.fail_as_part_of(method_, part);
    }
  }
  // True: done. False: a trying or timed form was not. Throws TimeoutError, Closed, Disconnected.
  bool concluded(Ring::Outcome outcome) const {
    return outcome == Ring::Outcome::done || failed(outcome);
  }

  // Into the ring or, if it cannot carry the item, through the manager, which keeps it.
  bool put(const Outgoing& item) const {
    const Ring::Outcome outcome =
        item.raw.empty() ? put_packed(item) : put_bytes(item.raw, ItemFormat::raw);
    if (outcome == Ring::Outcome::done) return true;
    return outcome == Ring::Outcome::no_block ? put_by_manager(item) : failed(outcome);
  }
  void put_many(const OutgoingItems& items) const;

  enum class Took { nothing, item, place };
  // place: the reader looks at the item, which is `held`.
  Took take(ItemReader read, shm::Held& held) const {
    for (;;) {
      std::optional<std::uint64_t> stub;
      bool taken = true;
      const auto look = [&](const shm::Item& item) {
        if (is_stub(item)) {
          stub = number_of(item);
          return false;
        }
        taken = show(item, read);
        return taken;
      };
      const auto outcome = on_ring([&] { return ring_.get(look, until(), held); });
      if (outcome != Ring::Outcome::done) {
        static_cast<void>(failed(outcome));
        return Took::nothing;
      }
      if (!stub) return taken ? Took::item : Took::place;
      if (const auto took = redeem_in_time(*stub, held, read)) return *took;
    }
  }
  void take_many(std::size_t max, SlotReader read) const;

  static bool is_stub(const shm::Item& item) {
    return item.format == static_cast<std::uint32_t>(ItemFormat::stub);
  }
  // The number in a stub. Throws BadCall if the bytes are none.
  static std::uint64_t number_of(const shm::Item& stub);
  static bool show(const shm::Item& item, ItemReader read) {
    if (item.format == static_cast<std::uint32_t>(ItemFormat::raw)) return read(item);
    return show_packed(item, read);
  }

  // The item of a stub, which stays where it is. False: it is somebody else's. A form that does not
  // wait still waits for the manager's answer; the call's stop ends that wait, too. If this throws,
  // the item has gone back. But if its manager is gone and `heard` is true (the caller passes the
  // exception on), the item is removed, so that the next call gets the one behind it; and in a
  // child that a check has forked it stays the parent's.
  bool fetch(std::uint64_t stub, const shm::Held& held, ItemReader read, bool heard = true) const;

 private:
  // An item that take_many() has not taken for good yet.
  struct Later {
    std::size_t slot;
    std::optional<std::uint64_t> stub;
  };

  // A form that does not wait has no time.
  shm::Until until() const { return method_.parks ? limit_.until : shm::Until(Ring::kNow); }
  bool own_time() const { return !method_.parks || limit_.time.own; }

  bool failed(Ring::Outcome outcome) const;
  static bool show_packed(const shm::Item& item, ItemReader read);

  Ring::Outcome put_bytes(shm::Bytes bytes, ItemFormat format) const {
    return on_ring([&] {
      return ring_.put(bytes, static_cast<std::uint32_t>(format), until(), Ring::NoBlock::tell);
    });
  }
  Ring::Outcome put_packed(const Outgoing& item) const;
  bool put_by_manager(const Outgoing& item) const;
  std::size_t put_those_that_fit(const OutgoingItems& items) const;

  // The item from the manager, for good; false: it is somebody else's.
  bool redeem(std::uint64_t stub, const shm::Held& held, ItemReader read, bool heard) const;
  // nullopt: likewise.
  std::optional<Took> redeem_in_time(std::uint64_t stub, const shm::Held& held,
                                     ItemReader read) const;
  std::size_t settle(const std::vector<Later>& later, const std::vector<shm::Held>& held,
                     std::size_t taken, SlotReader read) const;
  // Gives the item back to the ring. If that fails, the item comes back when this process ends: the
  // caller has another error to report.
  void give_back(const shm::Held& held) const noexcept;

  const QueuePort& port_;
  Ring& ring_;
  const Method& method_;
  const Limit& limit_;
  // In a child that an interrupt check has forked the item is the parent's, and there is no ring.
  const client::HomeProcess home_ = {};
};

}  // namespace steward::detail::proxy
