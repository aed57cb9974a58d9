// wait() that is ended by a stop, or by the program's interrupt check.
#include <signal.h>

#include <atomic>
#include <barrier>
#include <chrono>
#include <functional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <steward/steward.hpp>
#include <steward/tests/error_text.hpp>
#include <steward/tests/process/support.hpp>
#include <steward/tests/waiting_thread.hpp>

namespace steward {
namespace {

using namespace std::chrono_literals;
using Indexes = std::vector<std::size_t>;
using detail::test::Pipe;
using detail::test::text_of;
using detail::test::WaitingThread;

// One of each kind, and combinations that sleep in ways of their own.
class WaitStop : public testing::Test {
 protected:
  Manager manager;
  Lock lock = manager.lock();
  Queue<int> queue = manager.queue<int>();  // in shared memory
  const Pipe pipe;
  std::stop_source source;

  std::stop_token stop() const { return source.get_token(); }
  std::vector<std::function<void()>> waits() {
    return {[this] { wait({pipe.reader_fd()}, stop()); },
            [this] { wait({pipe.reader_fd()}, 1h, stop()); },
            [this] { wait({lock}, stop()); },
            [this] { wait({queue}, stop()); },
            [this] { wait({queue, lock}, 1h, stop()); },
            [this] { wait({queue, lock, pipe.reader_fd()}, stop()); },
            [this] { wait(std::vector<Queue<int>>{queue}, stop()); },
            [this] { wait(std::vector<Lock>{lock}, 1h, stop()); }};
  }
};

TEST_F(WaitStop, BeforehandEndsItThoughSomethingIsReady) {
  queue.put(1);
  pipe.write("x");
  source.request_stop();
  for (const auto& each : waits()) EXPECT_EQ(text_of<Interrupted>(each), "wait: interrupted");
  EXPECT_THROW(wait({}, stop()), Interrupted);
  EXPECT_EQ(wait({queue, lock, pipe.reader_fd()}), (Indexes{0, 1, 2}));
}

TEST_F(WaitStop, EndsItAtOnceWhateverItSleepsOn) {
  lock.lock();
  for (const auto& each : waits()) {
    source = {};
    WaitingThread waiting([&] { EXPECT_EQ(text_of<Interrupted>(each), "wait: interrupted"); });
    ASSERT_TRUE(waiting.falls_asleep());
    source.request_stop();
  }
  lock.unlock();
  queue.put(1);
  EXPECT_EQ(wait({queue, lock, pipe.reader_fd()}, std::stop_source().get_token()),
            (Indexes{0, 1}));
}

TEST_F(WaitStop, SaysWhatIsReadyOrIsInterrupted) {
  for (int i = 0; i < 100; ++i) {
    source = {};
    std::barrier start(3);
    std::thread puts([&] {
      start.arrive_and_wait();
      queue.put(i);
    });
    std::thread stops([&] {
      start.arrive_and_wait();
      source.request_stop();
    });
    start.arrive_and_wait();
    try {
      EXPECT_EQ(wait({queue}, stop()), (Indexes{0}));
    } catch (const Interrupted&) {
    }
    EXPECT_EQ(queue.get(), i);
    puts.join();
    stops.join();
  }
}

std::atomic<bool> interrupt_wanted = false;

TEST_F(WaitStop, TheInterruptCheckEndsItWhateverItSleepsOn) {
  lock.lock();
  set_interrupt_check([] { return interrupt_wanted.load(); });
  struct sigaction action {};
  struct sigaction before {};
  action.sa_handler = [](int) {};
  ::sigaction(SIGUSR1, &action, &before);
  for (const auto& each : waits()) {
    std::atomic<bool> ended = false;
    WaitingThread waiting([&] {
      EXPECT_EQ(text_of<Interrupted>(each), "wait: interrupted");
      ended = true;
    });
    ASSERT_TRUE(waiting.falls_asleep());
    interrupt_wanted = true;
    while (!ended) {
      ::pthread_kill(waiting.handle(), SIGUSR1);
      std::this_thread::yield();
    }
    interrupt_wanted = false;
  }
  set_interrupt_check(nullptr);
  ::sigaction(SIGUSR1, &before, nullptr);
}

}  // namespace
}  // namespace steward
