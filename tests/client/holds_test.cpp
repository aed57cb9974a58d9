// The record of the locks that threads hold.
#include <gtest/gtest.h>

#include <steward/client/session/holds.hpp>

namespace steward::detail::test {
namespace {

using client::Holds;

constexpr core::ObjectId kLock{3};
constexpr core::ObjectId kOther{4};
constexpr auto kAll = [](core::ObjectId) { return true; };

TEST(Holds, BelongToAThreadAndALock) {
  Holds holds;
  holds.granted(kLock, 1, 7, true);
  EXPECT_EQ(holds.find(kLock, 1).token, 7U);
  EXPECT_TRUE(holds.find(kLock, 1).previous_owner_died);
  EXPECT_EQ(holds.find(kLock, 2).depth, 0U);
  EXPECT_EQ(holds.find(kOther, 1).depth, 0U);
  EXPECT_EQ(holds.unlock(kLock, 2), Holds::Ended::never);
  EXPECT_EQ(holds.unlock(kLock, 1), Holds::Ended::held);
  EXPECT_EQ(holds.unlock(kLock, 1), Holds::Ended::never);
}

TEST(Holds, AreUnlockedAsOftenAsTheyWereLostAndNotOnceMore) {
  Holds holds;
  holds.granted(kLock, 1, 7, false);
  holds.granted(kLock, 1, 7, false);
  EXPECT_EQ(holds.find(kLock, 1).depth, 2U);
  EXPECT_EQ(holds.holders(), (std::map<Holds::Thread, core::ObjectId>{{1, kLock}}));
  holds.lose(kAll);
  EXPECT_EQ(holds.find(kLock, 1).depth, 0U);
  EXPECT_EQ(holds.unlock(kLock, 1), Holds::Ended::lost);
  EXPECT_EQ(holds.unlock(kLock, 1), Holds::Ended::lost);
  EXPECT_EQ(holds.unlock(kLock, 1), Holds::Ended::never);
}

TEST(Holds, ThatAThreadHasLeftAreTakenOneByOne) {
  Holds holds;
  holds.granted(kLock, 1, 7, false);
  holds.lose(kAll);
  holds.granted(kOther, 1, 8, false);
  holds.granted(kOther, 1, 8, false);
  holds.granted(kOther, 2, 9, false);
  const auto left = holds.take_left(1);
  ASSERT_TRUE(left);
  EXPECT_EQ(left->lock, kOther);
  EXPECT_EQ(left->token, 8U);
  EXPECT_FALSE(holds.take_left(1)) << "what was lost is nobody's";
  EXPECT_EQ(holds.unlock(kLock, 1), Holds::Ended::never) << "nor will it be unlocked";
  EXPECT_EQ(holds.find(kOther, 2).token, 9U);
}

TEST(Holds, OfANewSessionAreUnlockedBeforeThoseThatWereLost) {
  Holds holds;
  holds.granted(kLock, 1, 7, false);
  holds.lose(kAll);
  holds.granted(kLock, 1, 8, false);
  EXPECT_EQ(holds.find(kLock, 1).depth, 1U);
  EXPECT_EQ(holds.unlock(kLock, 1), Holds::Ended::held);
  EXPECT_EQ(holds.unlock(kLock, 1), Holds::Ended::lost);
}

TEST(Holds, WhatWasLostIsToldOfOnce) {
  Holds holds;
  holds.granted(kLock, 1, 7, false);
  holds.granted(kOther, 2, 8, false);
  EXPECT_EQ(holds.holders().size(), 2U);
  holds.lose(kAll);
  EXPECT_TRUE(holds.holders().empty());
  EXPECT_EQ(holds.unlock(kLock, 1), Holds::Ended::lost);
}

TEST(Holds, OfALockWithoutAProxyAreForgottenWithTheirSession) {
  Holds holds;
  holds.granted(kLock, 1, 7, false);
  EXPECT_EQ(holds.holders().size(), 1U);
  holds.lose([](core::ObjectId) { return false; });
  EXPECT_EQ(holds.unlock(kLock, 1), Holds::Ended::never);
}

TEST(Holds, OutliveTheLastProxyUnlessTheyWereLost) {
  Holds holds;
  holds.granted(kLock, 1, 7, false);
  holds.granted(kOther, 1, 7, false);
  holds.lose(kAll);
  holds.granted(kLock, 2, 9, true);
  holds.granted(kOther, 2, 9, false);
  holds.last_proxy_gone(kLock);
  EXPECT_EQ(holds.unlock(kLock, 1), Holds::Ended::never);
  EXPECT_EQ(holds.find(kLock, 2).token, 9U);
  EXPECT_TRUE(holds.find(kLock, 2).previous_owner_died);
  EXPECT_EQ(holds.unlock(kLock, 2), Holds::Ended::held);
  EXPECT_EQ(holds.unlock(kLock, 2), Holds::Ended::never);
  EXPECT_EQ(holds.unlock(kOther, 1), Holds::Ended::lost);
  EXPECT_EQ(holds.unlock(kOther, 2), Holds::Ended::held);
}

// Nobody says which of those locks there still are.
TEST(Holds, WithoutAProxyDoNotGrowWithoutEnd) {
  Holds holds;
  const core::ObjectId kFound{1};
  for (std::uint64_t i = 1; i <= Holds::kWithoutProxyMax; ++i) {
    holds.granted(core::ObjectId{i}, 1, 7, false);
    holds.last_proxy_gone(core::ObjectId{i});
  }
  EXPECT_EQ(holds.find(kFound, 1).depth, 1U);
  holds.proxy_made(kFound);
  for (std::uint64_t i = 1; i <= 2; ++i) {
    const core::ObjectId more{Holds::kWithoutProxyMax + i};
    holds.granted(more, 1, 7, false);
    holds.last_proxy_gone(more);
    EXPECT_EQ(holds.find(more, 1).depth, 1U);
  }
  EXPECT_EQ(holds.find(kFound, 1).depth, 1U);
  EXPECT_EQ(holds.find(core::ObjectId{2}, 1).depth, 0U);
  EXPECT_EQ(holds.find(core::ObjectId{3}, 1).depth, 1U);
}

}  // namespace
}  // namespace steward::detail::test
