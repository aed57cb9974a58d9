// Many threads at one connection: nobody's answer is lost, nobody's wake-up either. A lost wake-up
// shows as a test that hangs: no call here has a deadline that would save it, unless it says so.
#include <steward/tests/client/session_test.hpp>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <random>
#include <thread>

#include <steward/tests/client/seed.hpp>

namespace steward::detail::test {
namespace {

using client::Effect;

// The manager in a thread of its own, which answers in batches of a random length: replies arrive
// while others send, at every point of their work.
class ThreadsTest : public SessionTest {
 protected:
  ~ThreadsTest() override {
    if (session) session->end(5s);
    session.reset();
    {
      const std::lock_guard lock(mutex);
      stopping = true;
    }
    arrived.notify_all();
    if (server.joinable()) server.join();
  }

  void start(std::uint64_t with_seed, ConnectOptions options = {}) {
    link = std::make_shared<FakeLink>([this](std::uint64_t connection, std::string frame) {
      {
        const std::lock_guard lock(mutex);
        frames.emplace_back(connection, std::move(frame));
      }
      arrived.notify_one();
    });
    server = std::thread([this, with_seed] { serve(with_seed); });
    link->connect();
    session = client::connect_over(link->transport(), manager.new_ticket(),
                                   {std::string(kAddress)}, options);
  }

  void serve(std::uint64_t with_seed) {
    std::mt19937_64 random(with_seed);
    std::deque<std::pair<std::uint64_t, std::string>> batch;
    std::unique_lock lock(mutex);
    for (;;) {
      arrived.wait(lock, [this] { return stopping || !frames.empty(); });
      if (frames.empty()) return;
      const std::size_t size = 1 + random() % 4;
      while (!frames.empty() && batch.size() < size) {
        batch.push_back(std::move(frames.front()));
        frames.pop_front();
      }
      lock.unlock();
      std::vector<std::pair<std::uint64_t, std::string>> answers;
      for (auto& [connection, frame] : batch) {
        for (std::string& answer : manager.take(connection, frame)) {
          answers.emplace_back(connection, std::move(answer));
        }
      }
      for (auto& [connection, answer] : answers) link->deliver(connection, std::move(answer));
      batch.clear();
      lock.lock();
    }
  }

  template <class F>
  static void in_threads(int count, F&& body) {
    std::vector<std::thread> threads;
    for (int i = 0; i < count; ++i) threads.emplace_back([&body, i] { body(i); });
    for (std::thread& thread : threads) thread.join();
  }

