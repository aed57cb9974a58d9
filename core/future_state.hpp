// What a Future and whoever fulfils it share.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string_view>
#include <utility>
#include <vector>

#include <steward/core/clock.hpp>

namespace steward::detail::core {

class FutureState;

// A function that is to be run later, once. They are kept in a list, which can be handed over
// without allocating memory.
struct Later {
  std::uint64_t number = 0;  // for FutureState::forget()
  std::function<void()> run;
};
using LaterList = std::list<Later>;

// Executor: what makes futures ready, as far as a future needs to know it. It outlives its futures.
// Thread safety: any thread may call any function.
class Executor {
 public:
  virtual ~Executor() = default;
  // Returns once `done()` is true or the deadline has passed; until then the calling thread may
  // do some of the work. `done` may be called often, and with locks of the executor held.
  virtual void assist(const std::function<bool()>& done, Deadline deadline) = 0;
  // Whoever assists asks `done()` again. Takes short locks only: a stop may call it.
  virtual void wake() noexcept = 0;
  // Runs all of `next` soon, without any lock: on one thread, in the order of these calls.
  // Allocates nothing: if that failed, whoever waits for the future would wait for ever.
  virtual void run_later(LaterList next) noexcept = 0;
  // The future has failed, and its result is not wanted any more: what has not begun for it need
  // not begin.
  virtual void cancel() = 0;
  // Throws BadCall where it cannot fulfil anything: in a copy that a plain fork() has made.
  virtual void require_process() const {}
};

// While it lives, this thread is the one on which what follows this executor's futures runs: who
// waits on it must assist, since nobody else would run what it waits for.
class ExecutorsThread {
 public:
  explicit ExecutorsThread(Executor& executor) : before_(std::exchange(own(), &executor)) {}
  ExecutorsThread(const ExecutorsThread&) = delete;
  ExecutorsThread& operator=(const ExecutorsThread&) = delete;
  ~ExecutorsThread() { own() = before_; }

  // Null: this thread is no executor's.
  static Executor* own_executor() { return own(); }

 private:
  static Executor*& own();

  Executor* const before_;
};

// FutureState: the part of a future's state that does not depend on the type of its result. Thread
// safety: any thread may call any function.
class FutureState : public std::enable_shared_from_this<FutureState> {
 public:
  // Without an executor who waits just sleeps, and what follows runs where it becomes ready.
  explicit FutureState(std::shared_ptr<Executor> by = nullptr) : by_(std::move(by)) {}
  FutureState(const FutureState&) = delete;
  FutureState& operator=(const FutureState&) = delete;
  virtual ~FutureState() = default;

  bool ready() const;
  // Waits until the future is ready; false: the deadline passed before. `wait` names the wait for
  // Interrupted, which is thrown once a stop is requested, if it was before or the future is not
  // ready.
  bool wait(Deadline deadline, const std::stop_token& stop, std::string_view wait);
  // Null: nobody assists, or it is ready.
  std::shared_ptr<Executor> executor() const;
  // Settles the future with a BadCall and tells the executor so. False: it was settled before, or
  // has no executor. Throws BadCall as require_process().
  bool cancel();
  // Throws BadCall if nobody in this process will ever make it ready.
  void require_process() const;

  // Runs once there is a result, and before anybody gets it.
  void call_back(std::function<void()> callback);
  // Runs once, when the future is or becomes ready. The number is for forget().
  std::uint64_t follow(std::function<void()> next);
  // Takes the function of this number out, unless it has begun to run.
  void forget(std::uint64_t number);

  // Settles the future with this error. False: it is settled already.
  bool fail(std::exception_ptr error);

  // Once it is settled: throws what it failed with.
  void rethrow() const;

 protected:
  // Calls `store`, which leaves the result behind, and settles the future. False, and nothing is
  // done: it is settled already.
  bool finish(const std::function<void()>& store);

 private:
  // Runs the callbacks; then the future is ready.
  void run_callbacks();

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::shared_ptr<Executor> by_;  // until it is ready
  bool settled_ = false;          // there is a result
  bool ready_ = false;            // and the callbacks have seen it
  std::exception_ptr error_;
  std::uint64_t numbers_ = 0;
  std::vector<std::function<void()>> callbacks_;
  LaterList callbacks_turn_;             // one entry that runs all callbacks, if there are any
  std::shared_ptr<FutureState> itself_;  // keeps this object alive until that entry has run
  LaterList next_;
};

template <class T>
class FutureValue final : public FutureState {
 public:
  using FutureState::FutureState;

  void set(T value) {
    finish([&] { value_ = std::move(value); });
  }
  // Once it is settled. take() leaves nothing for a second time.
  T take() {
    rethrow();
    return std::move(*value_);
  }
  const T& value() const {
    rethrow();
    return *value_;
  }

 private:
  std::optional<T> value_;
};

template <>
class FutureValue<void> final : public FutureState {
 public:
  using FutureState::FutureState;

  void set() {
    finish([] {});
  }
  void take() { rethrow(); }
  void value() const { rethrow(); }
};

}  // namespace steward::detail::core
