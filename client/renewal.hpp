// Renewal: the one thread of a remote session. While the program says nothing for a while, it lets
// the manager hear that the session lives, and repairs its connection.
#pragma once

#include <functional>
#include <thread>

#include <steward/core/clock.hpp>
#include <steward/shm/unique_fd.hpp>

namespace steward::client {

// Thread safety: stop() may be called from any thread; the rest by the owner. Waits by poll and not
// by a condition variable, whose destructor would wait in a forked child for a thread that is not
// there.
class Renewal {
 public:
  // When to be called again; nullopt: never.
  using Tend = std::function<core::Deadline()>;

  // Throws Overloaded if there is no descriptor or thread left.
  explicit Renewal(Tend tend);
  Renewal(const Renewal&) = delete;
  Renewal& operator=(const Renewal&) = delete;
  // Waits for a call that is under way.
  ~Renewal();

  // No further call begins.
  void stop();

 private:
  void run() const;

  const Tend tend_;
  const shm::UniqueFd end_;  // an eventfd: readable once it is over
  std::thread thread_;
};

}  // namespace steward::client
