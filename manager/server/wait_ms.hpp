// Times as calls carry them: so many milliseconds from now, or none.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include <steward/core/clock.hpp>

namespace steward::detail::server {

// When a wait that begins now ends; nullopt: never.
inline core::Deadline end_of_wait(std::optional<std::uint64_t> wait_ms, core::Time now) {
  // Longer waits than a century are as good as none, and would overflow the clock.
  constexpr std::uint64_t kLongestMs = 1000ULL * 3600 * 24 * 365 * 100;
  if (!wait_ms || *wait_ms > kLongestMs) return std::nullopt;
  return now + std::chrono::milliseconds(static_cast<std::int64_t>(*wait_ms));
}

}  // namespace steward::detail::server
