// Schedule: the clock of a simulated world, and what is to happen when. Time passes only from one
// event to the next; events of one moment happen in the order in which they were planned.
#pragma once

#include <cstdint>
#include <functional>
#include <queue>
#include <utility>
#include <vector>

#include <steward/core/clock.hpp>

namespace steward::detail::simulation {

class Schedule {
 public:
  using Event = std::function<void()>;

  core::Time now() const { return now_; }
  std::uint64_t steps() const { return steps_; }

  void at(core::Time time, Event event) {
    events_.push({std::max(time, now_), ++planned_, std::move(event)});
  }
  void after(core::Duration wait, Event event) { at(now_ + wait, std::move(event)); }

  // The next event; false: there is none by `end`, and it is `end` now.
  bool step(core::Time end) {
    if (events_.empty() || events_.top().time > end) {
      now_ = std::max(now_, end);
      return false;
    }
    const Event event = std::move(const_cast<Planned&>(events_.top()).event);
    now_ = events_.top().time;
    events_.pop();
    ++steps_;
    event();
    return true;
  }

 private:
  struct Planned {
    core::Time time;
    std::uint64_t number;
    Event event;
    bool operator<(const Planned& other) const {  // the queue has the largest on top
      return std::pair(other.time, other.number) < std::pair(time, number);
    }
  };

  core::Time now_ = core::Time{} + std::chrono::hours(1);
  std::uint64_t planned_ = 0;
  std::uint64_t steps_ = 0;
  std::priority_queue<Planned> events_;
};

}  // namespace steward::detail::simulation
