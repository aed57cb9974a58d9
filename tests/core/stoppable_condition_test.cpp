#include <steward/core/stoppable_condition.hpp>

#include <condition_variable>
#include <mutex>
#include <optional>
#include <stop_token>

#include <gtest/gtest.h>

#include <steward/core/errors.hpp>
#include <steward/core/interrupt.hpp>

namespace steward::detail::core {
namespace {

// The wait was given no stop of its own.
TEST(StoppableConditionTest, HeedsTheStopOfTheScopeThatItIsIn) {
  std::mutex mutex;
  std::condition_variable changed;
  const std::stop_token none;
  std::stop_source source;
  source.request_stop();
  const std::stop_token stop = source.get_token();
  const StopScope scope(stop);
  StoppableCondition condition(changed, mutex, none, "a wait");
  std::unique_lock lock(mutex);
  EXPECT_THROW(condition.until(lock, std::nullopt, [] { return false; }), Interrupted);
  EXPECT_TRUE(lock.owns_lock());
}

}  // namespace
}  // namespace steward::detail::core
