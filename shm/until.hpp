// Until: when a wait ends, and what may end it before. A deadline in one register: an optional
// travels through memory as two parts of one load, for which a processor waits longer than an
// operation on a queue takes.
#pragma once

#include <optional>
#include <stop_token>

#include <steward/core/clock.hpp>

namespace steward::detail::shm {

// What ends a wait before its time. Refers to the waiter's own, which outlives the wait.
struct Stopping {
  const std::stop_token* token = nullptr;
  // Asked when a signal has come, and now and then; null: signals end no wait. Throws nothing.
  bool (*interrupted)() = nullptr;

  bool requested() const { return token != nullptr && token->stop_requested(); }
  bool possible() const { return token != nullptr && token->stop_possible(); }
};

class Until {
 public:
  constexpr Until() = default;  // never
  constexpr Until(std::nullopt_t) {}
  constexpr Until(core::Time time) : time_(time) {}
  constexpr Until(const core::Deadline& deadline) : time_(deadline.value_or(core::Time::max())) {}
  // The same time, or earlier if that wants it so.
  constexpr Until(Until until, const Stopping& stopping)
      : time_(until.time_), stopping_(&stopping) {}

  // The beginning of all time is for operations that do not wait.
  constexpr bool is_now() const { return time_ == core::Time::min(); }

  constexpr core::Deadline deadline() const {
    return time_ == core::Time::max() ? std::nullopt : core::Deadline(time_);
  }

  // Null: nothing ends the wait before.
  constexpr const Stopping* stopping() const { return stopping_; }
  bool stop_requested() const { return stopping_ != nullptr && stopping_->requested(); }

 private:
  core::Time time_ = core::Time::max();
  const Stopping* stopping_ = nullptr;
};

}  // namespace steward::detail::shm
