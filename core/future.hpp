// Future: the result of something that is still going on.
#pragma once

#include <array>
#include <chrono>
#include <concepts>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <span>
#include <stop_token>
#include <string_view>
#include <type_traits>
#include <utility>

#include <steward/core/clock.hpp>
#include <steward/core/errors.hpp>
#include <steward/core/future_state.hpp>

namespace steward {

template <class T>
class Future;

namespace detail::core {

template <class T>
struct FuturePromise;

// Throws BadCall: the future is default-constructed, moved from, or its result was taken. `call` is
// what was called: "Future.get".
[[noreturn]] void throw_no_future(std::string_view call);

// Waits until one of them is ready, and returns its index. Throws Interrupted.
std::size_t wait_for_any(std::span<FutureState* const> states, const std::stop_token& stop);

// Writes to standard error that a callback threw; nullptr: what it threw is no std::exception.
void tell_thrown(const char* what) noexcept;

// Runs what a user has given. What it throws is written to standard error: nobody else is there.
template <class F>
void run_callback(F&& callback) noexcept {
  try {
    callback();
  } catch (const std::exception& error) {
    tell_thrown(error.what());
  } catch (...) {
    tell_thrown(nullptr);
  }
}

template <class T>
struct CallbackOf {
  using type = std::function<void(const T&)>;
};
template <>
struct CallbackOf<void> {
  using type = std::function<void()>;
};

}  // namespace detail::core

// A result that will be there later, or the exception instead of it. The result is taken once, by
// get() or by co_await. A coroutine may return a Future itself: the coroutine begins at once, and
// its future becomes ready with co_return or with the exception that leaves it.
//
// A future that is destroyed cancels nothing: the work goes on, and callbacks are called.
//
// What follows (callbacks, coroutines that wait) runs on one thread of whoever fulfils the future,
// a pool for one, in the order in which results come: it may call and wait, but keeps the others
// waiting meanwhile. After a coroutine it runs on that one's thread.
//
// Who waits with a std::stop_token gets Interrupted once a stop is requested, before or during the
// wait; the future remains to be got then.
//
// On a future that stands for nothing every call but valid() throws BadCall.
//
// Move-only. Thread safety: one thread at a time, but for ready() and cancel().
template <class T = void>
class Future {
 public:
  using promise_type = detail::core::FuturePromise<T>;
  using State = detail::core::FutureValue<T>;

  Future() = default;  // stands for nothing
  explicit Future(std::shared_ptr<State> state) : state_(std::move(state)) {}
  Future(Future&&) noexcept = default;
  Future& operator=(Future&&) noexcept = default;

  // Whether there is a result to be taken, now or later.
  bool valid() const { return state_ != nullptr; }

  // Waits for the result, and throws the exception instead of it. Afterwards the future stands for
  // nothing. BadCall if it does already, or was cancelled.
  T get(std::stop_token stop = {}) {
    state("Future.get").wait(std::nullopt, stop, "Future.get");
    return std::exchange(state_, nullptr)->take();
  }

  template <class Rep, class Period>
  void get(std::chrono::duration<Rep, Period>) {
    static_assert(sizeof(Rep) == 0,
                  "get() takes no time: wait_for(time) says whether there is a result to get");
  }

  // Waits at most so long. Whether it is ready.
  template <class Rep, class Period>
  bool wait_for(std::chrono::duration<Rep, Period> timeout, std::stop_token stop = {}) {
    return state("Future.wait_for")
        .wait(detail::core::deadline_after(timeout), stop, "Future.wait_for");
  }
  void wait(std::stop_token stop = {}) {
    state("Future.wait").wait(std::nullopt, stop, "Future.wait");
  }
  bool ready() const { return state("Future.ready").ready(); }

  // The result is not wanted any more: the future is ready with a BadCall, and what has not begun
  // does not begin. False: it had its result before, or comes from a coroutine.
  bool cancel() { return state("Future.cancel").cancel(); }

  // Calls `callback` with the result or `error_callback` with the exception once there is one:
  // before the future is ready, or at once if it is. The future remains to be got, with its
  // own result: what a callback returns is dropped. What it throws goes to standard error, and no
  // further.
  using Callback = typename detail::core::CallbackOf<T>::type;
  using ErrorCallback = std::function<void(const std::exception&)>;
  Future& then(Callback callback, ErrorCallback error_callback = {}) & {
    state("Future.then");
    state_->call_back([state = state_.get(), callback = std::move(callback),
                       error_callback = std::move(error_callback)] {
      call_back(*state, callback, error_callback);
    });
    return *this;
  }
  Future then(Callback callback, ErrorCallback error_callback = {}) && {
    then(std::move(callback), std::move(error_callback));
    return std::move(*this);
  }

  // ---- For co_await ----

  bool await_ready() const { return state("co_await of a Future").ready(); }
  void await_suspend(std::coroutine_handle<> waiting) {
    state_->follow([waiting] { waiting.resume(); });
  }
  T await_resume() { return std::exchange(state_, nullptr)->take(); }

  // For when_any and the like; `call` is what throws BadCall if there is none.
  detail::core::FutureState& state(std::string_view call = "Future.state") const {
    if (!state_) detail::core::throw_no_future(call);
    return *state_;
  }

 private:
  static void call_back(const State& state, const Callback& callback,
                        const ErrorCallback& error_callback) {
    detail::core::run_callback([&] {
      try {
        state.rethrow();
      } catch (const std::exception& error) {
        if (error_callback) error_callback(error);
        return;
      }
      if (!callback) return;
      if constexpr (std::is_void_v<T>) {
        callback();
      } else {
        callback(state.value());
      }
    });
  }

  std::shared_ptr<State> state_;
};

namespace detail::core {

template <class T>
struct FuturePromiseBase {
  std::shared_ptr<FutureValue<T>> state = std::make_shared<FutureValue<T>>();

  Future<T> get_return_object() { return Future<T>(state); }
  std::suspend_never initial_suspend() noexcept { return {}; }
  std::suspend_never final_suspend() noexcept { return {}; }
  void unhandled_exception() { state->fail(std::current_exception()); }
};

// A promise has return_value or return_void, never both.
template <class T>
struct FuturePromise : FuturePromiseBase<T> {
  void return_value(T value) { this->state->set(std::move(value)); }
};
template <>
struct FuturePromise<void> : FuturePromiseBase<void> {
  void return_void() { state->set(); }
};

}  // namespace detail::core

// Waits until one of the futures is ready, and returns its index, 0 for the first. If several are
// ready, the first of them. They remain to be got. Throws BadCall if one stands for nothing, and
// Interrupted once a stop is requested.
template <class First, class... T>
std::size_t when_any(std::stop_token stop, Future<First>& first, Future<T>&... others) {
  const std::array<detail::core::FutureState*, 1 + sizeof...(T)> states{
      &first.state("when_any"), &others.state("when_any")...};
  return detail::core::wait_for_any(states, stop);
}
template <class First, class... T>
std::size_t when_any(Future<First>& first, Future<T>&... others) {
  return when_any(std::stop_token(), first, others...);
}

}  // namespace steward
