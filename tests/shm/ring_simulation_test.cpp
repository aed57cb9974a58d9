// The ring under schedules that no operating system would make: every step of several processes is
// placed, and any of them may be killed or stopped between two.
#include <gtest/gtest.h>

#include <steward/tests/client/seed.hpp>
#include <steward/tests/shm/simulation/random.hpp>

namespace steward::detail::test {
namespace {

Counts simulate(const Family& family) {
  const unsigned schedules = std::getenv("STEWARD_FULL") != nullptr ? 1'000'000 : 8'000;
  Counts counts;
  const auto wrong = random_schedules<SimulatedMemory<>>(family, seed(), schedules, counts);
  if (wrong) ADD_FAILURE() << *wrong;
  std::printf("%llu schedules, %llu steps, at most %llu alone\n",
              static_cast<unsigned long long>(counts.schedules),
              static_cast<unsigned long long>(counts.steps),
              static_cast<unsigned long long>(counts.alone_max));
  // What every family must have had, or it has proved nothing.
  for (const Word count :
       {counts.put, counts.put_back, counts.full, counts.no_block, counts.taken_again, counts.empty,
        counts.acked, counts.nacked, counts.touched, counts.helped, counts.killed,
        counts.recoveries_killed, counts.stopped, counts.joined, counts.not_joined}) {
    EXPECT_GT(count, 0U);
  }
  return counts;
}

TEST(RingSimulation, KeepsItsPromisesWhoeverIsKilledOrStopped) { simulate({}); }

TEST(RingSimulation, KeepsThemWhenLeasesEnd) {
  const Counts counts = simulate({.leases = true});
  EXPECT_GT(counts.expired, 0U);
  EXPECT_GT(counts.lost, 0U);
}

TEST(RingSimulation, KeepsThemWhileItGrows) {
  const Counts counts = simulate({.unbounded = true, .leases = true});
  EXPECT_GT(counts.grown, 0U);
}

TEST(RingSimulation, KeepsThemWhenItIsClosed) {
  const Counts counts = simulate({.leases = true, .closes = true});
  EXPECT_GT(counts.closed, 0U);
  EXPECT_GT(counts.refused_closed, 0U);
  EXPECT_GT(counts.drained, 0U);
}

TEST(RingSimulation, KeepsThemWhenItIsClosedWhileItGrows) {
  const Counts counts = simulate({.unbounded = true, .closes = true});
  EXPECT_GT(counts.closed, 0U);
  EXPECT_GT(counts.grown, 0U);
}

TEST(RingSimulation, KeepsThemWithThreadsUnderOneNumber) {
  simulate({.leases = true, .threads = true});
}

TEST(RingSimulation, KeepsThemWhenCountersWrap) { simulate({.leases = true, .wraps = true}); }

}  // namespace
}  // namespace steward::detail::test
