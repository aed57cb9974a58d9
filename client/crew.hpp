// Crew: the threads that wait at one connection. One of them leads: it watches the descriptors and
// takes in what arrives, for all. The others sleep until their own answer is there, or until the
// leader has got its answer and appoints one of them.
//
// Thread safety: everything is called under the session's mutex, which the leader gives up only
// while it sleeps. No wake-up is lost because
//  1. the leader, before it sleeps, asks whether anything is there (Duty::serve), and announces
//     under the mutex that it sleeps;
//  2. whoever does something that the leader must see (a send that swallowed the edge of a
//     descriptor, an earlier alarm) calls wake() under the mutex: an eventfd remembers it;
//  3. a thread that stops waiting, for whatever reason, hands over the lead if it has it.
#pragma once

#include <poll.h>

#include <condition_variable>
#include <mutex>
#include <vector>

#include <steward/core/clock.hpp>
#include <steward/shm/unique_fd.hpp>

namespace steward::client {

// One thread's wait; on its stack.
class Waiter {
 public:
  Waiter() = default;
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;

  bool done() const { return done_; }
  // With this wait, another one ends; null: no other.
  void tell_also(Waiter* other) { also_ = other; }

 private:
  friend class Crew;
  std::condition_variable ready_;
  bool done_ = false;
  bool following_ = false;  // it is in the list of followers
  Waiter* previous_ = nullptr;
  Waiter* next_ = nullptr;
  Waiter* also_ = nullptr;
};

class Crew {
 public:
  using Lock = std::unique_lock<std::mutex>;

  // What the leader does for all.
  class Duty {
   public:
    // Takes in what has arrived, until nothing is left or `waiter` is done. May give up the lock
    // meanwhile.
    virtual void serve(Lock& lock, const Waiter& waiter) = 0;
    // When to serve again although nothing arrives.
    virtual core::Deadline alarm() const = 0;
    // What poll said of the descriptors of watch().
    virtual void polled(const std::vector<pollfd>& entries) = 0;

   protected:
    ~Duty() = default;
  };

  explicit Crew(Duty& duty);

  // The descriptors to watch, beside our own. Before the first wait, or by the leader.
  void watch(const std::vector<pollfd>& entries);

  // Waits until the waiter is finished; false: the deadline passed before.
  bool wait(Lock& lock, Waiter& waiter, core::Deadline deadline);
  // Its wait is over.
  void finish(Waiter& waiter);

  bool led() const { return leader_ != nullptr; }
  // Whether somebody sleeps at the descriptors, and would not see what others do.
  bool asleep() const { return asleep_; }
  // Makes the leader serve again, if there is one that sleeps.
  void wake();

  // In a forked child: the threads are gone, and so is our descriptor.
  void abandon() { bell_.reset(); }

 private:
  void lead(Lock& lock, Waiter& waiter, core::Deadline deadline);
  void follow(Lock& lock, Waiter& waiter, core::Deadline deadline);
  void hand_over();
  void add_follower(Waiter& waiter);
  void remove_follower(Waiter& waiter);

  // Constant after construction.
  Duty& duty_;
  shm::UniqueFd bell_;  // an eventfd

  // Guarded by the session's mutex.
  Waiter* leader_ = nullptr;
  Waiter* first_follower_ = nullptr;
  Waiter* last_follower_ = nullptr;
  bool asleep_ = false;
  bool rung_ = false;

  // The leader's alone.
  std::vector<pollfd> entries_;
};

}  // namespace steward::client
