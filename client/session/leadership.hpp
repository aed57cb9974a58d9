// Leadership: the threads that wait at one connection, as leader and followers. The leader watches
// the descriptors and handles what arrives, for all. The others sleep until their own answer is
// there, or until the leader has got its answer and promotes one of them.
//
// Thread safety: everything is called under the session's mutex, which the leader gives up only
// while it sleeps. No wake-up is lost because
//  1. the leader, before it sleeps, asks whether anything is there (EventHandler::handle and
//     prepare_to_sleep), and announces under the mutex that it sleeps;
//  2. whoever does something that the leader must see (a send that swallowed the edge of a
//     descriptor, an earlier deadline) calls wake() under the mutex: an eventfd remembers it;
//  3. a thread that stops waiting, for whatever reason, hands the leadership over if it has it, and
//     so does one that asks the program's interrupt check, which may take its time. A signal may
//     come at any moment, also while the leader does not sleep: so each thread asks now and then.
// However much arrives, the leader gives up the mutex now and then, for others have deadlines.
#pragma once

#include <poll.h>

#include <condition_variable>
#include <mutex>
#include <span>
#include <vector>

#include <steward/core/clock.hpp>
#include <steward/shm/unique_fd.hpp>

namespace steward::detail::client {

// One thread's wait; on its stack.
class Waiter {
 public:
  Waiter() = default;
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;

  bool finished() const { return finished_; }

 private:
  friend class Leadership;
  std::condition_variable ready_;
  bool finished_ = false;
  bool following_ = false;  // it is in the list of followers
  Waiter* previous_ = nullptr;
  Waiter* next_ = nullptr;
};

class Leadership {
 public:
  using Lock = std::unique_lock<std::mutex>;

  // What the leader does for all.
  class EventHandler {
   public:
    // Handles what has arrived, until nothing is left or `waiter` is finished. False: it was enough
    // for now, more is there.
    virtual bool handle(const Waiter& waiter) = 0;
    // Whether the leader may sleep at the descriptors.
    virtual bool prepare_to_sleep() = 0;
    // When to handle again although nothing arrives.
    virtual core::Deadline next_deadline() const = 0;
    // The leader has slept. `entries` has what poll said of the descriptors of watch().
    virtual void awake(std::span<const pollfd> entries) = 0;
    // Throws Interrupted if the calling thread shall wait no longer. Without the mutex.
    virtual void check_interrupt() = 0;
    virtual bool may_be_interrupted() const = 0;

   protected:
    ~EventHandler() = default;
  };

  explicit Leadership(EventHandler& handler);

  // The descriptors to watch, beside our own. While nobody sleeps.
  void watch(const std::vector<pollfd>& entries);

  // Tells the handler what the descriptors say. While there is no leader.
  void glance();

  // Waits until the waiter is finished; false: the deadline passed before. Throws what the handler
  // throws; Interrupted only if the waiter is not finished.
  bool wait(Lock& lock, Waiter& waiter, core::Deadline deadline);
  // Its wait is over.
  void finish(Waiter& waiter) noexcept;

  bool has_leader() const { return leader_ != nullptr; }
  // Whether the leader sleeps at the descriptors, and would not see what others do; until when.
  bool asleep() const { return asleep_; }
  core::Deadline sleeps_until() const { return sleeps_until_; }
  // Makes the leader handle again, if it sleeps.
  void wake() noexcept;

  // In a forked child: the threads are gone, and so is our descriptor.
  void abandon() { wake_up_.reset(); }

 private:
  // Both sleep until the deadline at the latest. True: a signal came.
  bool lead(Lock& lock, Waiter& waiter, core::Deadline deadline);
  void follow(Lock& lock, Waiter& waiter, core::Deadline deadline);
  void check_interrupt(Lock& lock, const Waiter& waiter);
  void hand_over() noexcept;
  void add_follower(Waiter& waiter);
  void remove_follower(Waiter& waiter);

  // Constant after construction.
  EventHandler& handler_;
  shm::UniqueFd wake_up_;  // an eventfd

  // Guarded by the session's mutex.
  Waiter* leader_ = nullptr;
  Waiter* first_follower_ = nullptr;
  Waiter* last_follower_ = nullptr;
  bool asleep_ = false;
  bool woken_ = false;
  core::Deadline sleeps_until_;

  // The leader's alone while it sleeps.
  std::vector<pollfd> entries_;
};

}  // namespace steward::detail::client
