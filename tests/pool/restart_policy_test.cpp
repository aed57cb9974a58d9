// When a pool starts another worker, and when it gives up.
#include <signal.h>

#include <chrono>
#include <optional>
#include <vector>

#include <gtest/gtest.h>

#include <steward/pool/restart_policy.hpp>

namespace steward::detail::pool {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr core::Time kStart{std::chrono::hours(1)};

TEST(RestartPolicy, AKilledWorkerIsReplacedAfterAPauseThatGrowsToASecond) {
  RestartPolicy policy;
  core::Time now = kStart;
  std::vector<long> pauses;
  for (int i = 0; i < 13; ++i) {
    const auto due = policy.ended_early(EarlyEnd::outside, now);
    ASSERT_TRUE(due);
    pauses.push_back(std::chrono::duration_cast<milliseconds>(*due - now).count());
    now = *due;
  }
  EXPECT_EQ(pauses, (std::vector<long>{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000, 1000, 1000}));
}

TEST(RestartPolicy, ManyKillsAtOnceBreakNothing) {
  RestartPolicy policy;
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(policy.ended_early(EarlyEnd::outside, kStart));
}

TEST(RestartPolicy, FewKillsBreakNothingHoweverLongTheyTake) {
  RestartPolicy policy;
  for (int i = 0; i < 8; ++i) {
    EXPECT_TRUE(policy.ended_early(EarlyEnd::outside, kStart + i * seconds(60)));
  }
  EXPECT_FALSE(policy.ended_early(EarlyEnd::outside, kStart + seconds(600)));
}

TEST(RestartPolicy, GivesUpWhenKillsGoOnForTooLong) {
  RestartPolicy policy;
  core::Time now = kStart;
  while (const auto due = policy.ended_early(EarlyEnd::outside, now)) now = *due;
  EXPECT_GE(now - kStart, seconds(30));
  EXPECT_LE(now - kStart, seconds(32));
  EXPECT_GT(policy.early_ends(), 30);
}

TEST(RestartPolicy, GoesOnAsLongAsSomebodyIsReady) {
  RestartPolicy policy;
  core::Time now = kStart;
  for (int i = 0; i < 1000; ++i) {
    policy.somebody_is_ready();
    const auto due = policy.ended_early(EarlyEnd::outside, now);
    ASSERT_TRUE(due);
    now = *due;
  }
  EXPECT_GT(now - kStart, seconds(900)) << "with pauses all the same";
}

TEST(RestartPolicy, DefectsBreakNothingAsLongAsSomebodyIsReady) {
  RestartPolicy policy;
  for (int i = 0; i < 1000; ++i) {
    policy.somebody_is_ready();
    EXPECT_TRUE(policy.ended_early(EarlyEnd::defect, kStart)) << i;
  }
}

TEST(RestartPolicy, AWorkerWithoutATaskIsReplacedAfterAPauseThatGrows) {
  RestartPolicy policy;
  core::Time now = kStart;
  for (int i = 0; i < 100; ++i) now = policy.ended_idle(now);
  EXPECT_GT(now - kStart, seconds(80));
  policy.ended();
  EXPECT_EQ(policy.ended_idle(now), now + milliseconds(1)) << "a task ends the row";
}

TEST(RestartPolicy, AWorkerThatWasReadyEndsTheRowAndNotTheGrowthOfPauses) {
  RestartPolicy policy;
  for (int i = 0; i < 8; ++i) policy.ended_early(EarlyEnd::defect, kStart);
  EXPECT_EQ(policy.ended_idle(kStart), kStart + milliseconds(1));
  EXPECT_TRUE(policy.ended_early(EarlyEnd::defect, kStart));
  EXPECT_EQ(policy.ended_idle(kStart), kStart + milliseconds(2));
}

TEST(RestartPolicy, AWorkerThatWasIdleForLongIsReplacedAsSoonAsTheFirst) {
  RestartPolicy policy;
  core::Time now = kStart;
  for (int i = 0; i < 13; ++i) now = policy.ended_idle(now);
  now += milliseconds(999);
  EXPECT_EQ(policy.ended_idle(now), now + seconds(1)) << "it did not live for the longest pause";
  now += seconds(2);
  EXPECT_EQ(policy.ended_idle(now), now + milliseconds(1));
  EXPECT_EQ(policy.ended_idle(now), now + milliseconds(2)) << "and the row begins anew";
}

TEST(RestartPolicy, AWorkerThatHasHadATaskEndsTheRow) {
  RestartPolicy policy;
  for (int i = 0; i < 8; ++i) policy.ended_early(EarlyEnd::outside, kStart);
  policy.ended();
  const core::Time later = kStart + seconds(100);
  EXPECT_EQ(policy.ended_early(EarlyEnd::outside, later), later + milliseconds(1));
}

TEST(RestartPolicy, DefectsBreakThePoolAtTheNinthInARow) {
  RestartPolicy policy;
  for (int i = 0; i < 8; ++i) EXPECT_EQ(policy.ended_early(EarlyEnd::defect, kStart), kStart);
  policy.ended();
  for (int i = 0; i < 8; ++i) EXPECT_EQ(policy.ended_early(EarlyEnd::defect, kStart), kStart);
  EXPECT_TRUE(policy.ended_early(EarlyEnd::outside, kStart)) << "kills are counted by themselves";
  EXPECT_FALSE(policy.ended_early(EarlyEnd::defect, kStart));
}

TEST(RestartPolicy, TellsDefectsFromKills) {
  for (const int signal : {SIGKILL, SIGTERM, SIGHUP, SIGINT, SIGQUIT}) {
    EXPECT_EQ(early_end_of(-signal), EarlyEnd::outside) << signal;
  }
  for (const int end : {0, 1, 255, -SIGSEGV, -SIGABRT, -SIGBUS, -SIGFPE, -SIGILL, -SIGSYS}) {
    EXPECT_EQ(early_end_of(end), EarlyEnd::defect) << end;
  }
}

}  // namespace
}  // namespace steward::detail::pool
