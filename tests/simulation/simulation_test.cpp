// The promises of clients and server together, under what networks, processes and clocks may do.
#include <cstdio>
#include <cstdlib>

#include <gtest/gtest.h>

#include <steward/tests/client/seed.hpp>
#include <steward/tests/simulation/world.hpp>

namespace steward::detail::simulation {
namespace {

// What happened last in the run that broke a promise.
std::string report(std::uint64_t seed, core::Fault fault) {
  const Ended ended = run_world(seed, fault, true);
  std::string text;
  for (const std::string& line : ended.last) text += "  " + line + "\n";
  if (!ended.violation) return text + "  (the second time it did not happen: not all is simulated)";
  return text + "STEWARD_SEED=" + std::to_string(seed) + ", step " + std::to_string(ended.steps) +
         ": " + name_of(ended.violation->promise) + ": " + ended.violation->what;
}

// Its seeds are divided among several tests, which run at the same time.
class Simulation : public testing::TestWithParam<unsigned> {
 protected:
  static constexpr unsigned kParts = 10;
};

TEST_P(Simulation, KeepsItsPromises) {
  const bool one = std::getenv("STEWARD_SEED") != nullptr;
  if (one && GetParam() > 0) GTEST_SKIP() << "the seed is the first part's";
  // A usual run has the same seeds each time: what it finds, a change has brought.
  const bool full = std::getenv("STEWARD_FULL") != nullptr;
  const unsigned all = full ? 1'000'000 : 10'000;
  const unsigned count = one ? 1 : all / kParts;
  const std::uint64_t first = one || full ? test::seed() : 1 + std::uint64_t{GetParam()} * count;
  std::uint64_t steps = 0;
  Counts counts;
  for (unsigned i = 0; i < count; ++i) {
    const Ended ended = run_world(first + i, core::Fault::none);
    steps += ended.steps;
    counts.add(ended.counts);
    if (ended.violation) {
      FAIL() << report(first + i, core::Fault::none);
    }
  }
  std::printf("%u seeds, %llu steps;", count, static_cast<unsigned long long>(steps));
  for (const auto field : Counts::kAll) {
    std::printf(" %llu", static_cast<unsigned long long>(counts.*field));
    EXPECT_TRUE(one || counts.*field > 0) << "something is never met";
  }
  std::printf("\n");
}

INSTANTIATE_TEST_SUITE_P(Parts, Simulation, testing::Range(0U, 10U));

TEST(SimulationItself, ASeedReplaysExactly) {
  const std::uint64_t first = test::seed();
  for (std::uint64_t seed = first; seed < first + 20; ++seed) {
    const Ended a = run_world(seed, core::Fault::none, true);
    const Ended b = run_world(seed, core::Fault::none, true);
    EXPECT_EQ(a.steps, b.steps);
    EXPECT_EQ(a.events, b.events);
    EXPECT_EQ(a.last, b.last);
    EXPECT_EQ(a.state, b.state);
  }
}

}  // namespace
}  // namespace steward::detail::simulation
