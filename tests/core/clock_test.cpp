#include <steward/core/clock.hpp>

#include <limits>

#include <gtest/gtest.h>

namespace steward::detail::core {
namespace {

using namespace std::chrono_literals;

Time now() { return std::chrono::steady_clock::now(); }

TEST(Clock, ADeadlineLiesTheGivenTimeAhead) {
  const Time before = now();
  const Deadline deadline = deadline_after(250ms);
  ASSERT_TRUE(deadline.has_value());
  EXPECT_GE(*deadline, before + 250ms);
  EXPECT_LE(*deadline, now() + 250ms);
}

TEST(Clock, APartOfATickIsRoundedUp) {
  const Time before = now();
  EXPECT_GE(*deadline_after(std::chrono::duration<double, std::nano>(0.5)), before + 1ns);
  EXPECT_GE(*deadline_after(std::chrono::duration<std::int64_t, std::pico>(1)), before + 1ns);
}

TEST(Clock, TheLargestDurationOfAnyUnitIsForever) {
  EXPECT_EQ(deadline_after(std::chrono::nanoseconds::max()), std::nullopt);
  EXPECT_EQ(deadline_after(std::chrono::milliseconds::max()), std::nullopt);
  EXPECT_EQ(deadline_after(std::chrono::seconds::max()), std::nullopt);
  EXPECT_EQ(deadline_after(std::chrono::hours::max()), std::nullopt);
  EXPECT_EQ(deadline_after(std::chrono::days::max()), std::nullopt);
  EXPECT_EQ(deadline_after(std::chrono::years::max()), std::nullopt);
  EXPECT_EQ(deadline_after(std::chrono::duration<double>::max()), std::nullopt);
  EXPECT_EQ(deadline_after(std::chrono::duration<double>(
                std::numeric_limits<double>::infinity())), std::nullopt);
}

TEST(Clock, ANegativeDurationEndsNow) {
  for (const Deadline deadline :
       {deadline_after(-1s), deadline_after(std::chrono::hours::min()),
        deadline_after(std::chrono::years::min()), deadline_after(0s),
        deadline_after(std::chrono::duration<double>(std::numeric_limits<double>::quiet_NaN()))}) {
    ASSERT_TRUE(deadline.has_value());
    EXPECT_LE(*deadline, now());
    EXPECT_GE(*deadline, now() - 1h);
  }
}

TEST(Clock, ACenturyIsTheLongestWait) {
  EXPECT_TRUE(deadline_after(std::chrono::hours{24 * 365 * 100 - 1}).has_value());
  EXPECT_FALSE(deadline_after(std::chrono::hours{24 * 365 * 100}).has_value());
}

}  // namespace
}  // namespace steward::detail::core
