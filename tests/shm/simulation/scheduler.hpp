// Scheduler: whose step is next, and who is killed or stopped before it.
//
// A task is the code of one thread of a simulated process. It runs by itself until it is about to
// touch shared memory; there a strategy says who goes on. A killed process never makes the step
// that it was about to make: its threads unwind, and nothing else of it remains.
#pragma once

#include <algorithm>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <steward/tests/shm/simulation/fiber.hpp>

namespace steward::detail::test {

// Thrown where a process was killed.
struct Killed {};
// What must not happen has happened.
struct Violation {
  std::string what;
};

struct Task {
  explicit Task(std::function<void()> loop) : fiber(std::move(loop)) {}

  Fiber fiber;
  std::function<void()> body;
  unsigned process = 0;  // is killed as a whole
  unsigned number = 0;   // under which it takes part: that of the dead one, for its recoverer
  bool begun = false;
  bool stopped = false;
  bool doomed = false;
};

struct Move {
  enum class What { step, kill, stop };
  Task* task = nullptr;
  What what = What::step;
};

class Strategy {
 public:
  virtual ~Strategy() = default;
  // What happens next, to one of `ready`. `last` made the step before and could go on; or null.
  virtual Move next(const std::vector<Task*>& ready, Task* last) = 0;
};

// One after the other, each to its end.
class InTurn : public Strategy {
 public:
  Move next(const std::vector<Task*>& ready, Task* last) override {
    return {last != nullptr ? last : ready.front(), Move::What::step};
  }
};

class Scheduler {
 public:
  // A thread that runs alone must be through with its operation after so many steps; all of them
  // with everything after so many. Far more than are needed, far fewer than a loop takes.
  static constexpr unsigned kAloneMax = 200;
  static constexpr unsigned kStepsMax = 50'000;

  // Told of every process that was killed, once its threads are gone.
  std::function<void(unsigned process)> on_death;

  void start(unsigned process, unsigned number, std::function<void()> body) {
    Task* task = idle();
    task->body = std::move(body);
    task->process = process;
    task->number = number;
    task->begun = task->stopped = task->doomed = false;
    ready_.push_back(task);
  }

  // Until nobody can go on. False: something went wrong, see violation().
  bool run(Strategy& strategy) {
    strategy_ = &strategy;
    while (!ready_.empty() && !failed_) perform(strategy.next(ready_, nullptr));
    return !failed_;
  }

  // The stopped are dead, too, if they are not to go on any more.
  void kill_stopped() {
    // By index: a death starts tasks.
    for (std::size_t i = 0; i < all_.size(); ++i) {
      if (all_[i]->stopped) kill(all_[i]->process);
    }
  }

  // For the next schedule: everybody is gone.
  void reset() {
    const auto nobody = std::exchange(on_death, nullptr);
    for (const auto& task : all_) {
      if (task->stopped || is_ready(task.get())) kill(task->process);
    }
    failed_ = false;
    violation_.clear();
    steps_ = 0;
    alone_ = alone_max_ = 0;
    last_ = nullptr;
  }

  // By a task: about to touch shared memory.
  void step() {
    Task& me = *running_;
    if (me.doomed) throw Killed{};
    if (me.begun) {
      const Move move = strategy_->next(ready_, &me);
      if (move.task != &me || move.what != Move::What::step) {
        if (move.what == Move::What::step) {
          switch_to(move.task, me.fiber);
        } else {
          request_ = move;
          hub_.run_from(me.fiber);
        }
        if (me.doomed) throw Killed{};
      }
    }
    me.begun = true;
    alone_ = last_ == &me ? alone_ + 1 : 1;
    last_ = &me;
    alone_max_ = std::max(alone_max_, alone_);
    if (alone_ > kAloneMax) throw Violation{"a thread alone does not get through its operation"};
    if (++steps_ > kStepsMax) throw Violation{"nobody gets anywhere"};
  }
  void begin_operation() { alone_ = 0; }

  Task* running() const { return running_; }
  unsigned threads_of(unsigned process) const {
    return static_cast<unsigned>(std::ranges::count_if(
        ready_, [&](const Task* task) { return task->process == process; }));
  }
  std::uint64_t steps() const { return steps_; }
  // How many steps of its operation the last thread has made without any of another in between.
  unsigned alone() const { return alone_; }
  unsigned alone_max() const { return alone_max_; }
  bool failed() const { return failed_; }
  const std::string& violation() const { return violation_; }
  void fail(std::string what) {
    if (!failed_) violation_ = std::move(what);
    failed_ = true;
  }

 private:
  bool is_ready(const Task* task) const { return std::ranges::count(ready_, task) > 0; }

  Task* idle() {
    for (const auto& task : all_) {
      if (!task->stopped && !is_ready(task.get()) && task.get() != running_) return task.get();
    }
    all_.push_back(std::make_unique<Task>([this] { live(); }));
    return all_.back().get();
  }

  // What a fiber does: one body after the other.
  void live() {
    for (;;) {
      Task& me = *running_;
      try {
        me.body();
      } catch (const Killed&) {
      } catch (const Violation& violation) {
        fail(violation.what);
      } catch (const std::exception& error) {
        fail(std::string("threw: ") + error.what());
      }
      std::erase(ready_, &me);
      me.stopped = false;
      running_ = nullptr;
      hub_.run_from(me.fiber);
    }
  }

  void switch_to(Task* task, Fiber& from) {
    running_ = task;
    task->fiber.run_from(from);
  }

  void perform(Move move) {
    switch (move.what) {
      case Move::What::step:
        switch_to(move.task, hub_);
        running_ = nullptr;
        if (request_.task != nullptr) perform(std::exchange(request_, {}));
        return;
      case Move::What::kill: return kill(move.task->process);
      case Move::What::stop:
        std::erase(ready_, move.task);
        move.task->stopped = true;
        return;
    }
  }

  void kill(unsigned process) {
    for (const auto& task : all_) {
      if (task->process != process || (!task->stopped && !is_ready(task.get()))) continue;
      if (task->begun) {
        task->doomed = true;
        switch_to(task.get(), hub_);  // it unwinds
        running_ = nullptr;
      } else {
        std::erase(ready_, task.get());
        task->stopped = false;
      }
    }
    if (on_death) on_death(process);
  }

  Fiber hub_;
  std::vector<std::unique_ptr<Task>> all_;
  std::vector<Task*> ready_;
  Task* running_ = nullptr;
  Move request_{};
  Strategy* strategy_ = nullptr;
  Task* last_ = nullptr;
  std::uint64_t steps_ = 0;
  unsigned alone_ = 0;
  unsigned alone_max_ = 0;
  bool failed_ = false;
  std::string violation_;
};

}  // namespace steward::detail::test
