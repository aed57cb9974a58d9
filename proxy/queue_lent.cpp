// What a QueuePort hands out for a while: reserved items, items looked at in place, room for one.
#include <chrono>
#include <memory>
#include <optional>
#include <utility>

#include <steward/client/home_process.hpp>
#include <steward/core/errors.hpp>
#include <steward/proxy/queue_port.hpp>
#include <steward/proxy/results.hpp>
#include <steward/proxy/ring_call.hpp>

namespace steward::detail::proxy {
namespace {

core::Deadline end_after(std::optional<core::Duration> time) {
  return time ? core::deadline_after(*time) : std::nullopt;
}

}  // namespace

// ---- Reserved items ----

class QueuePort::RingLease final : public LeaseWays {
 public:
  RingLease(const QueuePort& port, Ring& ring, std::optional<core::Duration> time)
      : port_(port), ring_(ring), time_(time) {}

  core::Deadline begin() { return end_ = end_after(time_); }

  bool ack() override {
    const bool mine = in_time() && ring_.ack(item);
    if (mine && stub) port_.redeemed(*stub);
    return mine;
  }
  bool nack() override { return in_time() && ring_.nack(item); }
  bool touch() override {
    if (!in_time()) return false;
    return ring_.touch(item, begin().value_or(core::Time::max()));
  }
  void drop() override { static_cast<void>(ring_.nack(item)); }

  shm::Held item = {};
  std::optional<std::uint64_t> stub = {};  // its number, if it is one

 private:
  // Whether the time is not over yet. If it is over, gives the item back, in case nobody else has
  // done that.
  bool in_time() {
    if (!end_ || std::chrono::steady_clock::now() < *end_) return true;
    drop();
    return false;
  }

  const QueuePort port_;  // keeps the ring
  Ring& ring_;
  const std::optional<core::Duration> time_;
  core::Deadline end_;
};

class QueuePort::ManagerLease final : public LeaseWays {
 public:
  ManagerLease(const QueuePort& port, std::optional<core::Duration> time) : port_(port) {
    if (time) milliseconds = std::chrono::ceil<std::chrono::milliseconds>(*time).count();
  }

  bool ack() override { return port_.call<bool>(changing("ack"), number); }
  bool nack() override { return port_.call<bool>(changing("nack"), number); }
  bool touch() override { return port_.call<bool>(changing("touch"), number, milliseconds); }
  void drop() override { port_.given_back(number); }

  std::optional<std::uint64_t> milliseconds = {};
  std::uint64_t number = 0;  // under which the manager keeps it

 private:
  const QueuePort port_;
};

Lent<LeaseWays> QueuePort::reserve(const Method& method, std::optional<core::Duration> time,
                                   ItemReader read, bool& redelivered) const {
  const Limit limit(*this, method);
  Ring* const ring = this->ring(method, limit);
  if (ring == nullptr) {
    return reserve_in_manager(method, limit.time, time, read, redelivered);
  }
  const RingCall by_ring(*this, *ring, method, limit);
  // Allocated before anything is taken, so that no item is lost for want of memory.
  auto lease = std::make_unique<RingLease>(*this, *ring, time);
  for (;;) {
    std::optional<std::uint64_t> stub;
    const auto look = [&](const shm::Item& item) {
      redelivered = item.redelivered;
      if (RingCall::is_stub(item)) {
        stub = RingCall::number_of(item);
      } else {
        static_cast<void>(RingCall::show(item, read));
      }
      return true;
    };
    // Its time begins once the item is taken, not while this thread waits.
    const auto outcome = by_ring.on_ring([&] {
      return ring->reserve([&] { return lease->begin(); }, look, limit.until, lease->item);
    });
    static_cast<void>(by_ring.concluded(outcome));
    lease->stub = stub;
    if (!stub || by_ring.fetch(*stub, lease->item, read)) break;
  }
  return Lent<LeaseWays>(std::move(lease));
}

Lent<LeaseWays> QueuePort::reserve_in_manager(const Method& method, const TimeLimit& limit,
                                              std::optional<core::Duration> time, ItemReader read,
                                              bool& redelivered) const {
  auto lease = std::make_unique<ManagerLease>(*this, time);
  const auto reading = [&](const Reply& reply) {
    impl::Elements elements(reply.result);
    if (elements.left() != 3) throw BadCall("expected an item and its number");
    // Known even if the item cannot be read.
    lease->number = As<std::uint64_t>::read(elements.next());
    redelivered = As<bool>::read(elements.next());
    show_reply(elements.next(), read);
  };
  const client::HomeProcess home;
  try {
    read_by(ReadBy{reading}, method, limit, lease->milliseconds);
  } catch (...) {
    if (lease->number != 0 && home.is_this_one()) given_back(lease->number);
    throw;
  }
  return Lent<LeaseWays>(std::move(lease));
}

// ---- Items looked at in place ----

struct QueuePort::InPlace {
  InPlace(const QueuePort& port, Ring& ring) : port(port), ring(ring) {}
  InPlace(const InPlace&) = delete;
  InPlace& operator=(const InPlace&) = delete;
  // In a forked copy of its process does nothing. If the memory is damaged, nobody takes from the
  // queue any more.
  ~InPlace() {
    if (!has_item || !home.is_this_one()) return;
    try {
      static_cast<void>(ring.consume(item));
    } catch (const std::exception&) {
      // Its memory is damaged.
    }
  }

