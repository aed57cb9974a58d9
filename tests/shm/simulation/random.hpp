// Random schedules and random settings, all of which follow from one number.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <steward/tests/shm/simulation/world.hpp>
#include <steward/tests/split_mix.hpp>

namespace steward::detail::test {

// About how many steps a random schedule has: deaths and preemptions lie within.
constexpr unsigned kUsualLength = 250;

// Three kinds of schedules find different things: every step anybody's; long runs of one task with
// few changes; priorities that fall at a few random steps (PCT), which finds what needs few
// preemptions at the right places.
class RandomStrategy : public Strategy {
 public:
  RandomStrategy(std::uint64_t seed, unsigned length, Counts& counts)
      : random_(seed), counts_(counts) {
    kind_ = random_.below(3);
    stickiness_ = 2 + random_.below(30);
    if (kind_ == 2) {
      for (unsigned n = 1 + random_.below(4); n > 0; --n) falls_.push_back(random_.below(length));
    }
    for (unsigned n = random_.below(4); n > 0; --n) kills_.push_back(random_.below(length));
    if (random_.one_in(4)) stops_ = random_.below(length);
  }

  Move next(const std::vector<Task*>& ready, Task* last) override {
    const unsigned step = step_++;
    Task* task = choose(ready, last, step);
    if (step == stops_) {
      ++counts_.stopped;
      return {task, Move::What::stop};
    }
    for (const unsigned at : kills_) {
      if (at == step) return {task, Move::What::kill};
    }
    return {task, Move::What::step};
  }

 private:
  Task* choose(const std::vector<Task*>& ready, Task* last, unsigned step) {
    const auto anybody = [&] { return ready[random_.below(static_cast<unsigned>(ready.size()))]; };
    if (kind_ == 0) return anybody();
    if (kind_ == 1) return last != nullptr && !random_.one_in(stickiness_) ? last : anybody();
    Task* best = ready.front();
    for (Task* task : ready) {
      if (priority(task) > priority(best)) best = task;
    }
    for (const unsigned at : falls_) {
      if (at == step) priority(best) = --lowest_;
    }
    return best;
  }
  std::int64_t& priority(const Task* task) {
    for (auto& [known, priority] : priorities_) {
      if (known == task) return priority;
    }
    return priorities_.emplace_back(task, random_.below(1U << 20U)).second;
  }

  Random random_;
  Counts& counts_;
  unsigned kind_ = 0;
  unsigned stickiness_ = 1;
  unsigned step_ = 0;
  std::vector<unsigned> falls_;
  std::vector<unsigned> kills_;
  unsigned stops_ = ~0U;
  std::vector<std::pair<const Task*, std::int64_t>> priorities_;
  std::int64_t lowest_ = 0;
};

// What a family of random settings is made of.
struct Family {
  bool unbounded = false;
  bool leases = false;
  bool closes = false;
  bool threads = false;  // some processes have two
  bool wraps = false;    // counters start shortly before one of them wraps
};

inline Script random_script(Random& random, const Family& family, unsigned role) {
  Script script;
  const unsigned length = 1 + random.below(5);
  const auto add = [&](std::initializer_list<Op> ops) { script.insert(script.end(), ops); };
  for (unsigned n = 0; n < length; ++n) {
    switch (role) {
      case 0:
        add({random.one_in(3) ? Op::put_blindly : Op::put});
        break;
      case 1:
        add({random.one_in(4) ? Op::get_two : Op::get});
        if (random.one_in(2)) add({random.one_in(3) ? Op::put_back : Op::report});
        break;
      case 2: {
        add({family.leases && !random.one_in(4) ? Op::lease : Op::hold});
        if (random.one_in(3)) add({Op::touch});
        if (random.one_in(4)) add({Op::hold});
        const unsigned answer = random.below(4);
        if (answer != 3) add({answer == 0 ? Op::ack : Op::nack});
        break;
      }
      case 3:
        if (random.one_in(4)) add({Op::refuse});
        add({Op::put, Op::get});  // gets the ring through its laps by itself
        break;
      case 4: add({family.leases && random.one_in(3) ? Op::expire : Op::look}); break;
      case 5: add({random.one_in(3) ? Op::look : Op::join}); break;
      default: add({random.one_in(2) ? Op::put : Op::close}); break;
    }
  }
  return script;
}

inline Setting random_setting(Random& random, const Family& family) {
  Setting setting;
  QueuePlan& plan = setting.plan;
  const Word cells = random.one_in(3) ? 4 : 2;
  plan.blocks = 2 + random.below(4);
  plan.ready_blocks = random.one_in(3) ? 1 : plan.blocks;
  if (family.unbounded) {
    plan.maxsize = 0;
    plan.cells = {2, 2, cells};
  } else {
    plan.cells = {cells};
    plan.maxsize = 1 + random.below(static_cast<unsigned>(cells) - 1);
  }
  if (family.wraps) {
    // Each field in the cells, headers and positions, up to three steps before its end.
    constexpr unsigned kLapBits[] = {20, 30};
    constexpr unsigned kGenerationBits[] = {16, 40};
    plan.first_lap = (Word{1} << kLapBits[random.below(2)]) - 1 - random.below(3);
    plan.first_generation = (Word{1} << kGenerationBits[random.below(2)]) - 1 - random.below(3);
  }
  setting.puts_before = random.below(4);
  setting.takes_before = random.below(setting.puts_before + 1);

  const unsigned processes = 2 + random.below(4);
  for (unsigned i = 0; i < processes; ++i) {
    Cast cast;
    // A producer and a consumer of some kind before all others.
    unsigned role = random.below(7);
    if (i == 0) role = 0;
    if (i == 1) role = family.leases ? 2 : 1 + random.below(2);
    if (role == 6 && !family.closes) continue;
    cast.threads.push_back(random_script(random, family, role));
    if (family.threads && random.one_in(2)) {
      cast.threads.push_back(random_script(random, family, random.below(4)));
    }
    setting.processes.push_back(std::move(cast));
  }
  if (family.leases) setting.processes.push_back({{Script(1 + random.below(3), Op::expire)}});
  if (family.closes) {
    setting.processes.push_back({{Script{Op::close, Op::get}}});
  }
  return setting;
}

// The first schedule that goes wrong, if one does. Schedule n of a seed is schedule 0 of seed + n.
template <class Memory>
std::optional<std::string> random_schedules(const Family& family, std::uint64_t seed,
                                            unsigned schedules, Counts& counts) {
  Scheduler scheduler;
  World<Memory> world(scheduler, counts);
  for (unsigned n = 0; n < schedules; ++n) {
    Random random(seed + n);
    const Setting setting = random_setting(random, family);
    RandomStrategy strategy(random.next(), kUsualLength, counts);
    if (const auto wrong = world.run(setting, strategy)) {
      return fmt::format("{}\nSTEWARD_SEED={}, schedule {}", *wrong, seed + n, n);
    }
  }
  return std::nullopt;
}

}  // namespace steward::detail::test
