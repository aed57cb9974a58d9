// A ring without memory for larger items: its manager keeps them, and they have their place in the
// ring all the same.
#include <cstring>

#include <steward/tests/server/loop/ring_test.hpp>
#include <steward/tests/shm/block_hog.hpp>

namespace steward::detail::test {
namespace {

class RingWithoutMemory : public RingTest {
 protected:
  void meet(std::uint64_t maxsize, const core::Limits& limits = {}) {
    start(limits);
    owner.emplace(client());
    queue = queue_of(*owner, maxsize);
    ring = RingTest::ring(queue);
    hog.emplace(ring->fd(), large("").size());
  }
  static std::string large(const std::string& name) { return name + std::string(20'000, 'x'); }
  // The item behind the stub that is the next of the ring.
  Value redeem_next() {
    const Value stub = take(*ring);
    EXPECT_EQ(last_format, 2U);
    return redeem(stub);
  }
  Value redeem(const Value& bytes) {
    std::uint64_t number = 0;
    EXPECT_EQ(bytes.bytes().size(), sizeof number);
    std::memcpy(&number, bytes.bytes().data(), sizeof number);
    const Value item = owner->get(queue, "redeem", Value(number));
    owner->get(queue, "redeemed", Value(number));
    return item;
  }
  // A session takes the next stub, asks for its item, and ends without a word of that.
  shm::Held ask_and_end(bool for_good) {
    BareClient taker = client();
    shm::Held held;
    std::uint64_t number = 0;
    const auto read = [&](const shm::Item& item) {
      std::memcpy(&number, item.bytes.data(), sizeof number);
      return false;
    };
    EXPECT_EQ(ring->get(read, kNow, held), RingOutcome::done);
    taker.get(queue, "redeem", Value(number));
    EXPECT_EQ(for_good && ring->consume(held), for_good);
    taker.send(core::encode_bye());
    taker.receive_kind(core::Envelope::bye);
    return held;
  }
  std::uint64_t kept() { return server->core().bytes_of_objects(); }

  std::optional<BareClient> owner;
  core::ObjectId queue{};
  std::unique_ptr<shm::SharedQueue> ring;
  std::optional<BlockHog> hog;
};

TEST_F(RingWithoutMemory, AnUnboundedQueueGoesOnInItsManager) {
  meet(0);
  owner->get(queue, "put", Value("small"));
  owner->get(queue, "put", Value(large("first")));
  owner->get(queue, "put_many", Value(Value::List{Value(large("second")), Value("last")}));
  EXPECT_EQ(owner->get(queue, "try_put", Value(large("third"))), Value(true));
  EXPECT_EQ(owner->get(queue, "size").integer(), 5);
  EXPECT_EQ(ring->size(), 5U);
  EXPECT_EQ(take(*ring), Value("small"));
  EXPECT_EQ(redeem_next(), Value(large("first")));
  EXPECT_EQ(owner->get(queue, "get_many", Value(10)),
            Value(Value::List{Value(large("second")), Value("last"), Value(large("third"))}));
  EXPECT_EQ(owner->get(queue, "empty"), Value(true));
}

TEST_F(RingWithoutMemory, ABoundedQueueCountsItemsAndNotTheirBytes) {
  meet(3);
  for (const char* name : {"a", "b", "c"}) owner->get(queue, "put", Value(large(name)));
  EXPECT_EQ(owner->get(queue, "full"), Value(true));
  EXPECT_EQ(owner->get(queue, "try_put", Value(large("d"))), Value(false));
  EXPECT_EQ(put(*ring, "d"), RingOutcome::timeout);
  const core::Seq waiting = owner->post(queue, "put", arguments(Value(large("d"))));
  wait_until_parked(1);
  EXPECT_EQ(redeem_next(), Value(large("a")));
  EXPECT_EQ(owner->answer(waiting).code, core::ErrorCode::ok);
  EXPECT_EQ(redeem_next(), Value(large("b")));
  EXPECT_EQ(redeem_next(), Value(large("c")));
  EXPECT_EQ(redeem_next(), Value(large("d")));
}

TEST_F(RingWithoutMemory, TheManagerKeepsNothingThatTheRingCarriesOrThatNeverWentIn) {
  meet(2);
  const std::uint64_t nothing = kept();
  owner->get(queue, "put", Value("small"));
  owner->get(queue, "put", Value(large("a")));
  EXPECT_GT(kept(), nothing);
  const core::Seq waiting = owner->post(queue, "put", arguments(Value(large("b"))));
  wait_until_parked(1);
  owner->send(core::encode_seqs(core::Envelope::cancel, {waiting}));
  EXPECT_EQ(owner->answer(waiting).code, core::ErrorCode::timed_out);
  EXPECT_EQ(owner->get(queue, "try_put", Value(large("c"))), Value(false));
  owner->get(queue, "close");
  EXPECT_EQ(owner->call(queue, "put", Value(large("d"))).code, core::ErrorCode::closed);
  EXPECT_EQ(take(*ring), Value("small"));
  EXPECT_EQ(redeem_next(), Value(large("a")));
  EXPECT_EQ(kept(), nothing);
}

TEST_F(RingWithoutMemory, WhatItKeepsIsReservedAndGivenBackAsAnyItem) {
  meet(0);
  owner->get(queue, "put", Value(large("a")));
  owner->get(queue, "put", Value("b"));
  const auto reserve = [&](BareClient& who) {
    return who.get(queue, "reserve", Value(60'000)).list();
  };
  {
    BareClient taker = client();
    EXPECT_EQ(reserve(taker).at(2), Value(large("a")));
    taker.send(core::encode_bye());
    taker.receive_kind(core::Envelope::bye);
  }
  const Value::List again = reserve(*owner);
  EXPECT_EQ(again.at(1), Value(true)) << "flagged";
  EXPECT_EQ(again.at(2), Value(large("a")));
  EXPECT_EQ(owner->get(queue, "nack", again.at(0)), Value(true));
  const Value::List last = reserve(*owner);
  EXPECT_EQ(last.at(2), Value(large("a")));
  EXPECT_EQ(owner->get(queue, "ack", last.at(0)), Value(true));
  EXPECT_EQ(take(*ring), Value("b"));
  EXPECT_TRUE(ring->task_done());
  EXPECT_EQ(ring->join(kNow), RingOutcome::done);
}

TEST_F(RingWithoutMemory, WhatATakerHadForGoodIsNotKeptThoughItCouldNotSaySo) {
  meet(0);
  const std::uint64_t nothing = kept();
  for (const char* name : {"a", "b", "c"}) owner->get(queue, "put", Value(large(name)));
  const shm::Held back = ask_and_end(false);
  const shm::Held reserved = ask_and_end(false);
  ask_and_end(true);
  EXPECT_TRUE(ring->nack(back));
  EXPECT_EQ(redeem_next(), Value(large("a"))) << "given back";
  const std::uint64_t one = kept();
  EXPECT_TRUE(ring->nack(reserved));
  EXPECT_EQ(redeem_next(), Value(large("b"))) << "held by this process, for others to come";
  EXPECT_GT(one, nothing);
  EXPECT_EQ(kept(), nothing);
}

// A process whose session has ended, and that has the stub in its hands all the same.
TEST_F(RingWithoutMemory, WhatATakerHadForGoodAfterItsSessionIsNotKept) {
  meet(0);
  const std::uint64_t nothing = kept();
  owner->get(queue, "put", Value(large("a")));
  owner->get(queue, "put", Value(large("b")));
  const shm::Held done = ask_and_end(false);
  const shm::Held back = ask_and_end(false);
  EXPECT_TRUE(ring->ack(done));
  skipped += 10s;
  const std::uint64_t one = kept();
  EXPECT_TRUE(eventually([&] { return kept() < one; }));
  EXPECT_GT(kept(), nothing) << "somebody has the other";
  EXPECT_TRUE(ring->nack(back));
  skipped += 10s;
  step();
  EXPECT_EQ(redeem_next(), Value(large("b"))) << "it is there for its next taker";
  EXPECT_EQ(kept(), nothing);
}

TEST_F(RingWithoutMemory, ADamagedItemDoesNotHideWhatIsKeptForNobody) {
  meet(0);
  const std::uint64_t nothing = kept();
  owner->get(queue, "put", Value(large("a")));
  EXPECT_EQ(put(*ring, "damaged"), RingOutcome::done);
  auto memory = shm::QueueMemory::open(shm::UniqueFd(::dup(ring->fd())));
  memory.describe(shm::Cell::of(memory.cell(0, 1).load()).block(), 0xffff'ffff, 0);
  ask_and_end(true);
  EXPECT_EQ(kept(), nothing);
}

TEST_F(RingWithoutMemory, TheLimitOfMemoryHoldsForWhatTheManagerKeeps) {
  core::Limits limits;
  limits.memory = 100'000;
  meet(0, limits);
  int in = 0;
  while (owner->call(queue, "put", Value(large("x"))).code == core::ErrorCode::ok) ++in;
  EXPECT_EQ(in, 4);
  EXPECT_EQ(owner->call(queue, "put", Value(large("x"))).code, core::ErrorCode::overloaded);
  hog->release();
  EXPECT_EQ(put(*ring, large("x")), RingOutcome::done) << "that is not the manager's memory";
  EXPECT_EQ(ring->size(), 5U);
}

TEST_F(RingWithoutMemory, AGetOfManyTakesNoMoreThanAMessageCarries) {
  core::Limits limits;
  limits.message_bytes = 64U << 10U;
  meet(0, limits);
  for (const char* name : {"a", "b", "c", "d", "e"}) {
    owner->get(queue, "put", Value(large(name)));
  }
  const Value many = owner->get(queue, "get_many", Value(10));
  EXPECT_EQ(many, Value(Value::List{Value(large("a")), Value(large("b")), Value(large("c"))}));
  EXPECT_EQ(redeem_next(), Value(large("d")));
  EXPECT_EQ(redeem_next(), Value(large("e")));
}

// More than there are blocks of their size: all of them move in, in their order.
TEST_F(RingWithoutMemory, AQueueOfManyLargeItemsMovesInAsAWhole) {
  core::Limits limits;
  limits.message_bytes = 5U << 20U;
  start(limits);
  owner.emplace(client());
  queue = queue_of(*owner, 0);
  constexpr int kItems = 18;
  for (int i = 0; i < kItems; ++i) {
    owner->get(queue, "put", Value(std::string((4U << 20U) + 1, static_cast<char>('a' + i))));
  }
  ring = RingTest::ring(queue);
  EXPECT_EQ(ring->size(), static_cast<std::size_t>(kItems));
  EXPECT_EQ(put(*ring, "behind them"), RingOutcome::done);
  for (int i = 0; i < kItems; ++i) {
    Value item = take(*ring);
    if (last_format == 2) item = redeem(item);
    EXPECT_EQ(item.string().size(), (4U << 20U) + 1);
    EXPECT_EQ(item.string().back(), 'a' + i);
  }
  EXPECT_EQ(take(*ring), Value("behind them"));
}

}  // namespace
}  // namespace steward::detail::test
