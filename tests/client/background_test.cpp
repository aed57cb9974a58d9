#include <steward/client/session/background.hpp>

#include <optional>

#include <gtest/gtest.h>

namespace steward::detail::test {
namespace {

TEST(BackgroundStop, WakesAThreadThatGoesOnUntilItIsStopped) {
  client::BackgroundStop stop;
  stop.wake();
  EXPECT_TRUE(stop.sleep_until(std::nullopt));
  stop.wake();
  EXPECT_TRUE(stop.sleep_until(std::nullopt));
  stop.stop();
  EXPECT_FALSE(stop.sleep_until(std::nullopt));
  EXPECT_FALSE(stop.sleep_until(std::nullopt)) << "it stays stopped";
}

}  // namespace
}  // namespace steward::detail::test
