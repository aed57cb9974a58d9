// StoppableCondition: a wait on a condition variable that a stop ends, too.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <string_view>

#include <steward/core/clock.hpp>
#include <steward/core/interrupt.hpp>

namespace steward::detail::core {

// On the stack of the thread that waits; made and destroyed without the mutex, which a stop takes.
// Costs nothing where no stop is possible. Beside std::condition_variable_any: that one has a mutex
// of its own, which every wait and every notification would pay for.
class StoppableCondition {
 public:
  // `mutex` guards what is waited for. `wait` names the wait, and outlives this.
  StoppableCondition(std::condition_variable& changed, std::mutex& mutex,
                     const std::stop_token& stop, std::string_view wait)
      : changed_(changed), stop_(stop), wait_(wait), wake_(stop, Wake{changed, mutex}) {}
  StoppableCondition(const StoppableCondition&) = delete;
  StoppableCondition& operator=(const StoppableCondition&) = delete;

  // Until `done()`; false: the deadline passed before. `lock` holds the mutex, also where this
  // throws Interrupted, which it does only while it is not done.
  template <class Done>
  bool until(std::unique_lock<std::mutex>& lock, Deadline deadline, Done done) {
    while (!done()) {
      heed_stop(stop_, wait_);
      if (deadline && std::chrono::steady_clock::now() >= *deadline) return false;
      if (const Deadline look = next_look(deadline)) {
        changed_.wait_until(lock, *look);
      } else {
        changed_.wait(lock);
      }
      if (!may_be_interrupted() || done()) continue;
      const Unlocked unlocked(lock);
      heed_interrupt_check(wait_);
    }
    return true;
  }

 private:
  struct Wake {
    void operator()() const noexcept {
      const std::lock_guard hold(mutex);
      changed.notify_all();
    }
    std::condition_variable& changed;
    std::mutex& mutex;
  };
  struct Unlocked {
    explicit Unlocked(std::unique_lock<std::mutex>& lock) : lock(lock) { lock.unlock(); }
    ~Unlocked() { lock.lock(); }
    std::unique_lock<std::mutex>& lock;
  };

  std::condition_variable& changed_;
  const std::stop_token& stop_;
  const std::string_view wait_;
  const std::stop_callback<Wake> wake_;
};

}  // namespace steward::detail::core
