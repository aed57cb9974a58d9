#include <gtest/gtest.h>

#include <steward/manager/server/backlog.hpp>

namespace steward::detail::server {
namespace {

class BacklogTest : public testing::Test {
 protected:
  void add(const std::string& route, const std::string& frame) {
    backlog.add({route, frame, Peer::local});
  }
  // Whose turn it is, and with what; "" if nobody's.
  std::string next(const std::string& held = {}) {
    const auto arrival = backlog.next([&](const std::string& route) { return route != held; });
    return arrival ? arrival->route + arrival->frame : "";
  }
  Backlog backlog;
};

TEST_F(BacklogTest, RoutesTakeTurnsAndEachKeepsItsOrder) {
  for (const char* frame : {"1", "2", "3"}) add("a", frame);
  add("b", "1");
  add("c", "1");
  add("c", "2");
  std::string order;
  while (!backlog.empty()) order += next() + " ";
  EXPECT_EQ(order, "a1 b1 c1 a2 c2 a3 ");
  EXPECT_EQ(next(), "");
}

TEST_F(BacklogTest, WhoIsHeldKeepsNobodyWaiting) {
  add("a", "1");
  add("b", "1");
  add("b", "2");
  EXPECT_EQ(next("a"), "b1");
  EXPECT_EQ(next("a"), "b2");
  EXPECT_EQ(next("a"), "");
  EXPECT_TRUE(backlog.has("a"));
  EXPECT_EQ(next(), "a1");
}

TEST_F(BacklogTest, WhatIsLeftOfAFrameComesBeforeTheNextOne) {
  add("a", "2");
  backlog.add_in_front("a", Peer::remote, {"1b", "1c"});
  EXPECT_EQ(next(), "a1b");
  EXPECT_EQ(next(), "a1c");
  EXPECT_EQ(next(), "a2");
  backlog.add_in_front("a", Peer::remote, {"1"});
  const auto arrival = backlog.next_of("a");
  ASSERT_TRUE(arrival);
  EXPECT_EQ(arrival->peer, Peer::remote);
  EXPECT_FALSE(backlog.next_of("a"));
}

TEST_F(BacklogTest, CountsWhatIsThere) {
  add("a", std::string(100, 'x'));
  add("a", std::string(50, 'x'));
  add("b", "x");
  EXPECT_EQ(backlog.routes(), 2U);
  EXPECT_EQ(backlog.frames("a"), 2U);
  EXPECT_GE(backlog.bytes("a"), 150U);
  const std::size_t all = backlog.bytes();
  EXPECT_EQ(all, backlog.bytes("a") + backlog.bytes("b"));
  next();
  EXPECT_EQ(backlog.frames("a"), 1U);
  backlog.forget("a");
  EXPECT_EQ(backlog.frames("a"), 0U);
  EXPECT_EQ(backlog.bytes(), backlog.bytes("b"));
  next();
  EXPECT_EQ(backlog.bytes(), 0U);
}

}  // namespace
}  // namespace steward::detail::server
