// Notes: what a server says of its peers in a log, so seldom that they cannot fill a disk with it.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include <steward/core/clock.hpp>

namespace steward::detail::server {

// Thread safety: none; the loop's thread only.
class Notes {
 public:
  using Say = std::function<void(std::string_view)>;

  // `say` may be null.
  explicit Notes(Say say) : say_(std::move(say)) {}

  // Says it, or counts it: the next that is said tells how many were not.
  void say(std::string_view text, core::Time now) {
    if (!say_) return;
    // As if each had a place of its own, which is free again after a while.
    full_at_ = std::max(full_at_, now);
    if (full_at_ - now > (kAtOnce - 1) * kEach) {
      ++left_out_;
      return;
    }
    full_at_ += kEach;
    const std::uint64_t left_out = std::exchange(left_out_, 0);
    if (left_out == 0) return say_(text);
    say_(fmt::format("{} ({} more before it)", text, left_out));
  }

 private:
  static constexpr int kAtOnce = 20;
  static constexpr core::Duration kEach = std::chrono::seconds(10);

  const Say say_;
  core::Time full_at_ = core::Time::min();  // when all places are free
  std::uint64_t left_out_ = 0;
};

}  // namespace steward::detail::server
