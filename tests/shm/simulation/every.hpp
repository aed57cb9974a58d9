// Every schedule of a small setting, up to so many preemptions and deaths.
//
// Most races need few preemptions (that is what CHESS found), so all schedules with two of them say
// more than their number suggests. Each schedule is played again from the beginning.
#pragma once

#include <vector>

#include <steward/tests/shm/simulation/world.hpp>

namespace steward::detail::test {

class EverySchedule : public Strategy {
 public:
  EverySchedule(unsigned preemptions, unsigned deaths)
      : preemptions_max_(preemptions), deaths_max_(deaths) {}

  // Before each schedule. False: there is none left.
  bool another() {
    while (begun_ && !path_.empty() && path_.back().taken + 1 == path_.back().of) path_.pop_back();
    if (begun_ && path_.empty()) return false;
    if (begun_) ++path_.back().taken;
    begun_ = true;
    depth_ = preemptions_ = deaths_ = 0;
    return true;
  }

  // A task may be preempted or killed at every step; who goes on when one has ended is free. A
  // death while others run is one before them: the dead do nothing either way.
  Move next(const std::vector<Task*>& ready, Task* last) override {
    const auto count = static_cast<unsigned>(ready.size());
    unsigned tasks = count;
    if (last != nullptr && preemptions_ == preemptions_max_) tasks = 1;
    const bool may_die = last != nullptr && deaths_ < deaths_max_;
    const unsigned taken = choose(tasks + (may_die ? 1 : 0));
    if (taken == tasks) {
      ++deaths_;
      return {last, Move::What::kill};
    }
    if (last == nullptr) return {ready[taken], Move::What::step};
    if (taken == 0) return {last, Move::What::step};
    ++preemptions_;
    unsigned other = 0;
    for (Task* task : ready) {
      if (task != last && ++other == taken) return {task, Move::What::step};
    }
    return {last, Move::What::step};
  }

 private:
  struct Choice {
    unsigned taken;
    unsigned of;
  };

  unsigned choose(unsigned of) {
    if (of == 1) return 0;
    if (depth_ == path_.size()) path_.push_back({0, of});
    return path_[depth_++].taken;
  }

  unsigned preemptions_max_;
  unsigned deaths_max_;
  std::vector<Choice> path_;
  std::size_t depth_ = 0;
  unsigned preemptions_ = 0;
  unsigned deaths_ = 0;
  bool begun_ = false;
};

}  // namespace steward::detail::test
