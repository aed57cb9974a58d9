// Waits that are told to stop.
#include <steward/shm/shared_queue.hpp>

#include <pthread.h>
#include <signal.h>

#include <array>
#include <atomic>
#include <chrono>
#include <future>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace steward::detail::shm {
namespace {

using namespace std::chrono_literals;
using Outcome = SharedQueue::Outcome;

// Beyond what a wait that is woken takes: it would be a wake that is lost.
core::Time limit() { return std::chrono::steady_clock::now() + 60s; }

void nothing() {}
bool never() { return false; }

class Stop : public testing::Test {
 protected:
  Until until(core::Time time = limit()) const { return {Until(time), stopping}; }

  static void wait_for_sleeper(FutexWord& word) {
    while ((word.load() & 1U) == 0) std::this_thread::yield();
  }

  std::stop_source source;
  const std::stop_token token = source.get_token();
  Stopping stopping{&token, nullptr};
};

// ---- Of a wait on a word, which looks again only if it is woken ----

TEST_F(Stop, EndsAWaitWhereverItIs) {
  for (int i = 0; i < 2000; ++i) {
    std::stop_source another;
    const std::stop_token its = another.get_token();
    const Stopping stop{&its, nullptr};
    FutexWord word{0};
    Spin spin;
    std::atomic<int> looks = 0;
    auto waiting = std::async(std::launch::async, [&] {
      const auto look = [&] { return ++looks < 0; };
      return wait(word, spin, Until(Until(limit()), stop), 1h, look, nothing);
    });
    // Each time a little later: before it looks, as it spins, about to sleep, and asleep.
    while (looks < i % 20 && (word.load() & 1U) == 0) std::this_thread::yield();
    if (i % 3 == 0) wait_for_sleeper(word);
    another.request_stop();
    ASSERT_EQ(waiting.get(), Waited::stopped) << i;
  }
}

TEST_F(Stop, ThatComesWithTheLastLookIsSeen) {
  FutexWord word{0};
  Spin spin;
  const auto look = [&] {
    if ((word.load() & 1U) != 0) source.request_stop();
    return false;
  };
  EXPECT_EQ(wait(word, spin, until(), 1h, look, nothing), Waited::stopped);
}

TEST_F(Stop, YieldsToWhatIsThere) {
  FutexWord word{0};
  Spin spin;
  // What is waited for comes right after the stop: the last look finds it.
  const auto look = [&] {
    if ((word.load() & 1U) == 0) return false;
    return !source.request_stop();
  };
  EXPECT_EQ(wait(word, spin, until(), 1h, look, nothing), Waited::stopped);
  EXPECT_EQ(wait(word, spin, until(), 1h, look, nothing), Waited::done);
}

std::atomic<bool> interrupt_wanted = false;

TEST_F(Stop, ComesFromASignalIfTheCheckSaysSo) {
  struct sigaction action {};
  struct sigaction before {};
  action.sa_handler = [](int) {};
  ::sigaction(SIGUSR1, &action, &before);
  stopping.interrupted = [] { return interrupt_wanted.load(); };
  for (const bool wanted : {true, false}) {
    interrupt_wanted = false;
    FutexWord word{0};
    Spin spin;
    std::atomic<pthread_t> sleeper{};
    std::atomic<bool> over = false;
    auto waiting = std::async(std::launch::async, [&] {
      sleeper = ::pthread_self();
      return wait(word, spin, until(), 1h, [&] { return over.load(); }, nothing);
    });
    wait_for_sleeper(word);
    for (int i = 0; i < 100; ++i) ::pthread_kill(sleeper, SIGUSR1);
    EXPECT_EQ(waiting.wait_for(0s), std::future_status::timeout) << "the check says no";
    interrupt_wanted = wanted;
    over = !wanted;
    while (waiting.wait_for(1ms) != std::future_status::ready) ::pthread_kill(sleeper, SIGUSR1);
    EXPECT_EQ(waiting.get(), wanted ? Waited::stopped : Waited::done);
  }
  ::sigaction(SIGUSR1, &before, nullptr);
}

TEST_F(Stop, AndTheCheckIsAskedWithoutASignalNowAndThen) {
  stopping.interrupted = [] { return true; };
  FutexWord word{0};
  Spin spin;
  EXPECT_EQ(wait(word, spin, until(), 1ms, never, nothing), Waited::stopped);
}

// ---- Of a queue ----

std::span<const std::byte> bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

class StopQueue : public Stop {
 protected:
  Outcome put(std::string_view item, Until until) { return queue->put(bytes(item), 0, until); }
  // The item; flagged; or "" if there is none.
  std::string get(Until until, Outcome& outcome) {
    std::string out;
    const auto read = [&](const Item& item) {
      out.assign(reinterpret_cast<const char*>(item.bytes.data()), item.bytes.size());
      if (item.redelivered) out += " again";
      return true;
    };
    Held held;
    outcome = queue->get(read, until, held);
    return out;
  }
  std::string next() {
    Outcome outcome{};
    return get(SharedQueue::kNow, outcome);
  }

