#include <steward/core/future.hpp>

#include <algorithm>
#include <cstdio>
#include <new>
#include <string>
#include <utility>

#include <steward/core/assisting.hpp>
#include <steward/core/interrupt.hpp>
#include <steward/core/stoppable_condition.hpp>
#include <steward/core/text.hpp>

namespace steward::detail::core {
namespace {

// One thread's wait for the first of several futures. While it lives, each of them tells it; what
// of that comes too late finds nobody.
class FirstOf {
 public:
  explicit FirstOf(std::span<FutureState* const> states) : states_(states) {
    numbers_.reserve(states.size());
  }
  FirstOf(const FirstOf&) = delete;
  FirstOf& operator=(const FirstOf&) = delete;
  ~FirstOf() {
    for (std::size_t i = 0; i < numbers_.size(); ++i) states_[i]->forget(numbers_[i]);
    const std::lock_guard hold(told_->mutex);
    told_->assisted = nullptr;
  }

  // nullopt: the deadline passed before. Throws Interrupted.
  std::optional<std::size_t> wait(Deadline deadline, const std::stop_token& stop,
                                  std::string_view wait) {
    heed_stop(stop, wait);
    if (const auto first = first_ready()) return first;
    for (const auto* state : states_) state->require_process();
    // Of several executors one: the others have threads of their own. But on such a thread its
    // own, or nobody would run what the futures wait for.
    Executor* by = ExecutorsThread::own_executor();
    for (std::size_t i = 0; by == nullptr && i < states_.size(); ++i) {
      assisted_ = states_[i]->executor();
      by = assisted_.get();
    }
    told_->assisted = by;
    for (auto* state : states_) {
      numbers_.push_back(state->follow([told = told_] { told->tell(); }));
    }
    if (by != nullptr) {
      assist_until(*by, [this] { return first_ready().has_value(); }, deadline, stop, wait);
    } else {
      StoppableCondition condition(told_->changed, told_->mutex, stop, wait);
      std::unique_lock lock(told_->mutex);
      condition.until(lock, deadline, [this] { return told_->ready; });
    }
    return first_ready();
  }

 private:
  struct Told {
    std::mutex mutex;
    std::condition_variable changed;
    bool ready = false;
    Executor* assisted = nullptr;

    void tell() {
      const std::lock_guard hold(mutex);
      ready = true;
      changed.notify_all();
      if (assisted != nullptr) assisted->wake();
    }
  };

  std::optional<std::size_t> first_ready() const {
    for (std::size_t i = 0; i < states_.size(); ++i) {
      if (states_[i]->ready()) return i;
    }
    return std::nullopt;
  }

  const std::span<FutureState* const> states_;
  std::shared_ptr<Executor> assisted_;  // unless it is this thread's own
  const std::shared_ptr<Told> told_ = std::make_shared<Told>();
  std::vector<std::uint64_t> numbers_;
};

}  // namespace

Executor*& ExecutorsThread::own() {
  thread_local Executor* executor = nullptr;
  return executor;
}

bool FutureState::ready() const {
  const std::lock_guard hold(mutex_);
  return ready_;
}

bool FutureState::wait(Deadline deadline, const std::stop_token& stop, std::string_view wait) {
  heed_stop(stop, wait);
  if (const auto by = executor()) {
    return assist_until(*by, [this] { return ready(); }, deadline, stop, wait);
  }
  if (ExecutorsThread::own_executor() != nullptr) {
    FutureState* const itself = this;
    return FirstOf(std::span(&itself, 1)).wait(deadline, stop, wait).has_value();
  }
  StoppableCondition condition(changed_, mutex_, stop, wait);
  std::unique_lock lock(mutex_);
  return condition.until(lock, deadline, [this] { return ready_; });
}

std::shared_ptr<Executor> FutureState::executor() const {
  const std::lock_guard hold(mutex_);
  return by_;
}

bool FutureState::cancel() {
  const auto by = executor();
  if (!by) return false;
  by->require_process();
  // First: whoever fulfils it may be about to.
  if (!fail(std::make_exception_ptr(BadCall("the task was cancelled")))) return false;
  by->cancel();
  by->wake();
  return true;
}

void FutureState::require_process() const {
  std::unique_lock lock(mutex_);
  const auto by = by_;
  lock.unlock();
  if (by) by->require_process();
}

void FutureState::call_back(std::function<void()> callback) {
  {
    const std::lock_guard hold(mutex_);
    if (!ready_) {
      if (callbacks_turn_.empty()) callbacks_turn_.emplace_back();
      return callbacks_.push_back(std::move(callback));
    }
  }
  callback();
}

std::uint64_t FutureState::follow(std::function<void()> next) {
  std::unique_lock lock(mutex_);
  const std::uint64_t number = ++numbers_;
  if (!ready_) {
    next_.push_back({number, std::move(next)});
    return number;
  }
  lock.unlock();
  next();
  return number;
}

void FutureState::forget(std::uint64_t number) {
  const std::lock_guard hold(mutex_);
  std::erase_if(next_, [number](const Later& next) { return next.number == number; });
}

bool FutureState::fail(std::exception_ptr error) {
  return finish([&] { error_ = std::move(error); });
}

void FutureState::rethrow() const {
  std::exception_ptr error;
  {
    const std::lock_guard hold(mutex_);
    error = error_;
  }
  if (error) std::rethrow_exception(error);
}

bool FutureState::finish(const std::function<void()>& store) {
  std::shared_ptr<Executor> by;
  LaterList turn;
  {
    const std::lock_guard hold(mutex_);
    if (settled_) return false;
    store();
    settled_ = true;
    if (by_ && !callbacks_.empty()) {
      by = by_;
      itself_ = shared_from_this();
      turn.splice(turn.end(), callbacks_turn_);
    }
  }
  if (!by) {
    run_callbacks();
    return true;
  }
  // Small enough to need no memory.
  turn.front().run = [this] {
    const auto keep = std::exchange(itself_, nullptr);
    run_callbacks();
  };
  by->run_later(std::move(turn));
  return true;
}

void FutureState::run_callbacks() {
  std::unique_lock lock(mutex_);
  while (!callbacks_.empty()) {
    const auto callbacks = std::exchange(callbacks_, {});
    lock.unlock();
    for (const auto& callback : callbacks) callback();
    lock.lock();
  }
  const auto by = std::exchange(by_, nullptr);
  LaterList next = std::move(next_);
  ready_ = true;
  changed_.notify_all();
  lock.unlock();
  // In order, and nothing of ours locked: what follows may do anything, also with this future.
  if (by) return by->run_later(std::move(next));
  for (const Later& each : next) each.run();
}

void throw_no_future(std::string_view call) {
  throw BadCall(std::string(call) +
                ": the Future stands for nothing: it was got, moved from, or never had a result");
}

std::size_t wait_for_any(std::span<FutureState* const> states, const std::stop_token& stop) {
  return *FirstOf(states).wait(std::nullopt, stop, "when_any");
}

void tell_thrown(const char* what) noexcept {
  std::string text;
  try {
    if (what != nullptr) text = ": " + visible(what);
  } catch (const std::bad_alloc&) {
    // It is told without its words.
  }
  std::fprintf(stderr, "steward: a callback threw%s\n", text.c_str());
}

}  // namespace steward::detail::core
