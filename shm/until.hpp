// Until: when a wait ends. A deadline in one register: an optional travels through memory as two
// parts of one load, for which a processor waits longer than an operation on a queue takes.
#pragma once

#include <optional>

#include <steward/core/clock.hpp>

namespace steward::detail::shm {

class Until {
 public:
  constexpr Until() = default;  // never
  constexpr Until(std::nullopt_t) {}
  constexpr Until(core::Time time) : time_(time) {}
  constexpr Until(const core::Deadline& deadline) : time_(deadline.value_or(core::Time::max())) {}

  // The beginning of all time is for operations that do not wait.
  constexpr bool is_now() const { return time_ == core::Time::min(); }

  constexpr core::Deadline deadline() const {
    return time_ == core::Time::max() ? std::nullopt : core::Deadline(time_);
  }

 private:
  core::Time time_ = core::Time::max();
};

}  // namespace steward::detail::shm
