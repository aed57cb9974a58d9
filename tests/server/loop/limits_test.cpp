// Limits that are kept around the core, at each and one past it: messages, challenges, what clients
// do not read, and how many sessions there are descriptors for.
#include <deque>

#include <steward/core/errors.hpp>
#include <steward/manager/server/descriptors.hpp>
#include <steward/manager/server/outbox.hpp>
#include <steward/tests/client/forked.hpp>
#include <steward/tests/server/loop/few_descriptors.hpp>
#include <steward/tests/server/loop/loop_test.hpp>

namespace steward::detail::test {
namespace {

using core::Envelope;
using core::Limits;

class LoopLimits : public LoopTest {
 protected:
  // A call whose frame has exactly this size.
  static std::string frame_of(BareClient& client, core::ObjectId list, std::size_t size) {
    core::Call call;
    call.seq = client.next_seq++;
    call.thread = 1;
    call.object = list;
    call.method = "append";
    std::string frame;
    for (std::size_t text = size - 40; frame.size() < size; ++text) {
      const std::string args = arguments(Value(std::string(text, 'x')));
      call.args = args;
      std::string bytes;
      core::append_call(bytes, call);
      frame = core::encode_calls(client.first_incomplete, {bytes});
    }
    EXPECT_EQ(frame.size(), size);
    return frame;
  }

  // On a connection of its own, the challenge for somebody who says to be this session.
  std::string challenge_for(BareClient& asking, const BareClient& owner) {
    core::Hello hello;
    hello.session = owner.session;
    hello.nonce = owner.nonce;
    asking.send(core::encode(hello));
    asking.receive_kind(Envelope::unknown_connection);
    return std::string(core::decode_text(core::open_envelope(asking.last_frame)));
  }
  Envelope prove(BareClient& asking, const BareClient& owner, const std::string& challenge) {
    core::Hello hello;
    hello.session = owner.session;
    hello.nonce = owner.nonce;
    hello.proof = core::session_proof(core::Role::client, owner.secret, owner.session, challenge);
    asking.send(core::encode(hello));
    asking.last_frame = asking.receive();
    return core::open_envelope(asking.last_frame).kind;
  }
  BareClient stranger() { return {std::make_unique<ZmqWire>(address()), pump()}; }
};

TEST_F(LoopLimits, AMessageAtTheLimitIsServedAndOnePastItClosesTheSession) {
  start({.message_bytes = 4096});
  BareClient client = LoopTest::client();
  const core::ObjectId list = client.create("list", "list");
  const core::Seq last = client.next_seq;
  client.send(frame_of(client, list, 4096));
  EXPECT_EQ(client.answer(last).code, core::ErrorCode::ok);
  EXPECT_EQ(server->incidents().malformed, 0U);

  client.send(frame_of(client, list, 4097));
  client.receive_kind(Envelope::unknown_session);
  EXPECT_EQ(core::decode_text(core::open_envelope(client.last_frame)),
            "a message of 4097 bytes; the limit is 4096");
  EXPECT_EQ(server->incidents().malformed, 1U);
  EXPECT_EQ(server->core().number_of_sessions(), 0U);
  ASSERT_EQ(notes.size(), 1U);
  EXPECT_NE(notes[0].find("a message of 4097 bytes"), std::string::npos);
  BareClient other = LoopTest::client();
  EXPECT_EQ(other.get(other.create("list", "list"), "size").integer(), 1);
}

TEST_F(LoopLimits, PendingChallengesByTime) {
  start({.handshake_time = 3s});
  BareClient owner = client();
  BareClient asking = stranger();
  std::string challenge = challenge_for(asking, owner);
  skipped += 4s;
  EXPECT_EQ(prove(asking, owner, challenge), Envelope::unknown_connection);
  EXPECT_EQ(server->incidents().forged, 0U) << "late, not wrong";
  challenge = core::decode_text(core::open_envelope(asking.last_frame));
  skipped += 2s;
  EXPECT_EQ(prove(asking, owner, challenge), Envelope::welcome);
}

// ---- Unread replies, on a listener whose client reads when the test says so.

class SlowListener final : public server::Listener {
 public:
  std::vector<int> fds() const override { return {}; }
  bool readable() override { return false; }
  bool receive(server::Arrival&) override { return false; }
  server::Sent send(const std::string&, std::string& frame) override {
    if (!reads && most == 0) return server::Sent::would_block;
    most -= std::min<std::size_t>(most, 1);
    sent.push_back(std::move(frame));
    return server::Sent::sent;
  }
  void forget(const std::string&) override {}
  const std::vector<std::string>& addresses() const override { return addresses_; }
  void close() override {}

  bool reads = false;
  std::size_t most = 0;  // frames that it reads although it does not read
  std::deque<std::string> sent;

