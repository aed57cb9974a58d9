// How long ConnectOptions::allow of those is asked who have connected a session that there was.
#include <gtest/gtest.h>

#include <chrono>
#include <string_view>

#include <steward/client/reference.hpp>
#include <steward/client/terms.hpp>
#include <steward/tests/client/fake_house.hpp>

namespace steward::detail::test {
namespace {

class Connecting : public testing::Test {
 protected:
  ~Connecting() override { client::end_all_sessions(std::chrono::seconds(5)); }

  // How many are asked; each says yes.
  std::size_t asked(const client::SessionPtr& session) {
    questions = 0;
    EXPECT_TRUE(session->terms()->allows("tcp://127.0.0.1:1"));
    return questions;
  }
  ConnectOptions asking() {
    return {.allow = [this](std::string_view) { return ++questions > 0; }};
  }

  core::Token handle_of(const client::SessionPtr& session) const {
    core::Token token = list_token(session->incarnation(), 3);
    token.addresses = {house.address()};
    return token;
  }

  FakeHouse house;
  std::size_t questions = 0;
};

TEST_F(Connecting, WhoHasGoneIsNotAskedAnyMore) {
  const client::SessionPtr kept = client::connect(house.address());
  for (int i = 0; i < 10; ++i) {
    const client::SessionPtr passing = client::connect(house.address(), asking());
    EXPECT_EQ(asked(kept), 1U);
  }
  EXPECT_EQ(asked(kept), 0U);
}

TEST_F(Connecting, WhoHasOpenedAHandleIsAskedAsLongAsThatLives) {
  const client::SessionPtr kept = client::connect(house.address());
  const core::Token token = handle_of(kept);
  core::ReferencePtr opened = client::open_token(token, asking());
  core::ReferencePtr copy = opened;
  opened.reset();
  EXPECT_EQ(asked(kept), 1U);
  copy.reset();
  EXPECT_EQ(asked(kept), 0U);
}

// Handles come by them.
TEST_F(Connecting, WhoHasGoneIsAskedAsLongAsWhatCameMeanwhile) {
  const client::SessionPtr kept = client::connect(house.address());
  const core::Token token = handle_of(kept);
  const core::ReferencePtr before = kept->claim(token);
  core::ReferencePtr meanwhile;
  {
    const client::SessionPtr passing = client::connect(house.address(), asking());
    meanwhile = passing->claim(token);
  }
  EXPECT_EQ(asked(kept), 1U);
  meanwhile.reset();
  EXPECT_EQ(asked(kept), 0U);
}

}  // namespace
}  // namespace steward::detail::test
