// Threads of the library that nobody joins: they keep nothing alive that they do not need, and end
// by themselves. So they may end when they like, also in the middle of a process's exit, and a
// forked child has nothing of them.
#pragma once

#include <atomic>
#include <functional>

#include <steward/core/clock.hpp>
#include <steward/shm/unique_fd.hpp>

namespace steward::detail::client {

// Runs it on a thread of this name (see core::start_own_thread). What it throws ends it and nothing
// else. Throws Overloaded if no thread is left.
void run_in_background(const char* name, std::function<void()> run);

// Stops or wakes a background thread that wakes from time to time. Shared by that thread and
// whoever stops it. Thread safety: stop() and wake() may be called by any thread.
class BackgroundStop {
 public:
  // Throws Overloaded if no descriptor is left.
  BackgroundStop();
  void stop() noexcept;
  void wake() noexcept;
  // Called by that thread. False: stop() was called.
  bool sleep_until(core::Deadline deadline);

 private:
  // Waits by poll and not by a condition variable, whose destructor would wait in a forked child
  // for a thread that is not there.
  shm::UniqueFd called_;  // an eventfd
  std::atomic<bool> stopped_ = false;
};

}  // namespace steward::detail::client
