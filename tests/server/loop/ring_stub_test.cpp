// Items that a ring does not carry itself: handles inside them keep their objects alive, on
// whatever way they go. And what a local process writes that no client would.
#include <cstring>

#include <steward/tests/server/loop/ring_test.hpp>

namespace steward::detail::test {
namespace {

using core::kManagerObject;

class RingStubs : public RingTest {
 protected:
  void SetUp() override {
    start();
    owner.emplace(client());
    queue = queue_of(*owner, 0);
    ring = RingTest::ring(queue);
  }
  // A list that nothing but the item keeps alive.
  void put_list() {
    const core::ObjectId list = owner->create("list");
    owner->get(list, "append", Value(42));
    put_handle(list);
    owner->get(kManagerObject, "drop",
               Value(Value::List{Value(Value::List{Value(core::number(list)), Value(1)})}));
  }
  void put_handle(core::ObjectId object) {
    core::Token token;
    token.incarnation = server->core().identity().incarnation;
    token.object = object;
    token.type = "list";
    owner->get(queue, "put", Value(Value::List{
        Value("here"), Value::of_reference(std::make_shared<const core::Reference>(token))}));
  }
  std::int64_t objects() { return owner->get(kManagerObject, "number_of_objects").integer(); }
  static core::ObjectId object_in(const Value& item) {
    return item.list().at(1).reference()->token().object;
  }
  // The number in the stub that is the next item.
  std::uint64_t take_stub() {
    const Value bytes = take(*ring);
    EXPECT_EQ(last_format, 2U);
    std::uint64_t number = 0;
    EXPECT_EQ(bytes.bytes().size(), sizeof number);
    std::memcpy(&number, bytes.bytes().data(), sizeof number);
    return number;
  }

