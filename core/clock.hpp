// Time as the library measures it: the monotonic clock, in nanoseconds. The server core never reads
// it: every input brings its `now` along.
#pragma once

#include <chrono>
#include <optional>

namespace steward::detail::core {

using Time = std::chrono::steady_clock::time_point;
using Duration = std::chrono::steady_clock::duration;
// nullopt: never.
using Deadline = std::optional<Time>;

// Now plus `wait`, without overflow for "forever" durations such as hours::max(). A negative wait
// ends now.
template <class Rep, class Period>
Deadline deadline_after(std::chrono::duration<Rep, Period> wait) {
  // A century is beyond any wait, and far from the end of the clock.
  constexpr std::chrono::duration<double> kForever = std::chrono::hours{24 * 365 * 100};
  // In floating point: the largest duration of one unit overflows the integers of another.
  const std::chrono::duration<double> seconds = wait;
  if (seconds >= kForever) return std::nullopt;
  const Time now = std::chrono::steady_clock::now();
  return seconds.count() > 0 ? now + std::chrono::ceil<Duration>(wait) : now;
}

}  // namespace steward::detail::core