  std::mutex mutex;
  std::condition_variable arrived;
  std::deque<std::pair<std::uint64_t, std::string>> frames;
  bool stopping = false;
  std::thread server;
};

TEST_F(ThreadsTest, ShortCallsOfManyThreadsAllReturn) {
  start(seed());
  constexpr int kThreads = 16;
  constexpr int kCalls = 1500;
  in_threads(kThreads, [&](int thread) {
    for (int i = 0; i < kCalls; ++i) {
      const std::int64_t payload = thread * 1'000'000 + i;
      ASSERT_EQ(echo(payload), payload);
    }
  });
}

TEST_F(ThreadsTest, EveryMixOfCallsComesToItsEnd) {
  const std::uint64_t first = seed();
  start(first);
  constexpr int kThreads = 16;
  constexpr int kCalls = 400;
  std::atomic<std::int64_t> added = 0;
  in_threads(kThreads, [&](int thread) {
    std::mt19937_64 random(first + static_cast<std::uint64_t>(thread));
    for (int i = 0; i < kCalls; ++i) {
      switch (random() % 8) {
        case 0:
          added += 1;
          post("add", {encoded(1)});
          break;
        case 1:
          added += 1;
          add(1);
          break;
        case 2:
          EXPECT_FALSE(call("park", {}, Effect::take,
                            core::deadline_after(std::chrono::microseconds(random() % 2000))));
          break;
        case 3:
          EXPECT_THROW(call("fail", {encoded("so")}), BadCall);
          break;
        default: ASSERT_EQ(echo(i), i);
      }
    }
  });
  EXPECT_EQ(add(0), added);
}

TEST_F(ThreadsTest, TheLeadPassesOnWhileSomeWaitForLong) {
  const std::uint64_t first = seed();
  start(first);
  constexpr int kParked = 8;
  std::vector<std::future<std::optional<std::string>>> parked;
  for (int i = 0; i < kParked; ++i) parked.push_back(park(Effect::take));
  std::atomic<bool> done = false;
  std::thread releaser([&] {
    // One by one: each release may be that of the leader.
    for (int i = 0; i < kParked; ++i) {
      manager.wait_until([&](const FakeManager& seen) {
        return seen.runs("echo") > static_cast<std::size_t>(i * 500);
      });
      link->deliver(manager.release_parked(encoded(i)));
    }
    done = true;
  });
  in_threads(4, [&](int) {
    for (int i = 0; i < 1200 || !done; ++i) ASSERT_EQ(echo(i), i);
  });
  releaser.join();
  std::int64_t sum = 0;
  for (auto& call : parked) sum += integer_of(call.get().value());
  EXPECT_EQ(sum, kParked * (kParked - 1) / 2);
}

TEST_F(ThreadsTest, ConnectionsThatBreakLoseNothingAndRepeatNothing) {
  const std::uint64_t first = seed();
  start(first);
  constexpr int kThreads = 8;
  constexpr int kCalls = 400;
  std::atomic<int> running = kThreads;
  std::thread breaker([&] {
    std::mt19937_64 random(first);
    std::size_t frames_seen = 0;
    while (running > 0) {
      link->take_early(random() % 2 == 0);
      link->replace();
      // Let some calls pass before the next one.
      frames_seen = manager.calls().size() + random() % 200;
      manager.wait_until([&](const FakeManager& seen) {
        return running == 0 || seen.calls().size() > frames_seen;
      });
    }
  });
  in_threads(kThreads, [&](int) {
    std::int64_t before = 0;
    for (int i = 0; i < kCalls; ++i) {
      if (i % 3 == 0) {
        ASSERT_EQ(echo(i), i);
      } else if (i % 3 == 1) {
        post("add", {encoded(1)});
      } else {
        const std::int64_t now = add(1);
        ASSERT_GT(now, before);
        before = now;
      }
    }
    --running;
    echo(0);
  });
  breaker.join();
  EXPECT_EQ(add(0), kThreads * (kCalls * 2 / 3));
}

TEST_F(ThreadsTest, TheLimitOfCallsInFlightLetsEverybodyThrough) {
  manager.limit(1U << 20U, 3);
  start(seed());
  in_threads(16, [&](int) {
    for (int i = 0; i < 300; ++i) ASSERT_EQ(echo(i), i);
  });
}

TEST_F(ThreadsTest, ReferencesComeAndGoInAllThreads) {
  start(seed());
  in_threads(8, [&](int thread) {
    for (int i = 0; i < 300; ++i) {
      const std::string result = call("handle", {encoded(i % 3)}).value();
      const core::Reader::Extension extension = core::Reader(result).extension();
      core::ReferencePtr mine = session->adopt(core::decode_token(extension.payload));
      ASSERT_EQ(client::session_of(mine), session);
      if (thread % 2 == 0) {
        ASSERT_EQ(echo(i), i);
      }
    }
  });
  echo(0);
  EXPECT_TRUE(manager.grants().empty());
}

TEST_F(ThreadsTest, AnEndMeetsCallsUnderWay) {
  start(seed());
  std::atomic<int> ended = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      try {
        for (;;) add(1);
      } catch (const Disconnected&) {
        ++ended;
      } catch (const OutcomeUnknown&) {
        ++ended;
      }
    });
  }
  manager.wait_until([](const FakeManager& seen) { return seen.runs("add") > 200; });
  session->end(5s);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(ended, 8);
}

}  // namespace
}  // namespace steward::detail::test
