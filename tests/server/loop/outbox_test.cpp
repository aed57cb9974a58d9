// What becomes of replies that nobody reads, that are too long, or that find no connection.
#include <steward/tests/server/loop/loop_test.hpp>

namespace steward::detail::test {
namespace {

using core::Envelope;

class Outbox : public LoopTest {
 protected:
  static std::string text(std::size_t size) { return std::string(size, 'x'); }
};

TEST_F(Outbox, AClientThatDoesNotReadIsClosedAtItsBudgetAndNobodyElseNotices) {
  core::Limits limits;
  limits.unsent_bytes = 2U << 20U;
  start(limits);
  BareClient good = client();
  BareClient slow = client();
  const core::ObjectId list = slow.create("list", "big");
  good.create("list", "big");
  slow.get(list, "append", Value(text(1U << 20U)));
  // Far more than ZeroMQ, the kernel and the budget hold together, and then more than two messages.
  const std::string asked = arguments(text(1U << 20U));
  ASSERT_TRUE(eventually([&] {
    slow.post(list, "copy", arguments());
    slow.post(list, "count", asked);
    return server->incidents().slow == 1;
  }));
  ASSERT_EQ(notes.size(), 1U);
  EXPECT_NE(notes[0].find("does not read"), std::string::npos);
  EXPECT_EQ(good.get(list, "size").integer(), 1);
  EXPECT_EQ(server->core().number_of_sessions(), 1U);
  EXPECT_TRUE(eventually([&] { return is_closed(slow.entrance.control); }));
}

TEST_F(Outbox, AClientThatReadsLateGetsEverythingInOrder) {
  start();
  BareClient client = LoopTest::client();
  const core::ObjectId list = client.create("list");
  client.get(list, "append", Value(text(100'000)));
  std::vector<core::Seq> calls;
  for (int i = 0; i < 500; ++i) {  // 50 MB: within the budget, beyond all buffers
    calls.push_back(client.post(list, "copy", arguments()));
    step();
  }
  for (const core::Seq seq : calls) {
    EXPECT_EQ(client.answer(seq).result.list()[0].string().size(), 100'000U);
  }
  EXPECT_EQ(server->incidents().slow, 0U);
}

TEST_F(Outbox, AClientThatReadsNothingForTooLongIsClosed) {
  core::Limits limits;
  limits.unsent_time = 60s;
  start(limits);
  BareClient slow = client();
  const core::ObjectId list = slow.create("list");
  slow.get(list, "append", Value(text(1U << 20U)));
  for (int i = 0; i < 40; ++i) {
    slow.post(list, "copy", arguments());
    step();
  }
  EXPECT_EQ(server->incidents().slow, 0U);
  skipped += 30s;
  step();
  EXPECT_EQ(server->incidents().slow, 0U);
  skipped += 31s;
  EXPECT_TRUE(eventually([&] { return server->incidents().slow == 1; }));
  EXPECT_EQ(server->core().number_of_sessions(), 0U);
}

// It has asked for it all before, and others answer: it has done nothing wrong.
TEST_F(Outbox, AClientThatStandsStillAsksAgainForWhatIsTooMuchToKeep) {
  core::Limits limits;
  limits.unsent_bytes = 2U << 20U;
  limits.message_bytes = 2U << 20U;
  start(limits);
  BareClient still = client();
  BareClient other = client();
  const core::ObjectId queue = still.create("queue", "q");
  other.create("queue", "q");
  std::vector<core::Seq> missing;
  for (int i = 0; i < 60; ++i) missing.push_back(still.post(queue, "get", arguments()));
  ASSERT_TRUE(eventually([&] { return server->core().number_parked() == 60; }));
  for (int i = 0; i < 60; ++i) other.get(queue, "put", Value(text(512U << 10U)));
  EXPECT_EQ(server->incidents().slow, 0U);
  ASSERT_EQ(server->core().number_of_sessions(), 2U);

  for (;;) {
    still.last_frame = still.receive();
    const core::OpenEnvelope envelope = core::open_envelope(still.last_frame);
    if (envelope.kind != Envelope::replies) break;
    for (const core::Reply& reply : core::decode_replies(envelope)) {
      EXPECT_EQ(std::erase(missing, reply.seq), 1U);
    }
  }
  ASSERT_FALSE(missing.empty());
  ASSERT_EQ(core::open_envelope(still.last_frame).kind, Envelope::unknown_connection);
  const std::string challenge(core::decode_text(core::open_envelope(still.last_frame)));
  ASSERT_EQ(still.prove(challenge, still.secret, missing), Envelope::welcome);
  for (const core::Seq seq : missing) {
    still.send_call(seq, queue, "get", arguments());
    EXPECT_EQ(still.answer(seq).result.string().size(), 512U << 10U);
  }
  EXPECT_EQ(other.get(queue, "size").integer(), 0);
}

TEST_F(Outbox, AResultLongerThanAMessageIsAnError) {
  core::Limits limits;
  limits.message_bytes = 4096;
  start(limits);
  BareClient client = LoopTest::client();
  const core::ObjectId list = client.create("list");
  client.get(list, "append", Value(text(3000)));
  EXPECT_EQ(client.get(list, "copy").list().size(), 1U);  // at the limit
  client.get(list, "append", Value(text(3000)));
  const Answer answer = client.call(list, "copy");
  EXPECT_EQ(answer.code, core::ErrorCode::overloaded);
  EXPECT_NE(answer.text.find("a message at most 4096"), std::string::npos);
  EXPECT_EQ(client.get(list, "size").integer(), 2);
}

TEST_F(Outbox, RepliesOfABatchShareEnvelopesUpToTheLimit) {
  core::Limits limits;
  limits.message_bytes = 4096;
  start(limits);
  BareClient client = LoopTest::client();
  const core::ObjectId list = client.create("list");
  client.get(list, "append", Value(text(1500)));
  // Five calls in one frame, which is one batch: 1500 bytes each, so two fit into an envelope.
  std::vector<std::string> calls(5);
  std::vector<std::string_view> views;
  const std::string args = arguments(Value(0));
  for (std::string& bytes : calls) {
    core::Call call;
    call.seq = client.next_seq++;
    call.object = list;
    call.method = "at";
    call.args = args;
    core::append_call(bytes, call);
    views.push_back(bytes);
  }
  client.send(core::encode_calls(1, views));
  std::vector<std::size_t> counts;
  for (std::size_t total = 0; total < 5; total += counts.back()) {
    client.receive_kind(Envelope::replies);
    EXPECT_LE(client.last_frame.size(), 4096U);
    counts.push_back(core::decode_replies(core::open_envelope(client.last_frame)).size());
  }
  EXPECT_EQ(counts, (std::vector<std::size_t>{2, 2, 1}));
}

TEST_F(Outbox, AMessageLongerThanTheLimitHarmsNobody) {
  core::Limits limits;
  limits.message_bytes = 4096;
  start(limits);
  BareClient good = client();
  BareClient bad = client();
  const core::ObjectId list = bad.create("list", "l");
  good.create("list", "l");
  bad.post(list, "append", arguments(Value(text(1U << 20U))));
  for (int i = 0; i < 10; ++i) EXPECT_EQ(good.get(list, "size").integer(), 0);
  // ZeroMQ has cut that connection: the client comes back on another.
  bad.reconnect(std::make_unique<ZmqWire>(address()));
  ASSERT_EQ(bad.resume(bad.secret), Envelope::welcome);
  EXPECT_EQ(bad.get(list, "size").integer(), 0);
}

TEST_F(Outbox, AReplyWithoutAConnectionIsKeptForTheRetry) {
  start();
  BareClient client = LoopTest::client();
  BareClient other = LoopTest::client();
  const core::ObjectId queue = client.create("queue", "q");
  other.create("queue", "q");
  const core::Seq get = client.post(queue, "get", arguments());
  ASSERT_TRUE(eventually([&] { return server->core().number_parked() == 1; }));
  client.reconnect(std::make_unique<ZmqWire>(address()));  // the old connection is gone
  other.get(queue, "put", Value(5));
  ASSERT_EQ(client.resume(client.secret, {get}), Envelope::welcome);
  client.send_call(get, queue, "get", arguments());
  EXPECT_EQ(client.answer(get).result.integer(), 5);
}

}  // namespace
}  // namespace steward::detail::test
