// Takes that their callers settle, in the session's state machine: kept once they were decoded, or
// handed back.
#include <steward/tests/client/session_core_test.hpp>

#include <steward/core/wire.hpp>

namespace steward::detail::test {
namespace {

using client::Effect;

class Settling : public SessionCoreTest {
 protected:
  Settling() { settled_later = true; }
  void SetUp() override {
    connect();
    start(told, "add", {encoded(1)}, Effect::take);
    flow();
    ASSERT_TRUE(told.outcome.unsettled);
    settled_later = false;
    frames.clear();
  }
  // What the next call says of the first one whose reply is not there.
  core::Seq first_incomplete() {
    Told read;
    start(read, "echo", {encoded(1)}, Effect::read);
    frames.clear();
    flow();
    return core::decode_calls(core::open_envelope(frames.back())).first_incomplete;
  }

  Told told;
};

TEST_F(Settling, KeepsATakeIncompleteUntilItsCallerHasSpoken) {
  EXPECT_EQ(first_incomplete(), 1U);
  EXPECT_TRUE(manager.acks().empty());
  session.settle(*told.outcome.unsettled, true);
  flow();
  EXPECT_EQ(manager.acks(), std::vector<core::Seq>{1});
  EXPECT_GT(first_incomplete(), 1U);
  EXPECT_TRUE(manager.cancels().empty());
}

TEST_F(Settling, HandsBackByACancelThatIsRepeatedUntilItHasArrived) {
  silent = true;
  session.settle(*told.outcome.unsettled, false);
  flow();
  EXPECT_TRUE(manager.cancels().empty());
  silent = false;
  reconnect();
  EXPECT_EQ(manager.cancels(), std::vector<core::Seq>{1});
  EXPECT_EQ(first_incomplete(), 1U) << "the cancel may not have arrived";
  EXPECT_GT(first_incomplete(), 1U);
  EXPECT_TRUE(manager.acks().empty());
}

TEST_F(Settling, IsDoneOnce) {
  session.settle(*told.outcome.unsettled, false);
  session.settle(*told.outcome.unsettled, true);
  session.settle(*told.outcome.unsettled, false);
  flow();
  EXPECT_TRUE(manager.acks().empty());
  EXPECT_EQ(manager.cancels(), std::vector<core::Seq>{1});
}

// Its numbers are those of other calls.
TEST_F(Settling, MeansNothingToALaterSession) {
  manager.forget_sessions();
  reconnect();
  session.begin_anew(manager.new_ticket(), manager.incarnation(), now);
  connect();
  session.settle(*told.outcome.unsettled, false);
  flow();
  EXPECT_TRUE(manager.cancels().empty());
}

}  // namespace
}  // namespace steward::detail::test
