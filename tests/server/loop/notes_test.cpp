#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include <steward/manager/server/notes.hpp>

namespace steward::detail::test {
namespace {

using namespace std::chrono_literals;

TEST(Notes, AFewAtOnceAreSaidThenOneInAWhileWithTheNumberOfTheOthers) {
  std::vector<std::string> said;
  server::Notes notes([&](std::string_view text) { said.emplace_back(text); });
  core::Time now{};
  for (int i = 0; i < 1000; ++i) notes.say("closed", now);
  EXPECT_EQ(said, std::vector<std::string>(20, "closed"));
  now += 10s;
  for (int i = 0; i < 1000; ++i) notes.say("cut", now);
  ASSERT_EQ(said.size(), 21U);
  EXPECT_EQ(said.back(), "cut (980 more before it)");
  now += 1h;
  for (int i = 0; i < 1000; ++i) notes.say("closed", now);
  EXPECT_EQ(said.size(), 41U);
}

}  // namespace
}  // namespace steward::detail::test
