#include <steward/core/future.hpp>

#include <algorithm>
#include <cstdio>
#include <utility>

namespace steward::detail::core {

bool FutureState::ready() const {
  const std::lock_guard hold(mutex_);
  return ready_;
}

bool FutureState::wait(Deadline deadline) {
  std::unique_lock lock(mutex_);
  if (ready_) return true;
  if (const auto by = by_) {
    lock.unlock();
    by->assist([this] { return ready(); }, deadline);
    return ready();
  }
  const auto is_ready = [this] { return ready_; };
  if (deadline) return changed_.wait_until(lock, *deadline, is_ready);
  changed_.wait(lock, is_ready);
  return true;
}

bool FutureState::cancel() {
  std::unique_lock lock(mutex_);
  const auto by = by_;
  if (ready_ || !by) return false;
  lock.unlock();
  return by->cancel();
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

void FutureState::fail(std::exception_ptr error) {
  finish([&] { error_ = std::move(error); });
}

void FutureState::rethrow() const {
  std::exception_ptr error;
  {
    const std::lock_guard hold(mutex_);
    error = error_;
  }
  if (error) std::rethrow_exception(error);
}

void FutureState::finish(const std::function<void()>& store) {
  std::shared_ptr<Executor> by;
  LaterList turn;
  {
    const std::lock_guard hold(mutex_);
    if (settled_) return;
    store();
    settled_ = true;
    if (by_ && !callbacks_.empty()) {
      by = by_;
      itself_ = shared_from_this();
      turn.splice(turn.end(), callbacks_turn_);
    }
  }
  if (!by) return run_callbacks();
  // Small enough to need no memory.
  turn.front().run = [this] {
    const auto keep = std::exchange(itself_, nullptr);
    run_callbacks();
  };
  by->run_later(std::move(turn));
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

void throw_no_future() {
  throw BadCall("this Future stands for nothing: it was got, moved from, or never had a result");
}

namespace {

// Told by the first of several futures.
struct AnyReady {
  std::mutex mutex;
  std::condition_variable changed;
  bool ready = false;

  void tell() {
    const std::lock_guard hold(mutex);
    ready = true;
    changed.notify_all();
  }
};

}  // namespace

std::size_t wait_for_any(std::span<FutureState* const> states) {
  const auto first_ready = [&] {
    return std::find_if(states.begin(), states.end(), [](auto* state) { return state->ready(); });
  };
  const auto place = [&](auto found) { return static_cast<std::size_t>(found - states.begin()); };
  if (const auto found = first_ready(); found != states.end()) return place(found);

  for (const auto* state : states) state->require_process();
  const auto any = std::make_shared<AnyReady>();
  std::vector<std::uint64_t> numbers;
  numbers.reserve(states.size());
  for (auto* state : states) numbers.push_back(state->follow([any] { any->tell(); }));
  {
    std::unique_lock lock(any->mutex);
    any->changed.wait(lock, [&] { return any->ready; });
  }
  for (std::size_t i = 0; i < states.size(); ++i) states[i]->forget(numbers[i]);
  return place(first_ready());
}

void tell_thrown(const char* what) noexcept {
  const bool known = what != nullptr;
  std::fprintf(stderr, "steward: a callback threw%s%s\n", known ? ": " : "", known ? what : "");
}

}  // namespace steward::detail::core
