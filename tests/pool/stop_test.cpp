// Waits for results that are ended by a stop, and those on the pool's own thread.
#include <atomic>
#include <chrono>
#include <stop_token>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <steward/core/interrupt.hpp>
#include <steward/pool/pool.hpp>
#include <steward/tests/error_text.hpp>
#include <steward/tests/process/support.hpp>
#include <steward/tests/waiting_thread.hpp>

namespace steward {
namespace {

using namespace std::chrono_literals;
using detail::test::Pipe;
using detail::test::text_of;
using detail::test::WaitingThread;

int cube(int x) { return x * x * x; }
std::string hear(const std::string& gate) { return detail::test::hear(gate); }

TEST(PoolStop, EndsAWaitForAResultWhichStays) {
  Pool pool(1);
  const Pipe gate;
  auto result = pool.apply_async(hear, gate.reader());
  std::stop_source source;
  {
    WaitingThread leads([&] { EXPECT_THROW(result.get(source.get_token()), Interrupted); });
    ASSERT_TRUE(leads.falls_asleep());
    source.request_stop();
  }
  EXPECT_THROW(result.wait_for(1h, source.get_token()), Interrupted);
  gate.write("x");
  EXPECT_EQ(result.get(), "x");
}

TEST(PoolStop, EndsTheWaitOfOneWhoseResultsAnotherThreadReads) {
  Pool pool(2);
  const Pipe gate;
  const Pipe other_gate;
  auto first = pool.apply_async(hear, gate.reader());
  auto second = pool.apply_async(hear, other_gate.reader());
  WaitingThread leads([&] { EXPECT_EQ(first.get(), "x"); });
  ASSERT_TRUE(leads.falls_asleep());
  std::stop_source source;
  {
    WaitingThread follows([&] { EXPECT_THROW(second.get(source.get_token()), Interrupted); });
    ASSERT_TRUE(follows.falls_asleep());
    source.request_stop();
  }
  other_gate.write("y");
  EXPECT_EQ(second.get(), "y");
  gate.write("x");
}

TEST(PoolStop, EndsAWalkOverResultsAndLosesNone) {
  Pool pool(1);
  const Pipe gate;
  auto results = pool.imap(hear, std::vector<std::string>{gate.reader()});
  std::stop_source source;
  {
    WaitingThread walks([&] {
      EXPECT_EQ(text_of<Interrupted>([&] { results.next(source.get_token()); }),
                "Pool.imap: interrupted");
    });
    ASSERT_TRUE(walks.falls_asleep());
    source.request_stop();
  }
  EXPECT_THROW(results.wait_for(1h, source.get_token()), Interrupted);
  gate.write("x");
  EXPECT_EQ(results.next(), "x");
  EXPECT_EQ(results.next(), std::nullopt);
}

TEST(PoolStop, TheInterruptCheckEndsWaitsForResults) {
  Pool pool(1);
  const Pipe gate;
  auto result = pool.apply_async(hear, gate.reader());
  detail::core::set_interrupt_check([] { return true; });
  EXPECT_EQ(text_of<Interrupted>([&] { result.get(); }), "Future.get: interrupted");
  detail::core::set_interrupt_check(nullptr);
  gate.write("x");
  EXPECT_EQ(result.get(), "x");
}

// ---- On the pool's own thread, where nobody else would run what they wait for ----

TEST(PoolCallback, MayWaitForTheFirstOfSeveral) {
  Pool pool(2);
  std::atomic<int> seen = 0;
  auto result = pool.apply_async(cube, 1).then([&](int) {
    auto a = pool.apply_async(cube, 2);
    auto b = pool.apply_async(cube, 3);
    seen = when_any(a, b) == 0 ? a.get() : b.get();
  });
  ASSERT_TRUE(result.wait_for(20s));
  EXPECT_TRUE(seen == 8 || seen == 27);
}

Future<int> first_of_two(Pool& pool) {
  auto begin = pool.apply_async(cube, 1);
  co_await begin;
  auto a = pool.apply_async(cube, 2);
  auto b = pool.apply_async(cube, 3);
  co_return when_any(a, b) == 0 ? a.get() : b.get();
}

TEST(PoolCallback, ACoroutineMayWaitForTheFirstOfSeveral) {
  Pool pool(2);
  auto result = first_of_two(pool);
  ASSERT_TRUE(result.wait_for(20s));
  const int seen = result.get();
  EXPECT_TRUE(seen == 8 || seen == 27);
}

TEST(PoolCallback, MayWaitForACoroutineThatRunsThere) {
  Pool pool(2);
  std::atomic<int> seen = 0;
  auto result = pool.apply_async(cube, 1).then([&](int) { seen = first_of_two(pool).get(); });
  ASSERT_TRUE(result.wait_for(20s));
  EXPECT_TRUE(seen == 8 || seen == 27);
}

}  // namespace
}  // namespace steward