  const QueuePort port;  // keeps the ring
  Ring& ring;
  const client::HomeProcess home = {};
  bool has_item = false;
  shm::Held item = {};
};

std::shared_ptr<const void> QueuePort::view(const Method& method, ItemReader read) const {
  const Limit limit(*this, method);
  Ring* const ring = this->ring(method, limit);
  if (ring == nullptr) {
    // The manager has no such method: nobody looks into its memory.
    const Method get = until_stopped(method.stop, taking("get"));
    static_cast<void>(take_in_manager(get, limit.time, read));
    return nullptr;
  }
  const auto owner = std::make_shared<InPlace>(*this, *ring);  // first: see reserve()
  const auto took = RingCall(*this, *ring, method, limit).take(read, owner->item);
  if (took != RingCall::Took::place) return nullptr;
  owner->has_item = true;
  return owner;
}

// ---- Room for an item ----

class QueuePort::RingRoom final : public RoomWays {
 public:
  RingRoom(const QueuePort& port, Ring& ring, Clean clean)
      : port_(port), ring_(ring), clean_(clean) {}

  void commit() override {
    const Method method = offering("commit");
    const Limit limit(port_, method);
    const RingCall by_ring(port_, ring_, method, limit);
    auto outcome = Ring::Outcome::timeout;
    try {
      if (clean_ != nullptr) clean_(room.bytes.data());
      outcome = by_ring.on_ring([&] {
        return ring_.commit(room, static_cast<std::uint32_t>(ItemFormat::raw), limit.until);
      });
    } catch (...) {
      drop();
      throw;
    }
    if (outcome != Ring::Outcome::done) drop();
    static_cast<void>(by_ring.concluded(outcome));
  }
  void drop() override {
    if (home_.is_this_one()) ring_.give_back(room);
  }

  Ring::Loan room = {};

 private:
  const QueuePort port_;  // keeps the ring
  Ring& ring_;
  const Clean clean_;
  const client::HomeProcess home_ = {};  // commit() may end in a child that a check has forked
};

Lent<RoomWays> QueuePort::loan(const Method& method, std::size_t bytes, std::size_t alignment,
                               Clean clean, void*& place) const {
  const Limit limit(*this, method);
  Ring* const ring = this->ring(method, limit);
  if (ring == nullptr) return {};
  const RingCall by_ring(*this, *ring, method, limit);
  auto lent = std::make_unique<RingRoom>(*this, *ring, clean);
  const auto outcome = by_ring.on_ring([&] { return ring->loan(bytes, alignment, lent->room); });
  if (outcome == Ring::Outcome::no_block || !by_ring.concluded(outcome)) return {};
  place = lent->room.bytes.data();
  return Lent<RoomWays>(std::move(lent));
}

}  // namespace steward::detail::proxy