  const std::unique_ptr<SharedQueue> queue = SharedQueue::create({.maxsize = 2});
};

TEST_F(StopQueue, BeforehandNothingIsDoneThoughItCouldBe) {
  ASSERT_EQ(put("a", SharedQueue::kNow), Outcome::done);
  source.request_stop();
  Outcome outcome{};
  EXPECT_EQ(get(until(), outcome), "");
  EXPECT_EQ(outcome, Outcome::stopped);
  EXPECT_EQ(put("b", until()), Outcome::stopped);
  std::size_t done = 7;
  EXPECT_EQ(queue->put_many(std::array{bytes("b"), bytes("c")}, 0, until(), done),
            Outcome::stopped);
  EXPECT_EQ(done, 0U);
  Held held;
  const auto read = [](const Item&) { return true; };
  std::vector<Held> kept;
  EXPECT_EQ(queue->get_many(9, read, until(), kept), Outcome::stopped);
  EXPECT_EQ(queue->reserve([] { return core::Deadline(); }, read, until(), held),
            Outcome::stopped);
  EXPECT_EQ(next(), "a");
  EXPECT_EQ(next(), "");
  EXPECT_TRUE(queue->task_done());
  EXPECT_EQ(queue->join(until()), Outcome::stopped);
}

TEST_F(StopQueue, EndsATakerThatSleeps) {
  Outcome outcome{};
  auto waiting = std::async(std::launch::async, [&] { return get(until(), outcome); });
  wait_for_sleeper(queue->event(Event::not_empty));
  source.request_stop();
  EXPECT_EQ(waiting.get(), "");
  EXPECT_EQ(outcome, Outcome::stopped);
  ASSERT_EQ(put("a", SharedQueue::kNow), Outcome::done);
  EXPECT_EQ(next(), "a");
}

TEST_F(StopQueue, OfPutManyLeavesTheFirstIn) {
  std::size_t done = 0;
  auto waiting = std::async(std::launch::async, [&] {
    return queue->put_many(std::array{bytes("a"), bytes("b"), bytes("c")}, 0, until(), done);
  });
  wait_for_sleeper(queue->event(Event::not_full));
  source.request_stop();
  EXPECT_EQ(waiting.get(), Outcome::stopped);
  EXPECT_EQ(done, 2U);
  EXPECT_EQ(next(), "a");
  EXPECT_EQ(next(), "b");
  EXPECT_EQ(next(), "");
}

TEST_F(StopQueue, EndsAJoin) {
  ASSERT_EQ(put("a", SharedQueue::kNow), Outcome::done);
  auto waiting = std::async(std::launch::async, [&] { return queue->join(until()); });
  wait_for_sleeper(queue->event(Event::all_done));
  source.request_stop();
  EXPECT_EQ(waiting.get(), Outcome::stopped);
}

// While another waits too, whose wake must not be lost.
TEST_F(StopQueue, AndAnItemThatComesAtOnceLeaveItToSomebody) {
  for (int i = 0; i < 500; ++i) {
    std::stop_source another;
    const std::stop_token its = another.get_token();
    const Stopping stop{&its, nullptr};
    Outcome outcome{};
    Outcome others{};
    auto stopped = std::async(std::launch::async,
                              [&] { return get(Until(Until(limit()), stop), outcome); });
    auto other = std::async(std::launch::async, [&] { return get(limit(), others); });
    wait_for_sleeper(queue->event(Event::not_empty));
    std::thread stopper([&] { another.request_stop(); });
    ASSERT_EQ(put("a", SharedQueue::kNow), Outcome::done);
    stopper.join();
    const std::string got = stopped.get();
    if (outcome == Outcome::done) {
      ASSERT_EQ(got, "a");
      ASSERT_EQ(put("b", SharedQueue::kNow), Outcome::done);
    }
    ASSERT_EQ(other.get(), outcome == Outcome::done ? "b" : "a");
    ASSERT_EQ(next(), "");
  }
}

TEST_F(StopQueue, AndRoomThatComesAtOnceLeaveTheItemInOrOut) {
  for (int i = 0; i < 500; ++i) {
    std::stop_source another;
    const std::stop_token its = another.get_token();
    const Stopping stop{&its, nullptr};
    ASSERT_EQ(put("a", SharedQueue::kNow), Outcome::done);
    ASSERT_EQ(put("b", SharedQueue::kNow), Outcome::done);
    auto stopped = std::async(std::launch::async,
                              [&] { return put("c", Until(Until(limit()), stop)); });
    wait_for_sleeper(queue->event(Event::not_full));
    std::thread stopper([&] { another.request_stop(); });
    EXPECT_EQ(next(), "a");
    stopper.join();
    const Outcome outcome = stopped.get();
    EXPECT_EQ(next(), "b");
    ASSERT_EQ(next(), outcome == Outcome::done ? "c" : "");
    ASSERT_EQ(outcome == Outcome::done || outcome == Outcome::stopped, true);
    ASSERT_EQ(next(), "");
  }
}

}  // namespace
}  // namespace steward::detail::shm
