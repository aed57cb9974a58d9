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

// A worker that has had a task is replaced at once, and all counts begin again. A worker that was
// ready but has had no task is replaced after a pause, which doubles each time, up to the longest;
// it is short again once no worker has ended for as long as the longest pause. A worker that ended
// by a defect before it was ready is replaced at once, and after a few of those in a row the pool
// is broken. One that was ended from outside before it was ready is replaced after a pause, since
// that may pass; the pool is broken only if no worker has been ready for a long time. A defect
// counts as an end from outside while other workers are ready, which came up in the same way. A
// value without a clock. Thread safety: none.
class RestartPolicy {
 public:
  struct Limits {
    int defects = 8;  // in a row; one more, and the pool is broken
    int kills = 8;    // in a row; with more of them the pool is broken once `patience` has passed
                      // since the first
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

  // How many workers in a row have ended before they were ready.
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
