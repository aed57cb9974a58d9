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
  // The time has come, after some work.
  void look() {
    now += 1s;
    worked += 1s;
    guard.look(now);
  }
  // All that waited was taken.
  void take_all() {
    for (int i = 0; i < 2; ++i) guard.found_nothing();
  }
  void deliver(int fd, std::uint64_t bytes) {
    received[fd] += bytes;
    guard.delivered(fd);
  }

  std::map<int, std::uint64_t> received;
  std::vector<int> asked;
  std::vector<int> cut;
  core::Duration worked{};
  core::Time now{};
  FloodGuard guard{kMessage, {[this](int fd) {
                                asked.push_back(fd);
                                return std::optional(received[fd]);
                              },
                              [this](int fd) { cut.push_back(fd); }, [this] { return worked; }}};
};

TEST_F(FloodGuardTest, CutsWhoSendsMoreThanAMessageWithoutItsEnd) {
  received[kFlood] = 65 * kMiB;
  for (int i = 0; i < 10; ++i) {
    look();
    take_all();
  }
  EXPECT_TRUE(cut.empty()) << "at the bound: a message, and what goes around it";
  ++received[kFlood];
  look();
  EXPECT_TRUE(cut.empty()) << "it may be a message that waits";
  take_all();
  look();
  EXPECT_EQ(cut, std::vector<int>{kFlood});
}

TEST_F(FloodGuardTest, MessagesWithEndsMayBeAnyNumber) {
  for (int i = 0; i < 100; ++i) {
    deliver(kHonest, 60 * kMiB);
    received[kHonest] += 10 * kMiB;  // of the next
    take_all();
    look();
  }
  EXPECT_TRUE(cut.empty());
}

TEST_F(FloodGuardTest, WhatWaitsToBeTakenIsNoFlood) {
  received[kHonest] = 500 * kMiB;
  // The loop was at work: nobody has asked what waits.
  for (int i = 0; i < 100; ++i) look();
  EXPECT_TRUE(cut.empty());
  guard.delivered(kHonest);
  take_all();
  look();
  EXPECT_TRUE(cut.empty());
}

TEST_F(FloodGuardTest, WhatHasComeSinceNothingWaitedIsNoFloodEither) {
  received[kHonest] = 10 * kMiB;  // a message has begun
  look();
  take_all();
  look();
  received[kHonest] = 100 * kMiB;  // while the loop was at work: it, and four more
  look();
  EXPECT_TRUE(cut.empty());
  for (int i = 0; i < 5; ++i) guard.delivered(kHonest);
  take_all();
  look();
  EXPECT_TRUE(cut.empty());
}

TEST_F(FloodGuardTest, ManyWhoSendLongMessagesAreNoFlood) {
  for (int fd = kHonest; fd < kHonest + 50; ++fd) guard.accepted(fd);
  for (int i = 0; i < 120; ++i) {
    for (int fd = kHonest; fd < kHonest + 50; ++fd) {
      received[fd] += kMiB;
      if (i % 60 == fd % 60) guard.delivered(fd);
    }
    take_all();
    look();
  }
  EXPECT_TRUE(cut.empty());
}

TEST_F(FloodGuardTest, WhoIsNeverHeardAmongManyMessagesOfOthersIsCut) {
  received[kFlood] = 100 * kMiB;
  look();
  EXPECT_TRUE(cut.empty());
  for (int i = 0; i < 10; ++i) deliver(kHonest, 100);
  look();
  EXPECT_EQ(cut, std::vector<int>{kFlood}) << "although the loop never found nothing";
}

TEST_F(FloodGuardTest, AsksNobodyWhileThereIsNoWork) {
  received[kHonest] = 5 * kMiB;  // stopped in a message
  look();
  asked.clear();
  for (int i = 0; i < 100; ++i) {
    now += 1s;
    take_all();
    guard.look(now);
  }
  EXPECT_TRUE(asked.empty());
}

TEST_F(FloodGuardTest, AsksManyPeersAfterMoreWork) {
  for (int fd = kHonest; fd < kHonest + 1000; ++fd) guard.accepted(fd);
  look();
  asked.clear();
  now += 1s;
  worked += 50ms;
  guard.look(now);
  EXPECT_TRUE(asked.empty());
  now += 1s;
  worked += 50ms;
  guard.look(now);
  EXPECT_EQ(asked.size(), 1000U);
}

TEST_F(FloodGuardTest, WhoIsPastTheBoundIsAskedAgainSoonAndAlone) {
  const auto calm = *guard.next_look() - now;
  received[kFlood] = 100 * kMiB;
  look();
  EXPECT_LT(*guard.next_look() - now, calm);
  asked.clear();
  now = *guard.next_look();
  take_all();
  guard.look(now);
  EXPECT_EQ(asked, std::vector<int>{kFlood});
  EXPECT_EQ(cut, std::vector<int>{kFlood});
  EXPECT_EQ(*guard.next_look() - now, calm);
}

TEST_F(FloodGuardTest, LooksOnlyWhileThereIsSomebody) {
  guard.closed(kFlood);
  EXPECT_TRUE(guard.next_look());
  guard.closed(kHonest);
  EXPECT_FALSE(guard.next_look());
}

}  // namespace
}  // namespace steward::detail::test
