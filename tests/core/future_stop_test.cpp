// Waits for futures that are ended by a stop, by the program's interrupt check, or on the thread of
// an executor.
#include <atomic>
#include <barrier>
#include <chrono>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <steward/core/future.hpp>
#include <steward/core/interrupt.hpp>
#include <steward/tests/error_text.hpp>
#include <steward/tests/waiting_thread.hpp>

namespace steward {
namespace {

using namespace std::chrono_literals;
using detail::core::ExecutorsThread;
using detail::core::FutureValue;
using detail::test::text_of;
using detail::test::WaitingThread;

template <class T>
std::pair<Future<T>, std::shared_ptr<FutureValue<T>>> promised() {
  auto state = std::make_shared<FutureValue<T>>();
  return {Future<T>(state), state};
}

// Each form of waiting for the first future.
struct Form {
  std::string name;
  std::function<void(Future<int>&, std::stop_token)> wait;
};
const std::vector<Form>& forms() {
  static const std::vector<Form> all{
      {"Future.get", [](Future<int>& a, std::stop_token stop) { a.get(stop); }},
      {"Future.wait", [](Future<int>& a, std::stop_token stop) { a.wait(stop); }},
      {"Future.wait_for", [](Future<int>& a, std::stop_token stop) { a.wait_for(1h, stop); }},
      {"when_any", [](Future<int>& a, std::stop_token stop) {
         auto [b, b_state] = promised<int>();
         when_any(stop, a, b);
       }}};
  return all;
}

TEST(FutureStop, BeforehandEndsEveryWaitAndTakesNothing) {
  std::stop_source source;
  source.request_stop();
  for (const Form& form : forms()) {
    auto [future, state] = promised<int>();
    const auto wait = [&, &future = future] { form.wait(future, source.get_token()); };
    EXPECT_EQ(text_of<Interrupted>(wait), form.name + ": interrupted");
    state->set(3);
    EXPECT_EQ(text_of<Interrupted>(wait), form.name + ": interrupted") << "though it is ready";
    EXPECT_EQ(future.get(), 3);
  }
}

TEST(FutureStop, EndsEveryWaitAtOnceAndTheFutureStays) {
  for (const Form& form : forms()) {
    auto [future, state] = promised<int>();
    std::stop_source source;
    std::string text;
    {
      WaitingThread waiting([&, &future = future] {
        text = text_of<Interrupted>([&] { form.wait(future, source.get_token()); });
      });
      ASSERT_TRUE(waiting.falls_asleep()) << form.name;
      source.request_stop();
    }
    EXPECT_EQ(text, form.name + ": interrupted");
    state->set(3);
    EXPECT_EQ(future.get(), 3);
  }
}

TEST(FutureStop, LosesNoResultThatComesAtTheSameMoment) {
  int interrupted = 0;
  for (int i = 0; i < 300; ++i) {
    auto [future, state] = promised<int>();
    std::stop_source source;
    std::barrier start(3);
    std::thread sets([&, &state = state] {
      start.arrive_and_wait();
      state->set(i);
    });
    std::thread stops([&] {
      start.arrive_and_wait();
      source.request_stop();
    });
    start.arrive_and_wait();
    try {
      EXPECT_EQ(future.get(source.get_token()), i);
    } catch (const Interrupted&) {
      ++interrupted;
      EXPECT_EQ(future.get(), i);
    }
    sets.join();
    stops.join();
  }
  RecordProperty("interrupted", interrupted);
}

// Works while somebody assists, and nowhere else.
class Executor final : public detail::core::Executor {
 public:
  void assist(const std::function<bool()>& done, detail::core::Deadline) override {
    while (!done()) work();
  }
  void wake() noexcept override { ++woken; }
  void run_later(detail::core::LaterList next) noexcept override {
    for (const auto& each : next) each.run();
  }
  void cancel() override {}

  std::function<void()> work = [] {};
  std::atomic<int> woken = 0;
};

TEST(FutureStop, WakesWhoAssists) {
  const auto by = std::make_shared<Executor>();
  const auto state = std::make_shared<FutureValue<int>>(by);
  Future<int> future(state);
  std::stop_source source;
  by->work = [&] { source.request_stop(); };
  EXPECT_THROW(future.get(source.get_token()), Interrupted);
  EXPECT_EQ(by->woken, 1);
  by->work = [&] { state->set(5); };
  EXPECT_EQ(future.get(), 5);
}

TEST(Future, WhenAnyAssistsWhoeverFulfilsThem) {
  const auto by = std::make_shared<Executor>();
  const auto state = std::make_shared<FutureValue<int>>(by);
  auto [other, other_state] = promised<int>();
  Future<int> future(state);
  by->work = [&] { state->set(5); };
  EXPECT_EQ(when_any(other, future), 1U);
}

// On its own thread nobody but the one who waits can do what the future waits for.
TEST(Future, WaitsOnAnExecutorsThreadAssistIt) {
  Executor by;
  const ExecutorsThread own(by);
  {
    auto [future, state] = promised<int>();
    by.work = [&state = state] { state->set(5); };
    EXPECT_EQ(future.get(), 5);
  }
  {
    auto [a, a_state] = promised<int>();
    auto [b, b_state] = promised<int>();
    by.work = [&state = b_state] { state->set(6); };
    EXPECT_EQ(when_any(a, b), 1U);
  }
  auto [future, state] = promised<int>();
  std::stop_source source;
  by.work = [&] { source.request_stop(); };
  EXPECT_THROW(future.get(source.get_token()), Interrupted);
  state->set(7);
  EXPECT_EQ(future.get(), 7);
}

TEST(Future, WaitsAskTheInterruptCheck) {
  detail::core::set_interrupt_check([] { return true; });
  for (const Form& form : forms()) {
    auto [future, state] = promised<int>();
    EXPECT_EQ(text_of<Interrupted>([&, &future = future] { form.wait(future, {}); }),
              form.name + ": interrupted");
  }
  detail::core::set_interrupt_check(nullptr);
}

TEST(Future, SaysWhichCallFindsNothing) {
  const std::string why = ": the Future stands for nothing: it was got, moved from, or never had a "
                          "result";
  Future<int> none;
  auto [other, state] = promised<int>();
  EXPECT_EQ(text_of<BadCall>([&] { none.get(); }), "Future.get" + why);
  EXPECT_EQ(text_of<BadCall>([&] { none.wait_for(1s); }), "Future.wait_for" + why);
  EXPECT_EQ(text_of<BadCall>([&] { none.ready(); }), "Future.ready" + why);
  EXPECT_EQ(text_of<BadCall>([&] { none.cancel(); }), "Future.cancel" + why);
  EXPECT_EQ(text_of<BadCall>([&] { none.then({}); }), "Future.then" + why);
  EXPECT_EQ(text_of<BadCall>([&, &other = other] { when_any(other, none); }), "when_any" + why);
}

}  // namespace
}  // namespace steward