 private:
  std::vector<std::string> addresses_;
};

class Unread : public testing::Test {
 protected:
  void say(server::Outbox& outbox, std::size_t bytes) {
    outbox.envelope("route", std::string(bytes, 'x'));
    outbox.release(now);
  }
  core::Time now{};
  SlowListener listener;
};

TEST_F(Unread, BytesAtTheLimitFillIt) {
  server::Outbox outbox(listener, {.unsent_bytes = 100 + 2 * server::Outbox::kFrameCost});
  say(outbox, 60);
  say(outbox, 39);
  EXPECT_FALSE(outbox.is_full("route"));
  say(outbox, 1);
  EXPECT_TRUE(outbox.is_full("route"));
  EXPECT_FALSE(outbox.is_full("another"));
}

// Who is full is asked for nothing more: but others may answer what was asked before.
TEST_F(Unread, MoreThanTwiceTheLimitAndAMessageIsNotKept) {
  server::Outbox outbox(listener, {.message_bytes = 1'000, .unsent_bytes = 1'000});
  for (int i = 0; i < 4; ++i) say(outbox, 1'000 - server::Outbox::kFrameCost);
  EXPECT_TRUE(outbox.take_overfull().empty());
  for (int i = 0; i < 3; ++i) say(outbox, 1);
  EXPECT_EQ(outbox.take_overfull(), std::vector<std::string>{"route"}) << "said once";
  outbox.ask_to_resume("route", "ask again", now);
  say(outbox, 2);
  EXPECT_TRUE(outbox.take_overfull().empty());
  EXPECT_TRUE(outbox.take_slow().empty());

  listener.reads = true;
  now += 1s;
  EXPECT_TRUE(outbox.retry(now));
  ASSERT_EQ(listener.sent.size(), 5U);
  EXPECT_EQ(listener.sent.back(), "ask again");
  EXPECT_FALSE(outbox.is_full("route"));
  say(outbox, 3);
  EXPECT_EQ(listener.sent.back(), "xxx");
}

TEST_F(Unread, WhoIsOverfullIsFullUntilAllOfItIsRead) {
  server::Outbox outbox(listener, {.message_bytes = 1'000, .unsent_bytes = 1'000});
  for (int i = 0; i < 5; ++i) say(outbox, 1'000 - server::Outbox::kFrameCost);
  outbox.ask_to_resume("route", "ask again", now);
  listener.most = 4;
  now += 1s;
  EXPECT_TRUE(outbox.retry(now));
  EXPECT_TRUE(outbox.is_full("route"));
  now += 1s;
  EXPECT_FALSE(outbox.retry(now));
}

TEST_F(Unread, WhatWaitedCountsAsSentWithItsOwnBytes) {
  server::Outbox outbox(listener, {});
  say(outbox, 10);
  listener.reads = true;
  now += 1s;
  outbox.retry(now);
  EXPECT_EQ(outbox.sent().bytes, 10U);
  EXPECT_EQ(outbox.sent().frames, 1U);
}

TEST_F(Unread, WhatWasReadMakesRoom) {
  server::Outbox outbox(listener, {.unsent_bytes = 100 + server::Outbox::kFrameCost});
  say(outbox, 100);
  listener.reads = true;
  now += 1s;
  outbox.retry(now);
  listener.reads = false;
  EXPECT_FALSE(outbox.is_full("route"));
  say(outbox, 100);
  EXPECT_TRUE(outbox.is_full("route"));
  EXPECT_EQ(listener.sent.size(), 1U);
}

TEST_F(Unread, TimeJustBelowTheLimitIsBorneAndAtItIsTooLong) {
  server::Outbox outbox(listener, {.unsent_time = 60s});
  say(outbox, 10);
  now += 60s - 1ms;
  outbox.retry(now);
  EXPECT_TRUE(outbox.take_slow().empty());
  now += 20ms;  // the next look
  outbox.retry(now);
  EXPECT_EQ(outbox.take_slow(), std::vector<std::string>{"route"});
}

TEST_F(Unread, TimeCountsFromTheLastThingRead) {
  server::Outbox outbox(listener, {.unsent_time = 60s});
  say(outbox, 10);
  say(outbox, 10);
  now += 50s;
  listener.reads = true;
  outbox.retry(now);
  listener.reads = false;
  say(outbox, 10);
  now += 59s;
  outbox.retry(now);
  EXPECT_TRUE(outbox.take_slow().empty());
  EXPECT_EQ(listener.sent.size(), 2U);
}

// ---- Descriptors bound the sessions too.

TEST(SessionsByDescriptors, AreNoMoreThanThereAreDescriptorsFor) {
  Forked child([](int) {
    limit_descriptors(256);
    const auto sessions = [](std::size_t wanted) {
      server::ServerOptions options;
      options.limits.sessions = wanted;
      const server::Server server(server::builtin_classes(), std::move(options));
      return server.core().limits().sessions;
    };
    // Three each, after those that the manager keeps for itself.
    EXPECT_EQ(sessions(16'384), (256U - 64) / 3);
    EXPECT_EQ(sessions(65), 64U);
    EXPECT_EQ(sessions(64), 64U);
    EXPECT_EQ(sessions(2), 2U);
    return testing::Test::HasFailure() ? 1 : 0;
  });
  EXPECT_EQ(child.join(), 0);
}

TEST(SessionsByDescriptors, TooFewDescriptorsForAManagerAreSaid) {
  const auto start_with = [](rlim_t descriptors) {
    Forked child([=](int out) {
      limit_descriptors(descriptors);
      std::string text = "started\n";
      try {
        const server::Server server(server::builtin_classes());
      } catch (const Overloaded& error) {
        text = std::string(error.what()) + "\n";
      }
      return ::write(out, text.data(), text.size()) < 0;
    });
    return child.line();
  };
  EXPECT_EQ(start_with(128), "started");
  EXPECT_EQ(start_with(127), "a manager needs 128 descriptors, this process may open 127");
}

}  // namespace
}  // namespace steward::detail::test
