#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <vector>

#include <steward/manager/server/flood_guard.hpp>

namespace steward::detail::test {
namespace {

using namespace std::chrono_literals;
using server::FloodGuard;

constexpr std::uint64_t kMiB = 1U << 20U;
constexpr std::size_t kMessage = 64 * kMiB;

// Descriptors that are none: the kernel is the test's.
constexpr int kHonest = 1'000'001;
constexpr int kFlood = 1'000'002;

class FloodGuardTest : public testing::Test {
 protected:
  FloodGuardTest() {
    guard.accepted(kHonest);
    guard.accepted(kFlood);
    look();
  }
  // The time has come, and nothing waited.
  void look() {
    now += 1s;
    for (int i = 0; i < 2; ++i) guard.found_nothing();
    guard.look(now, moved);
  }
  void deliver(int fd, std::uint64_t bytes) {
    received[fd] += bytes;
    moved += bytes;
    guard.delivered(fd);
  }

  std::map<int, std::uint64_t> received;
  std::vector<int> cut;
  std::size_t resident = 10 * kMiB;
  std::uint64_t moved = 0;
  core::Time now{};
  FloodGuard guard{kMessage, {[this](int fd) { return std::optional(received[fd]); },
                              [this](int fd) { cut.push_back(fd); }, [this] { return resident; }}};
};

TEST_F(FloodGuardTest, CutsWhoSendsMoreThanAMessageWithoutItsEnd) {
  received[kFlood] = 65 * kMiB;
  look();
  EXPECT_TRUE(cut.empty()) << "at the bound: a message, and what goes around it";
  ++received[kFlood];
  look();
  EXPECT_EQ(cut, std::vector<int>{kFlood});
}

TEST_F(FloodGuardTest, MessagesWithEndsMayBeAnyNumber) {
  for (int i = 0; i < 100; ++i) {
    deliver(kHonest, 60 * kMiB);
    received[kHonest] += 10 * kMiB;  // of the next
    look();
  }
  EXPECT_TRUE(cut.empty());
}

TEST_F(FloodGuardTest, WhatWaitsToBeTakenIsNoFlood) {
  received[kHonest] = 500 * kMiB;
  for (int i = 0; i < 100; ++i) {
    now += 1s;
    guard.look(now, moved);  // the loop was at work: nobody has asked what waits
  }
  EXPECT_TRUE(cut.empty());
  guard.delivered(kHonest);
  look();
  EXPECT_TRUE(cut.empty());
}

TEST_F(FloodGuardTest, WhoIsNeverHeardAmongManyMessagesOfOthersIsCut) {
  received[kFlood] = 100 * kMiB;
  now += 1s;
  guard.look(now, moved);
  EXPECT_TRUE(cut.empty()) << "it may be a message that waits";
  for (int i = 0; i < 10; ++i) deliver(kHonest, 100);
  now += 1s;
  guard.look(now, moved);
  EXPECT_EQ(cut, std::vector<int>{kFlood}) << "although the loop never found nothing";
}

// Parts of no bytes: two on the wire, and a hundred in memory.
TEST_F(FloodGuardTest, CutsWhoeverHasMuchUnderWayWhileMemoryGrowsForNoOtherReason) {
  for (int i = 0; i < 10 && cut.empty(); ++i) {
    received[kFlood] += 2 * kMiB;
    resident += 50 * kMiB;
    look();
  }
  EXPECT_EQ(cut, std::vector<int>{kFlood});
}

TEST_F(FloodGuardTest, MessagesExplainWhatTheyBecome) {
  for (int i = 0; i < 10; ++i) {
    received[kFlood] += 5 * kMiB;  // a long one is on its way
    deliver(kHonest, 2 * kMiB);
    resident += 340 * kMiB;
    look();
  }
  EXPECT_TRUE(cut.empty());
}

TEST_F(FloodGuardTest, MemoryThatComesAndGoesIsNoFlood) {
  received[kFlood] = 5 * kMiB;
  for (int i = 0; i < 100; ++i) {
    resident = (i % 2 == 0 ? 60 : 10) * kMiB;
    look();
  }
  EXPECT_TRUE(cut.empty());
}

TEST_F(FloodGuardTest, LooksOnlyWhileThereIsSomebodyAndMoreOftenWhileMuchIsUnderWay) {
  const auto calm = *guard.next_look() - now;
  received[kFlood] = 5 * kMiB;
  look();
  EXPECT_LT(*guard.next_look() - now, calm);
  guard.closed(kFlood);
  look();
  EXPECT_EQ(*guard.next_look() - now, calm);
  guard.closed(kHonest);
  EXPECT_FALSE(guard.next_look());
}

}  // namespace
}  // namespace steward::detail::test
