// Waiting for what an executor makes ready.
#pragma once

#include <chrono>
#include <functional>
#include <stop_token>
#include <string_view>

#include <steward/core/clock.hpp>
#include <steward/core/interrupt.hpp>

namespace steward::detail::core {

// Assists the executor, or what has its assist() and wake(), until `done()`; false: the deadline
// passed before. Throws Interrupted if a stop was requested before, or is while it is not done.
template <class By, class Done>
bool assist_until(By& by, const Done& done, Deadline deadline, const std::stop_token& stop,
                  std::string_view wait) {
  struct Wake {
    void operator()() const noexcept { by.wake(); }
    By& by;
  };
  heed_stop(stop, wait);
  const std::stop_callback<Wake> wake(stop, Wake{by});
  const std::function<bool()> over = [&] { return done() || stop.stop_requested(); };
  for (;;) {
    by.assist(over, next_look(deadline));
    if (done()) return true;
    heed_stop(stop, wait);
    if (deadline && std::chrono::steady_clock::now() >= *deadline) return false;
    heed_interrupt_check(wait);
  }
}

}  // namespace steward::detail::core
