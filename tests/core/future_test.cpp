// Futures without a pool: who fulfils them is the test.
#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>

#include <gtest/gtest.h>

#include <steward/core/future.hpp>
#include <steward/tests/shm/failing_new.hpp>

namespace steward {
namespace {

using namespace std::chrono_literals;

template <class T>
std::pair<Future<T>, std::shared_ptr<detail::core::FutureValue<T>>> promised() {
  auto state = std::make_shared<detail::core::FutureValue<T>>();
  return {Future<T>(state), state};
}

static_assert(!std::is_copy_constructible_v<Future<int>>);
static_assert(std::is_nothrow_move_constructible_v<Future<int>>);

TEST(Future, GivesItsResultOnce) {
  auto [future, state] = promised<std::string>();
  EXPECT_FALSE(future.ready());
  EXPECT_FALSE(future.wait_for(0s));
  state->set("x");
  state->set("y");
  state->fail(std::make_exception_ptr(std::runtime_error("late")));
  EXPECT_TRUE(future.ready());
  EXPECT_TRUE(future.wait_for(0s));
  EXPECT_EQ(future.get(), "x") << "the first holds";
  EXPECT_FALSE(future.valid());
  EXPECT_THROW(future.get(), BadCall);
  EXPECT_THROW(future.ready(), BadCall);
  EXPECT_THROW(Future<>().get(), BadCall);
}

TEST(Future, CarriesWhatOnlyMoves) {
  auto [future, state] = promised<std::unique_ptr<int>>();
  state->set(std::make_unique<int>(5));
  EXPECT_EQ(*future.get(), 5);
}

TEST(Future, ThrowsWhatItFailedWith) {
  auto [future, state] = promised<void>();
  state->fail(std::make_exception_ptr(std::out_of_range("none")));
  EXPECT_THROW(future.get(), std::out_of_range);
}

TEST(Future, WakesWhoWaits) {
  auto [future, state] = promised<int>();
  std::thread other([state = state] { state->set(3); });
  EXPECT_EQ(future.get(), 3);
  other.join();
}

TEST(Future, CannotBeCancelledWithoutAExecutor) {
  auto [future, state] = promised<int>();
  EXPECT_FALSE(future.cancel());
}

// Runs what follows when told; does a part of the work of who waits.
class Executor : public detail::core::Executor {
 public:
  void assist(const std::function<bool()>& done, detail::core::Deadline deadline) override {
    while (!done() && !deadline) work();
  }
  void wake() noexcept override {}
  void run_later(detail::core::LaterList next) noexcept override {
    later.splice(later.end(), next);
  }
  void cancel() override {
    ++cancelled;
    work();
  }
  void run() {
    for (; !later.empty(); later.pop_front()) later.front().run();
  }