  std::optional<BareClient> owner;
  core::ObjectId queue{};
  std::unique_ptr<shm::SharedQueue> ring;
};

TEST_F(RingStubs, ALocalTakerRedeemsWhatItGets) {
  put_list();
  EXPECT_EQ(objects(), 2);
  const std::uint64_t number = take_stub();
  EXPECT_EQ(objects(), 2);
  const Value item = owner->get(queue, "redeem", Value(number));
  owner->get(queue, "redeemed", Value(number));
  EXPECT_EQ(objects(), 2) << "the taker has a reference of its own";
  EXPECT_EQ(owner->get(object_in(item), "at", Value(0)), Value(42));
  owner->get(kManagerObject, "drop", Value(Value::List{Value(Value::List{
      Value(core::number(object_in(item))), Value(1)})}));
  EXPECT_EQ(objects(), 1);
  EXPECT_EQ(owner->call(queue, "redeem", Value(number)).code, core::ErrorCode::out_of_range);
}

TEST_F(RingStubs, ATakerOfTheGeneralRoadGetsTheValueItself) {
  put_list();
  const core::Seq got = owner->post(queue, "get", arguments());
  const Value item = owner->answer(got).result;
  EXPECT_EQ(owner->get(object_in(item), "at", Value(0)), Value(42));
  owner->send(core::encode_seqs(core::Envelope::ack, {got}));
  owner->get(kManagerObject, "drop", Value(Value::List{Value(Value::List{
      Value(core::number(object_in(item))), Value(1)})}));
  EXPECT_EQ(objects(), 1);
}

TEST_F(RingStubs, AnItemThatGoesBackKeepsItsObjects) {
  put_list();
  {
    BareClient taker = client();
    EXPECT_EQ(taker.get(queue, "get").list().at(0), Value("here"));
    taker.send(core::encode_bye());
    taker.receive_kind(core::Envelope::bye);
  }
  EXPECT_EQ(objects(), 2);
  const std::uint64_t number = take_stub();
  EXPECT_TRUE(last_redelivered);
  EXPECT_EQ(owner->get(queue, "redeem", Value(number)).list().at(0), Value("here"));
}

TEST_F(RingStubs, WithTheQueueGoesWhatItsItemsKeep) {
  put_list();
  BareClient other = client();
  EXPECT_EQ(objects(), 2);
  owner->send(core::encode_bye());
  owner->receive_kind(core::Envelope::bye);
  EXPECT_EQ(other.get(kManagerObject, "number_of_objects").integer(), 0);
}

TEST_F(RingStubs, ItemsWithHandlesMoveInAsStubs) {
  queue = queue_of(*owner, 0);
  put_list();
  EXPECT_EQ(objects(), 3);
  ring = RingTest::ring(queue);
  const std::uint64_t number = take_stub();
  EXPECT_EQ(owner->get(queue, "redeem", Value(number)).list().at(0), Value("here"));
}

TEST_F(RingStubs, HandlesInARawItemAreWorthNoMoreThanAClaim) {
  const core::ObjectId list = owner->create("list");
  const auto item = [&](std::uint64_t object) {
    core::Token token;
    token.incarnation = server->core().identity().incarnation;
    token.object = core::ObjectId{object};
    token.type = "list";
    return Value::of_reference(std::make_shared<const core::Reference>(token));
  };
  TokenHandleCodec codec;
  const core::HandleCodecScope scope(codec);
  put(*ring, item(core::number(list)));
  put(*ring, item(1000));
  EXPECT_EQ(owner->get(queue, "get").reference()->token().object, list);
  EXPECT_EQ(core::number(owner->get(queue, "get").reference()->token().object), 1000U);
  EXPECT_EQ(objects(), 2);
  EXPECT_EQ(owner->get(list, "size").integer(), 0);
}

TEST_F(RingStubs, BytesThatAreNoValueArriveAsBytes) {
  ring->put(as_bytes("\xc1 nonsense"), 0, kNow);
  ring->put(as_bytes("raw"), 1, kNow);
  ring->put(as_bytes("no such stub"), 2, kNow);
  ring->put(as_bytes(std::string(300, '\x91')), 0, kNow);  // nested too deep
  ring->put(as_bytes("odd"), 99, kNow);
  EXPECT_EQ(owner->get(queue, "get"), Value::of_bytes("\xc1 nonsense"));
  EXPECT_EQ(owner->get(queue, "get"), Value::of_bytes("raw"));
  EXPECT_EQ(owner->get(queue, "get_many", Value(10)),
            Value(Value::List{Value::of_bytes("no such stub"),
                              Value::of_bytes(std::string(300, '\x91')),
                              Value::of_bytes("odd")}));
}

TEST_F(RingStubs, AStubWhoseItemSomebodyHasHadIsNoItem) {
  put_list();
  put(*ring, 1);
  const auto look = [&](const shm::Item& item) {
    std::uint64_t number = 0;
    std::memcpy(&number, item.bytes.data(), sizeof number);
    owner->get(queue, "redeemed", Value(number));
    return false;
  };
  shm::Held held;
  ASSERT_EQ(ring->get(look, kNow, held), RingOutcome::done);
  ASSERT_TRUE(ring->nack(held));
  EXPECT_EQ(owner->get(queue, "get"), Value(1));
  EXPECT_EQ(owner->get(queue, "size").integer(), 0);
  owner->first_incomplete = owner->next_seq;  // confirms
  owner->get(queue, "task_done");
  owner->get(queue, "join");
  EXPECT_EQ(owner->call(queue, "task_done").code, core::ErrorCode::bad_call);
}

TEST_F(RingStubs, AScribbledRingIsAnErrorOfItsCallsOnly) {
  put(*ring, 1);
  const core::Seq waiting = owner->post(queue_of(*owner, 0), "get", arguments());
  wait_until_parked(1);
  const shm::Segment memory = shm::Segment::open(shm::UniqueFd(::dup(ring->fd())));
  // Hints, cells and headers; the first page says what the queue is and is read once.
  std::memset(memory.data() + 4096, 0xa5, 4096);
  for (const char* method : {"get", "try_get", "size", "full", "task_done", "close"}) {
    const core::Seq seq = owner->post(queue, method, arguments(), 200);
    skipped += 1s;
    static_cast<void>(owner->answer(seq));
  }
  const core::Seq put = owner->post(queue, "put", arguments(Value(1)), 200);
  skipped += 1s;
  static_cast<void>(owner->answer(put));
  EXPECT_EQ(objects(), 2);
  owner->send(core::encode_seqs(core::Envelope::cancel, {waiting}));
  EXPECT_EQ(owner->answer(waiting).code, core::ErrorCode::timed_out);
  ring->abandon();
}

}  // namespace
}  // namespace steward::detail::test
