// When leases of remote sessions end, and when they must not.
#include <steward/tests/server/loop/scripted.hpp>

namespace steward::detail::test {
namespace {

using namespace std::chrono_literals;

class LoopLease : public ScriptedTest {
 protected:
  void SetUp() override {
    core::Limits limits;
    limits.session_lease = 2s;
    start(limits);
    remote.emplace(connect("remote", server::Peer::remote));
    other.emplace(connect("other"));
    rest();
    ASSERT_EQ(server->core().number_of_sessions(), 2U);
  }
  // The loop sleeps this long, and what wakes it is a word of somebody.
  void sleep_and_hear(core::Duration length, BareClient& who) {
    who.send(core::encode_renew());
    script.readable = [] { return false; };
    script.received = [this, length](server::Arrival&) { time += length; };
    server->step(length);
    script.readable = [this] { return !script.arrivals.empty(); };
    script.received = [](server::Arrival&) {};
  }

  std::optional<BareClient> remote;
  std::optional<BareClient> other;
};

TEST_F(LoopLease, EndsAlthoughSomebodyElseWakesTheLoopNowAndThen) {
  for (int i = 0; i < 3; ++i) sleep_and_hear(600ms, *other);
  EXPECT_EQ(server->core().number_of_sessions(), 2U) << "it is not over yet";
  sleep_and_hear(600ms, *other);
  rest();
  EXPECT_EQ(server->core().number_of_sessions(), 1U);
  EXPECT_EQ(server->incidents().expired, 1U);
}

TEST_F(LoopLease, GoesOnWhileAWordOfItsClientMayBeUnread) {
  for (int i = 0; i < 3; ++i) sleep_and_hear(600ms, *other);
  other->send(core::encode_renew());  // one more is before it
  sleep_and_hear(400ms, *remote);
  rest();
  EXPECT_EQ(server->core().number_of_sessions(), 2U);
  for (int i = 0; i < 4; ++i) sleep_and_hear(600ms, *other);
  rest();
  EXPECT_EQ(server->core().number_of_sessions(), 1U);
}

}  // namespace
}  // namespace steward::detail::test
