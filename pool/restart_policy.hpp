// RestartPolicy: when a pool starts another worker in the place of one that has ended, and when it
// gives up.
#pragma once

#include <chrono>
#include <optional>

#include <steward/core/clock.hpp>

namespace steward::detail::pool {

// Why a worker ended before it was ready for its first task.
enum class EarlyEnd {
  defect,   // by itself: an exit, an abort, a fault. The next one will do the same
  outside,  // killed, by the OOM killer say, or not even started for want of resources
};

// As Child tells the exit code: negative for a signal.
EarlyEnd early_end_of(int exit_code);

// A worker that has had a task is replaced at once, and ends the row. One that was ready and has
// had none is replaced after a pause that grows, until for the longest of them no worker has ended:
// pauses are there to start no more than one in such a time. Of those that were not ready, defects
// are counted where nobody is: a few in a row, and the pool is broken. Ends from outside may pass,
// and so may defects while others are ready, who came up the same way: another worker comes after a
// pause, and the pool is broken only if no worker has been ready for a long time. A value without a
// clock.
class RestartPolicy {
 public:
  struct Limits {
    int defects = 8;  // in a row; one more, and the pool is broken
    int kills = 8;    // in a row; more of them, and all this time since the first, and it is broken
    core::Duration patience = std::chrono::seconds(30);
    core::Duration first_pause = std::chrono::milliseconds(1);  // each is twice the last
    core::Duration longest_pause = std::chrono::seconds(1);
  };

  RestartPolicy() : RestartPolicy(Limits{}) {}
  explicit RestartPolicy(const Limits& limits) : limits_(limits), pause_(limits.first_pause) {}

  // A worker that has had a task has ended.
  void ended();
  // A worker that was ready and has had no task has ended. When to start another: after a pause
  // that grows each time.
  core::Time ended_idle(core::Time now);
  // Some worker is ready just now: the pool works, if with fewer.
  void somebody_is_ready() { defects_ = kills_ = 0; }
  // A worker has ended before it was ready. When to start another; nullopt: the pool is broken.
  std::optional<core::Time> ended_early(EarlyEnd why, core::Time now);

  // Of the workers in a row that ended before they were ready.
  int early_ends() const { return defects_ + kills_; }

 private:
  core::Time after_pause(core::Time now);

  Limits limits_;
  int defects_ = 0;
  int kills_ = 0;
  core::Time first_kill_{};
  core::Duration pause_;
  core::Time due_{};  // when the last pause is over
};

}  // namespace steward::detail::pool
