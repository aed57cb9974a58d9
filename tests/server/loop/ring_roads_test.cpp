// One queue, two roads: clients of the general road and local ones that use the ring itself.
#include <future>

#include <steward/tests/server/loop/ring_test.hpp>

namespace steward::detail::test {
namespace {

class RingRoads : public RingTest {
 protected:
  void SetUp() override { start(); }
  core::Deadline soon() { return core::deadline_after(kPatience); }
  // What another thread waits for while the server goes on.
  template <class T>
  T result_of(std::future<T>& future) {
    EXPECT_TRUE(eventually([&] { return future.wait_for(0s) == std::future_status::ready; }));
    return future.get();
  }
};

TEST_F(RingRoads, ItemsKeepTheirOrderAcrossRoads) {
  BareClient client = this->client();
  const core::ObjectId queue = queue_of(client, 0);
  const auto ring = this->ring(queue);
  client.get(queue, "put", Value(1));
  EXPECT_EQ(put(*ring, 2), RingOutcome::done);
  client.get(queue, "put_many", Value(Value::List{Value(3), Value("four")}));
  EXPECT_EQ(put(*ring, 5), RingOutcome::done);
  EXPECT_EQ(client.get(queue, "size").integer(), 5);
  EXPECT_EQ(client.get(queue, "get"), Value(1));
  EXPECT_EQ(take(*ring), Value(2));
  EXPECT_EQ(client.get(queue, "get_many", Value(2)), Value(Value::List{Value(3), Value("four")}));
  EXPECT_EQ(client.get(queue, "try_get"), Value(Value::List{Value(5)}));
  EXPECT_EQ(client.get(queue, "try_get"), Value(Value::List{}));
  EXPECT_EQ(client.get(queue, "empty"), Value(true));
}

TEST_F(RingRoads, ACallThatWaitsNoTimeTakesWhatIsThere) {
  BareClient client = this->client();
  const core::ObjectId queue = queue_of(client, 0);
  const auto ring = this->ring(queue);
  const auto get_at_once = [&] {
    core::Call call;
    call.seq = client.next_seq++;
    call.thread = 1;
    call.object = queue;
    call.method = "get";
    const std::string args = arguments();
    call.args = args;
    call.wait_ms = 0;
    std::string encoded;
    core::append_call(encoded, call);
    const std::string_view calls[] = {encoded};
    client.send(core::encode_calls(1, std::vector<std::string_view>(std::begin(calls),
                                                                    std::end(calls))));
    return client.answer(call.seq);
  };
  EXPECT_EQ(get_at_once().code, core::ErrorCode::timed_out);
  EXPECT_EQ(put(*ring, 2), RingOutcome::done);
  EXPECT_EQ(get_at_once().result, Value(2));
  EXPECT_EQ(get_at_once().code, core::ErrorCode::timed_out);
}

TEST_F(RingRoads, CallsInOneMessageSeeWhatThoseBeforeThemDid) {
  BareClient client = this->client();
  const core::ObjectId queue = queue_of(client, 2);
  const auto ring = this->ring(queue);
  std::vector<std::string> calls;
  const core::Seq first = client.next_seq;
  const auto add = [&](std::string_view method, const std::string& args) {
    core::Call call;
    call.seq = client.next_seq++;
    call.thread = 1;
    call.object = queue;
    call.method = method;
    call.args = args;
    core::append_call(calls.emplace_back(), call);
  };
  add("put", arguments(Value(1)));
  add("size", arguments());
  add("try_get", arguments());
  add("try_get", arguments());
  add("put_many", arguments(Value(Value::List{Value(2), Value(3)})));
  add("try_put", arguments(Value(4)));
  add("full", arguments());
  add("close", arguments());
  add("get_many", arguments(Value(5)));
  add("put", arguments(Value(5)));
  client.send(core::encode_calls(1, std::vector<std::string_view>(calls.begin(), calls.end())));
  EXPECT_EQ(client.answer(first).code, core::ErrorCode::ok);
  EXPECT_EQ(client.answer(first + 1).result, Value(1));
  EXPECT_EQ(client.answer(first + 2).result, Value(Value::List{Value(1)}));
  EXPECT_EQ(client.answer(first + 3).result, Value(Value::List{}));
  EXPECT_EQ(client.answer(first + 4).code, core::ErrorCode::ok);
  EXPECT_EQ(client.answer(first + 5).result, Value(false));
  EXPECT_EQ(client.answer(first + 6).result, Value(true));
  EXPECT_EQ(client.answer(first + 7).code, core::ErrorCode::ok);
  EXPECT_EQ(client.answer(first + 8).result, Value(Value::List{Value(2), Value(3)}));
  EXPECT_EQ(client.answer(first + 9).code, core::ErrorCode::closed);
}

TEST_F(RingRoads, AGetOfManyTakesNoMoreThanAMessageCarries) {
  server.reset();
  core::Limits limits;
  limits.message_bytes = 64U << 10U;
  start(limits);
  BareClient client = this->client();
  const core::ObjectId queue = queue_of(client, 0);
  const auto ring = this->ring(queue);
  const std::string large(server->rings().item_bytes() - 3, 'x');
  const std::string half(20000, 'y');
  for (const std::string& text : {half, half, half, half, large}) {
    EXPECT_EQ(put(*ring, text), RingOutcome::done);
  }
  EXPECT_EQ(client.get(queue, "get_many", Value(10)).list().size(), 3U);
  EXPECT_EQ(client.get(queue, "get_many", Value(10)).list().size(), 1U);
  EXPECT_EQ(client.get(queue, "get"), Value(large));
  EXPECT_THROW(put(*ring, large + "x"), Overloaded);
}

// So it is before the queue has a ring and after, and for who puts into that himself.
TEST_F(RingRoads, AnItemThatNoAnswerCouldCarryIsRefusedOnEachRoad) {
  server.reset();
  core::Limits limits;
  limits.message_bytes = 64U << 10U;
  start(limits);
  BareClient client = this->client();
  const core::ObjectId queue = queue_of(client, 0);
  const Value longest(std::string(server->rings().item_bytes() - 3, 'x'));
  const Value too_long(longest.string() + "x");
  const auto expect_refused = [&] {
    for (const char* method : {"put", "try_put"}) {
      const Answer answer = client.call(queue, method, too_long);
      EXPECT_EQ(answer.code, core::ErrorCode::overloaded);
      EXPECT_NE(answer.text.find("an item of 65281 bytes is more than the 65280 that this queue "
                                 "takes"), std::string::npos) << answer.text;
    }
    EXPECT_EQ(client.call(queue, "put_many", Value(Value::List{too_long})).code,
              core::ErrorCode::overloaded);
  };
  client.get(queue, "put", longest);
  expect_refused();
  const auto ring = this->ring(queue);
  expect_refused();
  EXPECT_THROW(put(*ring, too_long), Overloaded);
  client.get(queue, "put", longest);
  EXPECT_EQ(put(*ring, "behind them"), RingOutcome::done);
  EXPECT_EQ(take(*ring), longest);
  EXPECT_EQ(client.get(queue, "get"), longest);
  EXPECT_EQ(take(*ring), Value("behind them"));
}

TEST_F(RingRoads, ALocalPutWakesAGetOfTheGeneralRoad) {
  BareClient client = this->client();
  const core::ObjectId queue = queue_of(client, 0);
  const auto ring = this->ring(queue);
  for (int i = 0; i < 50; ++i) {
    const core::Seq seq = client.post(queue, "get", arguments());
    wait_until_parked(1);
    EXPECT_EQ(put(*ring, i), RingOutcome::done);
    EXPECT_EQ(client.answer(seq).result, Value(i));
  }
}

TEST_F(RingRoads, APutOfTheGeneralRoadWakesALocalGet) {
  BareClient client = this->client();
  const core::ObjectId queue = queue_of(client, 0);
  const auto ring = this->ring(queue);
  for (int i = 0; i < 50; ++i) {
    auto got = std::async(std::launch::async, [&] { return take(*ring, soon()); });
    client.get(queue, "put", Value(i));
    EXPECT_EQ(result_of(got), Value(i));
  }
}

TEST_F(RingRoads, AFullQueueHoldsUpPutsOfTheGeneralRoadUntilALocalGet) {
  BareClient client = this->client();
  const core::ObjectId queue = queue_of(client, 2);
  const auto ring = this->ring(queue);
  put(*ring, 1);
  put(*ring, 2);
  EXPECT_EQ(client.get(queue, "full"), Value(true));
  EXPECT_EQ(client.get(queue, "try_put", Value(9)), Value(false));
  const core::Seq three = client.post(queue, "put", arguments(Value(3)));
  const core::Seq more = client.post(queue, "put_many",
                                     arguments(Value(Value::List{Value(4), Value(5)})));
  wait_until_parked(2);
  EXPECT_EQ(take(*ring), Value(1));
  EXPECT_EQ(client.answer(three).code, core::ErrorCode::ok);
  EXPECT_EQ(take(*ring), Value(2));
  EXPECT_TRUE(eventually([&] { return ring->size() == 2; }));
  EXPECT_EQ(take(*ring), Value(3));
  EXPECT_EQ(client.answer(more).code, core::ErrorCode::ok);
  EXPECT_EQ(take(*ring), Value(4));
  EXPECT_EQ(take(*ring), Value(5));
}

TEST_F(RingRoads, AFullQueueHoldsUpLocalPutsUntilAGetOfTheGeneralRoad) {
  BareClient client = this->client();
  const core::ObjectId queue = queue_of(client, 1);
  const auto ring = this->ring(queue);
  client.get(queue, "put", Value(1));
  EXPECT_EQ(put(*ring, 2), RingOutcome::timeout);
  auto done = std::async(std::launch::async, [&] { return put(*ring, 2, soon()); });
  EXPECT_EQ(client.get(queue, "get"), Value(1));
  EXPECT_EQ(result_of(done), RingOutcome::done);
  EXPECT_EQ(client.get(queue, "get"), Value(2));
}

TEST_F(RingRoads, GettersOfTheGeneralRoadAreServedInTheirOrder) {
  BareClient client = this->client();
  const core::ObjectId queue = queue_of(client, 0);
  const auto ring = this->ring(queue);
  const core::Seq first = client.post(queue, "get", arguments());
  const core::Seq second = client.post(queue, "get_many", arguments(Value(10)));
  wait_until_parked(2);
  put(*ring, "a");
  EXPECT_EQ(client.answer(first).result, Value("a"));
  put(*ring, "b");
  EXPECT_EQ(client.answer(second).result, Value(Value::List{Value("b")}));
}

TEST_F(RingRoads, AGetThatRunsOutOfTimeLeavesNothingBehind) {
  BareClient client = this->client();
  const core::ObjectId queue = queue_of(client, 0);
  const auto ring = this->ring(queue);
  const core::Seq seq = client.post(queue, "get", arguments(), 1000);
  wait_until_parked(1);
  skipped += 2s;
  EXPECT_EQ(client.answer(seq).code, core::ErrorCode::timed_out);
  EXPECT_EQ(server->rings().waiting(), 0U);
  put(*ring, 1);
  EXPECT_EQ(take(*ring), Value(1));
}

TEST_F(RingRoads, APutThatIsCancelledNeverEnters) {
  BareClient client = this->client();
  const core::ObjectId queue = queue_of(client, 1);
  const auto ring = this->ring(queue);
  put(*ring, 1);
  const core::Seq seq = client.post(queue, "put", arguments(Value(2)));
  wait_until_parked(1);
  client.send(core::encode_seqs(core::Envelope::cancel, {seq}));
  EXPECT_EQ(client.answer(seq).code, core::ErrorCode::timed_out);
  EXPECT_EQ(take(*ring), Value(1));
  EXPECT_EQ(client.get(queue, "size").integer(), 0);
}

TEST_F(RingRoads, WhatIsCancelledAfterItWasGotComesBackFirstAndFlagged) {
  BareClient client = this->client();
  const core::ObjectId queue = queue_of(client, 0);
  const auto ring = this->ring(queue);
  put(*ring, 1);
  put(*ring, 2);
  const core::Seq seq = client.post(queue, "get", arguments());
  EXPECT_EQ(client.answer(seq).result, Value(1));
  client.send(core::encode_seqs(core::Envelope::cancel, {seq}));
  EXPECT_EQ(client.answer(seq).result, Value(1));  // said again
  EXPECT_EQ(take(*ring), Value(1));
  EXPECT_TRUE(last_redelivered);
  EXPECT_EQ(take(*ring), Value(2));
  EXPECT_FALSE(last_redelivered);
}

TEST_F(RingRoads, WhatASessionHadNotConfirmedComesBackInOrderWhenItEnds) {
  BareClient client = this->client();
  const core::ObjectId queue = queue_of(client, 0);
  BareClient keeper = this->client();
  keeper.get(core::kManagerObject, "claim", Value(core::number(queue)), Value());
  const auto ring = this->ring(queue);
  for (int i = 1; i <= 5; ++i) put(*ring, i);
  EXPECT_EQ(client.get(queue, "get"), Value(1));
  client.get(queue, "get_many", Value(2));
  EXPECT_EQ(client.get(queue, "get"), Value(4));
  client.send(core::encode_bye());
  client.receive_kind(core::Envelope::bye);
  for (int i = 1; i <= 4; ++i) {
    EXPECT_EQ(take(*ring), Value(i));
    EXPECT_TRUE(last_redelivered);
  }
  EXPECT_EQ(take(*ring), Value(5));
  EXPECT_FALSE(last_redelivered);
}

TEST_F(RingRoads, AConfirmedItemIsGoneAndOpenUntilReported) {
  BareClient client = this->client();
  const core::ObjectId queue = queue_of(client, 0);
  const auto ring = this->ring(queue);
  put(*ring, 1);
  const core::Seq got = client.post(queue, "get", arguments());
  EXPECT_EQ(client.answer(got).result, Value(1));
  client.send(core::encode_seqs(core::Envelope::ack, {got}));
  const core::Seq joined = client.post(queue, "join", arguments());
  wait_until_parked(1);
  EXPECT_EQ(ring->join(kNow), RingOutcome::timeout);
  EXPECT_TRUE(ring->task_done());  // by somebody else
  EXPECT_EQ(client.answer(joined).code, core::ErrorCode::ok);
  EXPECT_EQ(client.call(queue, "task_done").code, core::ErrorCode::bad_call);
}

TEST_F(RingRoads, AReportOfTheGeneralRoadEndsALocalJoin) {
  BareClient client = this->client();
  const core::ObjectId queue = queue_of(client, 0);
  const auto ring = this->ring(queue);
  client.get(queue, "put", Value(1));
  EXPECT_EQ(take(*ring), Value(1));
  auto joined = std::async(std::launch::async, [&] { return ring->join(soon()); });
  client.get(queue, "task_done");
  EXPECT_EQ(result_of(joined), RingOutcome::done);
}

TEST_F(RingRoads, ClosingOnOneRoadIsSeenOnTheOther) {
  BareClient client = this->client();
  const core::ObjectId first = queue_of(client, 0);
  const auto ring = this->ring(first);
  put(*ring, 1);
  client.get(first, "close");
  EXPECT_EQ(put(*ring, 2), RingOutcome::closed);
  EXPECT_EQ(take(*ring), Value(1));
  EXPECT_EQ(take(*ring), Value("(closed)"));

  const core::ObjectId second = queue_of(client, 0);
  const auto other = this->ring(second);
  const core::Seq waiting = client.post(second, "get", arguments());
  wait_until_parked(1);
  other->close();
  EXPECT_EQ(client.answer(waiting).code, core::ErrorCode::closed);
  EXPECT_EQ(client.call(second, "put", Value(1)).code, core::ErrorCode::closed);
  EXPECT_EQ(client.call(second, "try_put", Value(1)).code, core::ErrorCode::closed);
  EXPECT_EQ(client.call(second, "try_get").code, core::ErrorCode::closed);
}

TEST_F(RingRoads, ShutdownEndsWhoWaitsLocally) {
  BareClient client = this->client();
  const auto ring = this->ring(queue_of(client, 0));
  auto got = std::async(std::launch::async, [&] { return take(*ring, soon()); });
  server.reset();
  EXPECT_EQ(got.get(), Value("(ended)"));
}

TEST_F(RingRoads, AQueueThatIsGoneEndsItsRing) {
  BareClient client = this->client();
  const core::ObjectId queue = queue_of(client, 0);
  const auto ring = this->ring(queue);
  EXPECT_EQ(server->rings().size(), 1U);
  client.send(core::encode_bye());
  client.receive_kind(core::Envelope::bye);
  EXPECT_EQ(server->rings().size(), 0U);
  EXPECT_EQ(put(*ring, 1), RingOutcome::ended);
}

}  // namespace
}  // namespace steward::detail::test
