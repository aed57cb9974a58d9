// What a queue hands out for a while: an item to be acknowledged, an item to be looked at in place,
// and room for an item to be written in place.
//
// Each belongs to the process that got it from the queue. In a child of a plain fork() its copy
// does nothing when it is destroyed, and throws BadCall when it is used; the parent's is as it was.
#pragma once

#include <functional>
#include <memory>
#include <string_view>
#include <utility>

#include <steward/client/home_process.hpp>

namespace steward {

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
  // What ack(), nack() and touch() do; each returns whether the time was not over yet. And what the
  // destructor does, without waiting.
  struct Answers {
    std::function<bool()> ack;
    std::function<bool()> nack;
    std::function<bool()> touch;
    std::function<void()> drop;
  };

  Delivery(T value, bool redelivered, Answers answers)
      : value_(std::move(value)), redelivered_(redelivered), answers_(std::move(answers)) {}
  Delivery(Delivery&& other) noexcept
      : value_(std::move(other.value_)),
        redelivered_(other.redelivered_),
        answers_(std::exchange(other.answers_, {})),
        home_(other.home_) {}
  Delivery& operator=(Delivery&& other) noexcept {
    Delivery moved(std::move(other));
    std::swap(value_, moved.value_);
    std::swap(redelivered_, moved.redelivered_);
    std::swap(answers_, moved.answers_);
    std::swap(home_, moved.home_);
    return *this;
  }
  // As nack(), without an error if that fails: the item's time ends anyway.
  ~Delivery() {
    if (!answers_.drop || !home_.is_this_one()) return;
    try {
      answers_.drop();
    } catch (...) {
    }
  }

  const T& value() const { return value_; }
  // Somebody had it before and did not acknowledge it: what it asks for may have been done.
  bool redelivered() const { return redelivered_; }

  // Done: the item is gone for good. False: too late, or said already; it went to somebody else.
  bool ack() { return say("Delivery.ack", &Answers::ack); }
  // Not done: the next taker gets it.
  bool nack() { return say("Delivery.nack", &Answers::nack); }
  // Begins its time anew.
  bool touch() {
    home_.require("Delivery.touch");
    return answers_.touch && answers_.touch();
  }

 private:
  bool say(std::string_view what, std::function<bool()> Answers::* which) {
    home_.require(what);
    const Answers answers = std::exchange(answers_, {});
    return answers.*which && (answers.*which)();
  }

  T value_;
  bool redelivered_ = false;
  Answers answers_;  // empty once it is settled
  detail::client::HomeProcess home_;
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
  struct Ways {
    std::function<void()> commit;
    std::function<void()> give_back;
  };

  Loan(T* place, Ways ways) : place_(place), ways_(std::move(ways)) {}
  Loan(Loan&& other) noexcept
      : place_(std::exchange(other.place_, nullptr)),
        ways_(std::exchange(other.ways_, {})),
        home_(other.home_) {}
  Loan& operator=(Loan&& other) noexcept {
    Loan moved(std::move(other));
    std::swap(place_, moved.place_);
    std::swap(ways_, moved.ways_);
    std::swap(home_, moved.home_);
    return *this;
  }
  // Without an error if the room cannot be given back: the queue's memory is damaged then.
  ~Loan() {
    if (!ways_.give_back || !home_.is_this_one()) return;
    try {
      ways_.give_back();
    } catch (...) {
    }
  }

  T& operator*() const { return *operator->(); }
  T* operator->() const {
    home_.require("Loan");
    return place_;
  }

  // Puts it; waits while the queue is full. Throws as put(), and the loan is over all the same.
  void commit() {
    home_.require("Loan.commit");
    const Ways ways = std::exchange(ways_, {});
    place_ = nullptr;
    if (ways.commit) ways.commit();
  }

 private:
  T* place_;
  Ways ways_;  // empty once it is over
  client::HomeProcess home_;
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
