// Waits for the end of a process that are ended by a stop, or by the program's interrupt check.
#include <signal.h>

#include <atomic>
#include <barrier>
#include <chrono>
#include <stop_token>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include <steward/core/interrupt.hpp>
#include <steward/process/process.hpp>
#include <steward/tests/error_text.hpp>
#include <steward/tests/process/support.hpp>
#include <steward/tests/waiting_thread.hpp>

namespace steward {
namespace {

using namespace std::chrono_literals;
using detail::test::Pipe;
using detail::test::text_of;
using detail::test::WaitingThread;

void wait_at(const std::string& gate) { detail::test::hear(gate); }

TEST(JoinStop, BeforehandEndsItThoughTheProcessHasEnded) {
  const Pipe gate;
  Process child({.name = "w"}, wait_at, gate.reader());
  child.start();
  std::stop_source source;
  source.request_stop();
  EXPECT_EQ(text_of<Interrupted>([&] { child.join(source.get_token()); }), "w.join: interrupted");
  EXPECT_THROW(child.join(1h, source.get_token()), Interrupted);
  gate.write("x");
  child.join();
  EXPECT_THROW(child.join(source.get_token()), Interrupted);
  EXPECT_EQ(child.exitcode(), 0);
}

TEST(JoinStop, EndsTheWaitAndLeavesTheProcessAlone) {
  const Pipe gate;
  Process child(wait_at, gate.reader());
  child.start();
  std::stop_source source;
  {
    WaitingThread one([&] { EXPECT_THROW(child.join(source.get_token()), Interrupted); });
    WaitingThread other([&] { EXPECT_THROW(child.join(1h, source.get_token()), Interrupted); });
    ASSERT_TRUE(one.falls_asleep());
    ASSERT_TRUE(other.falls_asleep());
    source.request_stop();
  }
  EXPECT_TRUE(child.is_alive());
  gate.write("x");
  EXPECT_TRUE(child.join(1min, std::stop_source().get_token()));
  EXPECT_EQ(child.exitcode(), 0);
}

TEST(JoinStop, AtTheMomentOfTheEndLosesNothing) {
  for (int i = 0; i < 10; ++i) {
    const Pipe gate;
    Process child(wait_at, gate.reader());
    child.start();
    std::stop_source source;
    std::barrier start(2);
    std::thread stops([&] {
      start.arrive_and_wait();
      source.request_stop();
    });
    start.arrive_and_wait();
    gate.write("x");
    try {
      child.join(source.get_token());
    } catch (const Interrupted&) {
      child.join();
    }
    EXPECT_EQ(child.exitcode(), 0);
    stops.join();
  }
}

std::atomic<int> asked = 0;

TEST(JoinStop, AnInterruptCheckEndsItButNotTheDestructor) {
  const Pipe gate;
  struct sigaction action {};
  struct sigaction before {};
  action.sa_handler = [](int) {};
  ::sigaction(SIGUSR1, &action, &before);
  detail::core::set_interrupt_check([] { return ++asked > 0; });
  std::atomic<bool> interrupted = false;
  std::atomic<bool> destroyed = false;
  WaitingThread waiting([&] {
    {
      Process child(wait_at, gate.reader());
      child.start();
      EXPECT_THROW(child.join(), Interrupted);
      interrupted = true;
    }
    destroyed = true;
  });
  while (!interrupted) {
    ::pthread_kill(waiting.handle(), SIGUSR1);
    std::this_thread::yield();
  }
  ASSERT_TRUE(waiting.falls_asleep());
  ::pthread_kill(waiting.handle(), SIGUSR1);
  ASSERT_TRUE(waiting.falls_asleep());
  EXPECT_FALSE(destroyed) << "it waits for the process";
  gate.write("x");
  waiting.join();
  EXPECT_TRUE(destroyed);
  detail::core::set_interrupt_check(nullptr);
  ::sigaction(SIGUSR1, &before, nullptr);
}

}  // namespace
}  // namespace steward
