// What a queue hands out for a while: an item to be acknowledged, an item to be looked at in place,
// and room for an item to be written in place.
//
// Each belongs to the process that got it from the queue. In a child of a plain fork() its copy
// does nothing when it is destroyed, and throws BadCall when it is used; the parent's is as it was.
#pragma once

#include <memory>
#include <string_view>
#include <type_traits>
#include <utility>

#include <steward/client/home_process.hpp>

namespace steward {
namespace detail::proxy {

// Something that a queue has lent to this process. `Ways` is what can be said of it, and has a
// drop(), which is said in the end if nothing else was; errors of that are nobody's. Empty once it
// is settled.
template <class Ways>
class Lent {
 public:
  Lent() = default;
  explicit Lent(std::unique_ptr<Ways> ways) : ways_(std::move(ways)) {}
  Lent(Lent&&) noexcept = default;
  Lent& operator=(Lent&& other) noexcept {
    Lent moved(std::move(other));
    std::swap(ways_, moved.ways_);
    std::swap(home_, moved.home_);
    return *this;
  }
  ~Lent() {
    if (!ways_ || !home_.is_this_one()) return;
    try {
      ways_->drop();
    } catch (...) {
    }
  }

  // Null if it is empty. Throws BadCall in a forked copy; `what` begins the text.
  Ways* ways(std::string_view what) const {
    home_.require(what);
    return ways_.get();
  }
  // Likewise, for the last that is said of it.
  std::unique_ptr<Ways> settle(std::string_view what) {
    home_.require(what);
    return std::exchange(ways_, nullptr);
  }

 private:
  std::unique_ptr<Ways> ways_;
  client::HomeProcess home_;
};

// Of a reserved item. Each returns whether its time was not over yet; drop() waits for nothing.
class LeaseWays {
 public:
  virtual ~LeaseWays() = default;
  virtual bool ack() = 0;
  virtual bool nack() = 0;
  virtual bool touch() = 0;
  virtual void drop() = 0;
};

// Of room for an item.
class RoomWays {
 public:
  virtual ~RoomWays() = default;
  virtual void commit() = 0;
  virtual void drop() = 0;
};

}  // namespace detail::proxy

// An item that stays in the queue's care until it is acknowledged: `auto job = jobs.reserve(30s);`.
// Not acknowledged in that time, given back, or dropped, it goes to the next taker, in front of all
// others, flagged; so it does when this process dies (of a client on another host that is known a
// little later). That is at-least-once delivery. What was acknowledged counts as reported for
// join(): task_done() is for what came by get().
//
// Movable, not copyable; used by one thread at a time. Keeps the queue alive.
template <class T>
class Delivery {
 public:
  using Lease = detail::proxy::Lent<detail::proxy::LeaseWays>;

  Delivery(T value, bool redelivered, Lease lease)
      : value_(std::move(value)), redelivered_(redelivered), lease_(std::move(lease)) {}
  Delivery(Delivery&&) = default;
  // The item that it had is given back first, as if it were destroyed: where a T throws when it is
  // moved, what is left of it has no lease, and never that of another item.
  Delivery& operator=(Delivery&& other) noexcept(std::is_nothrow_move_assignable_v<T>)
    requires std::is_move_assignable_v<T>
  {
    if (this == &other) return *this;
    lease_ = Lease();
    value_ = std::move(other.value_);
    redelivered_ = other.redelivered_;
    lease_ = std::move(other.lease_);
    return *this;
  }

  const T& value() const { return value_; }
  // Somebody had it before and did not acknowledge it: what it asks for may have been done.
  bool redelivered() const { return redelivered_; }

  // Done: the item is gone for good. False: too late, or said already; it went to somebody else.
  bool ack() {
    const auto last = lease_.settle("Delivery.ack");
    return last && last->ack();
  }
  // Not done: the next taker gets it.
  bool nack() {
    const auto last = lease_.settle("Delivery.nack");
    return last && last->nack();
  }
  // Begins its time anew.
  bool touch() {
    auto* const ways = lease_.ways("Delivery.touch");
    return ways != nullptr && ways->touch();
  }

 private:
  T value_;
  bool redelivered_;
  // Destroyed unsettled, it says nack(), without an error if that fails: the item's time ends
  // anyway.
  Lease lease_;
};

namespace detail::proxy {

// Room in a queue for one item, written where its taker will read it: `auto frame = frames.loan();
// frame->fill(0); frame.commit();`. If it is destroyed without commit(), nothing is put. For
// trivially copyable types; its members are uninitialized until they are written. A loan waits for
// nothing: where the queue has no memory for it, it is memory of this process, and commit() copies
// it.
//
// Movable, not copyable; used by one thread at a time. Keeps the queue alive.
template <class T>
class Loan {
 public:
  Loan(T* place, Lent<RoomWays> room) : place_(place), room_(std::move(room)) {}
  Loan(Loan&& other) noexcept
      : place_(std::exchange(other.place_, nullptr)), room_(std::move(other.room_)) {}
  Loan& operator=(Loan&& other) noexcept {
    place_ = std::exchange(other.place_, nullptr);
    room_ = std::move(other.room_);
    return *this;
  }

  T& operator*() const { return *operator->(); }
  T* operator->() const {
    static_cast<void>(room_.ways("Loan"));
    return place_;
  }

  // Puts it; waits while the queue is full. Throws as put(), and the loan is over all the same.
  void commit() {
    const auto last = room_.settle("Loan.commit");
    place_ = nullptr;
    if (last) last->commit();
  }

 private:
  T* place_;
  Lent<RoomWays> room_;
};

// An item taken from a queue and looked at where it lies: `auto frame = frames.take();`. It is gone
// for good when this is destroyed; if the process dies before, the next taker gets it.
//
// Movable, not copyable; used by one thread at a time. Keeps the queue alive.
template <class T>
class View {
 public:
  View(const T* place, std::shared_ptr<const void> owner)
      : place_(place), owner_(std::move(owner)) {}
  View(View&&) noexcept = default;
  View& operator=(View&&) noexcept = default;

  const T& operator*() const { return *operator->(); }
  const T* operator->() const {
    home_.require("View");
    return place_;
  }

 private:
  const T* place_;
  std::shared_ptr<const void> owner_;
  client::HomeProcess home_;
};

}  // namespace detail::proxy
}  // namespace steward
