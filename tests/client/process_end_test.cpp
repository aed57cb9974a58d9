// The end of the process, in the session's state machine.
#include <steward/tests/client/session_core_test.hpp>

namespace steward::detail::test {
namespace {

TEST_F(SessionCoreTest, ASessionWhoseProcessEndsSoonGoesOn) {
  connect();
  Told waiting, later;
  start(waiting, "park");
  flow();
  session.announce_end();
  EXPECT_FALSE(session.end_is_known());
  flow();
  EXPECT_TRUE(session.end_is_known());
  EXPECT_EQ(manager.ends_announced(), 1U);
  start(later, "add", {encoded(1)});
  flow();
  EXPECT_TRUE(later.outcome.succeeded());
  EXPECT_FALSE(waiting.ended());
  release(encoded(1));
  EXPECT_TRUE(waiting.outcome.succeeded());
  EXPECT_EQ(manager.byes(), 0U);
}

// It may have been lost with the connection, and the next session knows nothing of it.
TEST_F(SessionCoreTest, TheEndOfTheProcessIsSaidOnEachConnection) {
  session.announce_end();
  connect();
  EXPECT_EQ(manager.ends_announced(), 1U);
  reconnect();
  EXPECT_EQ(manager.ends_announced(), 2U);
  manager.forget_sessions();
  reconnect();
  session.begin_anew(manager.new_ticket(), manager.incarnation(), now);
  connect();
  EXPECT_EQ(manager.ends_announced(), 3U);
}

// A manager that has answered the word of the end knows it: its goodbye is its own.
TEST_F(SessionCoreTest, AManagerThatShutsDownIsBelievedAlsoWhereTheProcessEndsSoon) {
  connect();
  Told waiting;
  start(waiting, "park");
  session.announce_end();
  flow();
  ASSERT_TRUE(session.end_is_known());
  session.frame(core::encode_bye(), now);
  EXPECT_EQ(waiting.end(), End::disconnected);
}

TEST_F(SessionCoreTest, ALeaseIsShortOnceTheProcessEndsSoon) {
  manager.lease(15'000);
  connect();
  EXPECT_EQ(session.lease(), 15s);
  session.announce_end();
  EXPECT_EQ(session.lease(), 2s);
}

}  // namespace
}  // namespace steward::detail::test
