#include <chrono>

#include <gtest/gtest.h>

#include <steward/manager/server/alarms.hpp>

namespace steward::detail::test {
namespace {

using namespace std::chrono_literals;
using server::Alarms;

constexpr core::ObjectId kOne{1};
constexpr core::ObjectId kTwo{2};
constexpr core::Time kStart{};

TEST(Alarms, GoOffOnceAndTheEarliestFirst) {
  Alarms alarms;
  alarms.set(kOne, kStart + 20ms);
  alarms.set(kTwo, kStart + 10ms);
  EXPECT_EQ(alarms.next_deadline(), kStart + 10ms);
  EXPECT_EQ(alarms.take_due(kStart + 9ms), std::nullopt);
  EXPECT_EQ(alarms.take_due(kStart + 20ms), kTwo);
  EXPECT_EQ(alarms.take_due(kStart + 20ms), kOne);
  EXPECT_EQ(alarms.take_due(kStart + 1h), std::nullopt);
  EXPECT_EQ(alarms.next_deadline(), std::nullopt);
}

TEST(Alarms, OfAnObjectTheLastOneCounts) {
  Alarms alarms;
  alarms.set(kOne, kStart + 10ms);
  alarms.set(kOne, kStart + 30ms);
  EXPECT_EQ(alarms.take_due(kStart + 29ms), std::nullopt);
  alarms.set(kOne, kStart + 5ms);
  EXPECT_EQ(alarms.next_deadline(), kStart + 5ms);
  alarms.set(kOne, std::nullopt);
  alarms.set(kTwo, std::nullopt);
  EXPECT_EQ(alarms.next_deadline(), std::nullopt);
}

TEST(Alarms, AreStateAndNotHistory) {
  const auto saved = [](const Alarms& alarms) {
    std::string bytes;
    server::Saver out(bytes);
    alarms.save(out);
    return bytes;
  };
  Alarms one;
  one.set(kTwo, kStart + 2ms);
  one.set(kOne, kStart + 9ms);
  one.set(kOne, kStart + 1ms);
  Alarms other;
  other.set(kOne, kStart + 1ms);
  other.set(kTwo, kStart + 2ms);
  EXPECT_EQ(saved(one), saved(other));
  other.set(kTwo, kStart + 3ms);
  EXPECT_NE(saved(one), saved(other));
}

}  // namespace
}  // namespace steward::detail::test