  std::function<void()> work = [] {};
  detail::core::LaterList later;
  int cancelled = 0;
};

TEST(Future, LetsWhoWaitsHelp) {
  const auto by = std::make_shared<Executor>();
  const auto state = std::make_shared<detail::core::FutureValue<int>>(by);
  Future<int> future(state);
  EXPECT_FALSE(future.wait_for(1ms));
  by->work = [&] { state->set(4); };
  EXPECT_EQ(future.get(), 4);
}

TEST(Future, TellsItsExecutorOfACancellation) {
  const auto by = std::make_shared<Executor>();
  const auto state = std::make_shared<detail::core::FutureValue<int>>(by);
  Future<int> future(state);
  EXPECT_TRUE(future.cancel());
  EXPECT_EQ(by->cancelled, 1);
  state->set(1);
  EXPECT_FALSE(future.cancel());
  EXPECT_EQ(by->cancelled, 1);
}

TEST(Future, ThatWasCancelledHasNoResultThatComesJustThen) {
  const auto by = std::make_shared<Executor>();
  const auto state = std::make_shared<detail::core::FutureValue<int>>(by);
  Future<int> future(state);
  by->work = [&] { state->set(1); };
  EXPECT_TRUE(future.cancel());
  EXPECT_THROW(future.get(), BadCall);
}

TEST(Future, WhoseCallbacksAreStillToRunIsNotCancelled) {
  const auto by = std::make_shared<Executor>();
  const auto state = std::make_shared<detail::core::FutureValue<int>>(by);
  Future<int> future(state);
  future.then([](int) {});
  state->set(1);
  EXPECT_FALSE(future.ready());
  EXPECT_FALSE(future.cancel());
  EXPECT_EQ(by->cancelled, 0);
  by->run();
  EXPECT_EQ(future.get(), 1);
}

TEST(Future, CallbacksRunOnTheExecutorsThreadBeforeItIsReady) {
  const auto by = std::make_shared<Executor>();
  const auto state = std::make_shared<detail::core::FutureValue<int>>(by);
  std::string seen;
  Future<int> future(state);
  future.then([&](int x) { seen += "a" + std::to_string(x); })
      .then([&](const int& x) { seen += "b" + std::to_string(x); });
  state->set(1);
  EXPECT_FALSE(future.ready());
  EXPECT_EQ(seen, "");
  by->run();
  EXPECT_TRUE(future.ready());
  EXPECT_EQ(seen, "a1b1");
  future.then([&](int x) { seen += "c" + std::to_string(x); });
  EXPECT_EQ(seen, "a1b1c1") << "at once";
  EXPECT_EQ(future.get(), 1);
}

// Who waits for it would wait for ever.
TEST(Future, BecomesReadyAndCallsBackWithoutMemoryForThat) {
  detail::test::at_each_allocation([](std::size_t n) {
    const auto by = std::make_shared<Executor>();
    const auto state = std::make_shared<detail::core::FutureValue<int>>(by);
    int seen = 0;
    bool followed = false;
    Future<int> future(state);
    future.then([&](int x) { seen += x; }).then([&](int x) { seen += x; });
    state->follow([&] { followed = true; });
    bool failed = false;
    {
      const detail::test::FailingNew failing(n);
      state->set(4);
      by->run();
      failed = failing.has_failed();
    }
    EXPECT_TRUE(future.ready());
    EXPECT_TRUE(followed);
    EXPECT_EQ(seen, 8);
    return failed;
  });
}

TEST(Future, CallsBackThoughItWasDropped) {
  int seen = 0;
  const auto state = std::make_shared<detail::core::FutureValue<int>>();
  Future<int>(state).then([&](int x) { seen = x; });
  state->set(2);
  EXPECT_EQ(seen, 2);
}

TEST(Future, ErrorsGoToTheirOwnCallback) {
  auto [future, state] = promised<int>();
  std::string seen;
  future.then([&](int) { seen += "value"; },
              [&](const std::exception& error) { seen += error.what(); });
  future.then([&](int) { seen += "value"; });
  state->fail(std::make_exception_ptr(std::runtime_error("no")));
  EXPECT_EQ(seen, "no");
}

TEST(Future, SurvivesCallbacksThatThrow) {
  testing::internal::CaptureStderr();
  auto [future, state] = promised<int>();
  future.then([](int) { throw std::runtime_error("oops"); });
  state->set(1);
  EXPECT_EQ(future.get(), 1);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "steward: a callback threw: oops\n");
}

TEST(Future, WhatCallbacksThrowMovesNoCursor) {
  testing::internal::CaptureStderr();
  auto [future, state] = promised<int>();
  future.then([](int) { throw std::runtime_error("\x1b[2J\nsteward: all is well"); });
  state->set(1);
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "steward: a callback threw: \\x1b[2J\\nsteward: all is well\n");
}

TEST(Future, WhenAnyGivesTheFirstOfThoseThatAreReady) {
  auto [a, a_state] = promised<int>();
  auto [b, b_state] = promised<std::string>();
  auto [c, c_state] = promised<void>();
  c_state->set();
  EXPECT_EQ(when_any(a, b, c), 2U);
  b_state->set("x");
  EXPECT_EQ(when_any(a, b, c), 1U);
  EXPECT_EQ(b.get(), "x");
  EXPECT_EQ(when_any(a, c), 1U);
  EXPECT_THROW(when_any(a, b), BadCall) << "b stands for nothing now";
}

TEST(Future, WhenAnyWaits) {
  auto [a, a_state] = promised<int>();
  auto [b, b_state] = promised<int>();
  for (int i = 0; i < 100; ++i) {
    auto [c, c_state] = promised<int>();
    std::thread other([c_state = c_state] { c_state->set(1); });
    EXPECT_EQ(when_any(a, c, b), 1U);
    other.join();
  }
}

Future<int> sum(Future<int> a, Future<int> b) {
  const int first = co_await a;
  co_return first + co_await b;
}
Future<> wait_for_both(Future<int>& a, Future<int>& b) {
  co_await a;
  co_await b;
}

TEST(Future, CoroutinesGoOnWhenWhatTheyAwaitIsReady) {
  auto [a, a_state] = promised<int>();
  auto [b, b_state] = promised<int>();
  Future<int> both = sum(std::move(a), std::move(b));
  b_state->set(2);
  EXPECT_FALSE(both.ready());
  a_state->set(1);
  EXPECT_TRUE(both.ready());
  EXPECT_EQ(both.get(), 3);
}

TEST(Future, CoroutinesPassExceptionsOn) {
  auto [a, a_state] = promised<int>();
  auto [b, b_state] = promised<int>();
  Future<> both = wait_for_both(a, b);
  a_state->set(1);
  b_state->fail(std::make_exception_ptr(std::invalid_argument("b")));
  EXPECT_THROW(both.get(), std::invalid_argument);
}

}  // namespace
}  // namespace steward
