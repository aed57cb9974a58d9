// Waits for what another process brings about: polls a condition, with a limit that only a hang
// meets.
#pragma once

#include <poll.h>

#include <chrono>

namespace steward::detail::test {

template <class F>
bool eventually(F condition, std::chrono::seconds limit = std::chrono::seconds(20)) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    ::poll(nullptr, 0, 2);
  }
  return true;
}

}  // namespace steward::detail::test
