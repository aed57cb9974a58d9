// Malformed frames: each ends its sender's session with a reason, and nobody else notices.
#include <steward/tests/core/support.hpp>
#include <steward/tests/hostile/hostile_test.hpp>

namespace steward::detail::test {
namespace {

class HostileFrames : public HostileTest {
 protected:
  // Sends `frame` in a session of its own; what comes back is a reason, and the control socket
  // closes.
  void ends_the_session(const std::string& frame) {
    BareClient bad = stranger();
    bad.create("list");
    bad.send(frame);
    EXPECT_FALSE(refusal(bad).empty()) << hex(frame.substr(0, 64));
    EXPECT_TRUE(eventually([&] { return is_closed(bad.entrance.control); }));
    // Whatever else it says is not listened to.
    bad.post(core::kManagerObject, "shutdown", arguments());
    is_served();
  }
};

TEST_F(HostileFrames, EachMalformedFrameEndsItsSession) {
  for (const std::string& frame : malformed_frames()) ends_the_session(frame);
}

TEST_F(HostileFrames, EveryTruncationEndsTheSession) {
  const std::string args = arguments(Value(Value::List{1, "a", 2.5}), Value::of_map({{1, 2}}));
  const std::string frame =
      calls_frame(1, core::kManagerObject, std::string_view("create"), args);
  for (std::size_t size = 0; size < frame.size(); ++size) ends_the_session(frame.substr(0, size));
}

TEST_F(HostileFrames, MessagesOfSeveralFramesEndTheSession) {
  for (const std::size_t parts : {2U, 3U, 1000U}) {
    auto wire = new_wire();
    ZmqWire& sender = *wire;
    BareClient bad = BareClient::come_in(manager.address(), poll_briefly);
    bad.reconnect(std::move(wire));
    bad.hello();
    sender.send_parts(std::vector<std::string>(parts, core::encode_bye()));
    EXPECT_FALSE(refusal(bad).empty());
    EXPECT_TRUE(eventually([&] { return is_closed(bad.entrance.control); }));
    is_served();
  }
}

TEST_F(HostileFrames, AStrangerWithoutASessionIsToldWhy) {
  int refused = 0;
  int asked = 0;
  for (const std::string& frame : malformed_frames()) {
    BareClient bad(new_wire(), poll_briefly);
    bad.send(frame);
    // Nobody looks into an envelope before it is known whose it is.
    if (refusal(bad).empty()) {
      EXPECT_EQ(core::open_envelope(bad.last_frame).kind, core::Envelope::unknown_connection);
      ++asked;
    } else {
      ++refused;
    }
  }
  EXPECT_GT(refused, 10);
  EXPECT_GT(asked, 10);
  is_served();
}

TEST_F(HostileFrames, AStrangerThatDoesNotListenIsNotToldForEver) {
  const std::size_t before = memory("VmRSS");
  auto wire = new_wire();
  core::Hello unknown;
  unknown.ticket.assign(16, 'x');
  unknown.nonce.assign(16, 'n');
  const std::string hello = core::encode(unknown);
  for (int i = 0; i < 300'000; ++i) wire->send(hello);
  wire->send(std::string(1, '\xc1'));
  wire->flush();
  is_served();
  expect_memory_below(before + (16U << 20U));
}

class HostileSizes : public HostileTest {
 protected:
  static core::Limits small() {
    core::Limits limits;
    limits.message_bytes = 100'000;
    return limits;
  }
  HostileSizes() : HostileTest(small()) {}
};

// ZeroMQ cuts it off before the server sees it.
TEST_F(HostileSizes, AFrameFarBeyondTheLimitLosesItsConnectionAndNotItsSession) {
  BareClient bad = stranger();
  const core::ObjectId list = bad.create("list");
  bad.post(list, "append", arguments(Value(std::string(10'000'000, 'x'))));
  is_served();
  bad.reconnect(new_wire());
  ASSERT_EQ(bad.resume(bad.secret), core::Envelope::welcome);
  EXPECT_EQ(bad.get(list, "size").integer(), 0);
  expect_memory_below(128U << 20U);
}

}  // namespace
}  // namespace steward::detail::test
