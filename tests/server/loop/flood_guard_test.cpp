#include <gtest/gtest.h>

#include <chrono>

#include <steward/manager/server/flood_guard.hpp>

namespace steward::detail::test {
namespace {

using namespace std::chrono_literals;
using server::FloodGuard;

constexpr std::size_t kMiB = 1U << 20U;
constexpr std::size_t kMessage = 64 * kMiB;

class FloodGuardTest : public testing::Test {
 protected:
  // Looks after the memory has grown, or shrunk, to so many MiB.
  bool floods_at(std::size_t mib, std::size_t clients = 0) {
    resident = mib * kMiB;
    now += 1s;
    return guard.floods(now, clients);
  }

  std::size_t resident = 10 * kMiB;
  core::Time now{};
  FloodGuard guard{kMessage, [this] { return resident; }};
};

TEST_F(FloodGuardTest, SeesMemoryThatNoMessageExplains) {
  EXPECT_FALSE(floods_at(50));
  EXPECT_FALSE(floods_at(106)) << "at the bound: one message and some slack";
  EXPECT_TRUE(floods_at(107));
}

TEST_F(FloodGuardTest, EachClientMayHaveAMessageUnderWay) {
  EXPECT_FALSE(floods_at(10 + 32 + 4 * 64, 3));
  EXPECT_TRUE(floods_at(10 + 32 + 4 * 64 + 1, 3));
}

TEST_F(FloodGuardTest, MessagesExplainWhatTheyBecome) {
  guard.explain(10 * kMiB);
  EXPECT_FALSE(floods_at(600));
  guard.explain(20 * kMiB);
  EXPECT_FALSE(floods_at(1200));
  EXPECT_TRUE(floods_at(1300)) << "no message has come since";
}

TEST_F(FloodGuardTest, MemoryThatIsGivenBackCountsNoMore) {
  for (int i = 0; i < 100; ++i) {
    EXPECT_FALSE(floods_at(100));
    EXPECT_FALSE(floods_at(10));
  }
}

TEST_F(FloodGuardTest, BeginsAnewOnceItHasSeenOne) {
  EXPECT_TRUE(floods_at(500));
  EXPECT_FALSE(floods_at(501));
}

TEST_F(FloodGuardTest, LooksMoreOftenWhileMemoryGrows) {
  floods_at(11);
  const auto calm = guard.next_look() - now;
  floods_at(100);
  EXPECT_LT(guard.next_look() - now, calm);
  resident = 1000 * kMiB;
  EXPECT_FALSE(guard.floods(now, 0)) << "before it is time";
}

}  // namespace
}  // namespace steward::detail::test
