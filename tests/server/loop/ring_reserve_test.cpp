// Reserved items of a queue with a ring: clients of the general road, for whom the manager
// reserves, beside local ones that do so themselves.
#include <future>
#include <map>
#include <random>
#include <set>

#include <steward/tests/client/seed.hpp>
#include <steward/tests/server/loop/ring_test.hpp>

namespace steward::detail::test {
namespace {

using core::kManagerObject;

Value list_of(std::initializer_list<Value> items) { return Value(Value::List(items)); }

constexpr std::uint64_t kHour = 3'600'000;

class RingReserve : public RingTest {
 protected:
  void SetUp() override {
    start();
    owner.emplace(client());
    queue = queue_of(*owner, 0);
  }
  void TearDown() override {
    ring.reset();
    owner.reset();
  }
  void open_ring() { ring = RingTest::ring(queue); }

  // Another client that refers to the queue.
  BareClient other() {
    BareClient client = this->client();
    client.get(kManagerObject, "claim", Value(core::number(queue)), Value());
    return client;
  }
  core::Seq ask(BareClient& client, std::uint64_t time_ms) {
    return client.post(queue, "reserve", arguments(Value(time_ms)));
  }
  // The answer, confirmed as a client does.
  Value confirmed(BareClient& client, core::Seq seq) {
    const Answer answer = client.answer(seq);
    EXPECT_EQ(answer.code, core::ErrorCode::ok) << answer.text;
    client.send(core::encode_seqs(core::Envelope::ack, {seq}));
    return answer.result;
  }
  Value reserve(BareClient& client, std::uint64_t time_ms = kHour) {
    return confirmed(client, ask(client, time_ms));
  }
  bool says(BareClient& client, const char* word, std::uint64_t number) {
    return client.get(queue, word, Value(number)).boolean();
  }
  // As a local client reserves; nil if nothing is there.
  Value reserve_local(shm::Held& held, core::Deadline until) {
    Value value;
    const auto read = [&](const shm::Item& item) {
      last_redelivered = item.redelivered;
      value = core::decoded({reinterpret_cast<const char*>(item.bytes.data()), item.bytes.size()});
      return true;
    };
    ring->reserve([&] { return until; }, read, kNow, held);
    return value;
  }
  core::Deadline soon() { return core::deadline_after(kPatience); }

  std::optional<BareClient> owner;
  core::ObjectId queue{};
  std::unique_ptr<shm::SharedQueue> ring;
};

TEST_F(RingReserve, WhatARemoteTakerHasReservedIsNoLocalOnes) {
  open_ring();
  put(*ring, 1);
  put(*ring, 2);
  EXPECT_EQ(reserve(*owner), list_of({1, false, 1}));
  EXPECT_EQ(take(*ring), Value(2));
  EXPECT_EQ(take(*ring), Value());
  EXPECT_TRUE(ring->task_done());
  EXPECT_EQ(ring->join(kNow), RingOutcome::timeout);
  EXPECT_TRUE(says(*owner, "ack", 1));
  EXPECT_EQ(ring->join(kNow), RingOutcome::done) << "nobody has to report it";
  EXPECT_FALSE(ring->task_done());
  EXPECT_FALSE(says(*owner, "ack", 1));
}

TEST_F(RingReserve, WhatALocalTakerHasReservedIsNoRemoteOnes) {
  open_ring();
  put(*ring, 1);
  shm::Held held;
  EXPECT_EQ(reserve_local(held, {}), Value(1));
  EXPECT_EQ(owner->get(queue, "try_get"), list_of({}));
  const core::Seq waiting = ask(*owner, kHour);
  wait_until_parked(1);
  EXPECT_TRUE(ring->nack(held));
  EXPECT_EQ(confirmed(*owner, waiting), list_of({1, true, 1}));
  EXPECT_FALSE(ring->ack(held));
}

TEST_F(RingReserve, GivenBackItIsTheNextLocalTakersInFrontAndFlagged) {
  open_ring();
  for (int i = 1; i <= 3; ++i) put(*ring, i);
  reserve(*owner);
  reserve(*owner);
  EXPECT_TRUE(says(*owner, "nack", 1));
  EXPECT_FALSE(says(*owner, "nack", 1));
  EXPECT_EQ(take(*ring), Value(1));
  EXPECT_TRUE(last_redelivered);
  EXPECT_EQ(take(*ring), Value(3));
  EXPECT_FALSE(last_redelivered);
  EXPECT_TRUE(says(*owner, "ack", 2));
}

TEST_F(RingReserve, ItsTimeOverItGoesToALocalTakerThatWaits) {
  open_ring();
  put(*ring, 1);
  reserve(*owner, kHour);
  auto got = std::async(std::launch::async, [&] { return take(*ring, soon()); });
  skipped += 3000s;
  EXPECT_TRUE(owner->get(queue, "touch", Value(1), Value(kHour)).boolean());
  skipped += 3000s;
  step();
  EXPECT_EQ(got.wait_for(10ms), std::future_status::timeout);
  skipped += 600s;
  EXPECT_TRUE(eventually([&] { return got.wait_for(0s) == std::future_status::ready; }));
  EXPECT_EQ(got.get(), Value(1));
  EXPECT_TRUE(last_redelivered);
  EXPECT_FALSE(says(*owner, "ack", 1));
  EXPECT_FALSE(says(*owner, "touch", 1));
}

TEST_F(RingReserve, ALocalTakersTimeOverItGoesToARemoteOneThatWaits) {
  open_ring();
  put(*ring, 1);
  shm::Held held;
  EXPECT_EQ(reserve_local(held, core::deadline_after(20ms)), Value(1));
  const core::Seq waiting = ask(*owner, kHour);
  EXPECT_EQ(confirmed(*owner, waiting), list_of({1, true, 1}));
  EXPECT_FALSE(ring->ack(held));
  EXPECT_TRUE(says(*owner, "ack", 1));
}

TEST_F(RingReserve, ALocalPutWakesAReserveInItsTurn) {
  open_ring();
  const core::Seq first = owner->post(queue, "get", arguments());
  const core::Seq second = ask(*owner, kHour);
  const core::Seq third = owner->post(queue, "get", arguments());
  wait_until_parked(3);
  for (int i = 1; i <= 3; ++i) put(*ring, i);
  EXPECT_EQ(owner->answer(first).result, Value(1));
  EXPECT_EQ(confirmed(*owner, second), list_of({1, false, 2}));
  EXPECT_EQ(owner->answer(third).result, Value(3));
}

TEST_F(RingReserve, ARetryTakesNoSecondItem) {
  open_ring();
  put(*ring, 1);
  put(*ring, 2);
  const core::Seq seq = ask(*owner, kHour);
  const Value first = owner->answer(seq).result;
  owner->send_call(seq, queue, "reserve", arguments(Value(kHour)));
  EXPECT_EQ(owner->answer(seq).result, first);
  EXPECT_EQ(ring->size(), 1U);
}

TEST_F(RingReserve, GivenUpItIsBackWhetherItWasAnsweredOrNot) {
  open_ring();
  const core::Seq waiting = ask(*owner, kHour);
  wait_until_parked(1);
  owner->send(core::encode_seqs(core::Envelope::cancel, {waiting}));
  EXPECT_EQ(owner->answer(waiting).code, core::ErrorCode::timed_out);
  put(*ring, 1);
  const core::Seq answered = ask(*owner, kHour);
  owner->answer(answered);
  owner->send(core::encode_seqs(core::Envelope::cancel, {answered}));
  owner->answer(answered);  // said again
  EXPECT_EQ(take(*ring), Value(1));
  EXPECT_TRUE(last_redelivered);
  EXPECT_FALSE(says(*owner, "ack", 1));
}

TEST_F(RingReserve, WithItsSessionGoesBackWhatItHadInOrder) {
  open_ring();
  for (int i = 1; i <= 4; ++i) put(*ring, i);
  {
    BareClient mortal = other();
    reserve(mortal);
    reserve(mortal);
    mortal.answer(ask(mortal, kHour));  // not confirmed
    mortal.entrance.control.reset();       // as its death
    EXPECT_TRUE(eventually([&] { return ring->size() == 4; }));
  }
  for (int i = 1; i <= 4; ++i) {
    EXPECT_EQ(take(*ring), Value(i));
    EXPECT_EQ(last_redelivered, i < 4);
  }
}

TEST_F(RingReserve, AJoinOfAnyRoadEndsWithTheAck) {
  open_ring();
  put(*ring, 1);
  reserve(*owner);
  const core::Seq joined = owner->post(queue, "join", arguments());
  wait_until_parked(1);
  auto local = std::async(std::launch::async, [&] { return ring->join(soon()); });
  EXPECT_TRUE(says(*owner, "ack", 1));
  EXPECT_EQ(owner->answer(joined).code, core::ErrorCode::ok);
  EXPECT_EQ(local.get(), RingOutcome::done);
}

TEST_F(RingReserve, AClosedQueueGivesWhatIsLeftAndWhatComesBack) {
  open_ring();
  put(*ring, 1);
  reserve(*owner);
  const core::Seq waiting = ask(*owner, kHour);
  wait_until_parked(1);
  ring->close();
  EXPECT_EQ(owner->answer(waiting).code, core::ErrorCode::closed);
  EXPECT_TRUE(says(*owner, "nack", 1));
  EXPECT_EQ(reserve(*owner), list_of({2, true, 1}));
}

// ---- Reserved before the queue had a ring ----

class ReservedBeforeItsRing : public RingReserve {
 protected:
  void SetUp() override {
    RingReserve::SetUp();
    for (int i = 1; i <= 3; ++i) owner->get(queue, "put", Value(i));
    reserve(*owner, 2 * kHour);
    reserve(*owner, kHour);
    open_ring();
    EXPECT_EQ(ring->size(), 1U);
  }
};

TEST_F(ReservedBeforeItsRing, AcknowledgedItIsDone) {
  EXPECT_TRUE(says(*owner, "ack", 1));
  EXPECT_TRUE(says(*owner, "ack", 2));
  EXPECT_EQ(take(*ring), Value(3));
  EXPECT_EQ(ring->join(kNow), RingOutcome::timeout);
  EXPECT_TRUE(ring->task_done());
  EXPECT_EQ(ring->join(kNow), RingOutcome::done);
  EXPECT_FALSE(ring->task_done());
}

TEST_F(ReservedBeforeItsRing, GivenBackOrOverItGoesToALocalTaker) {
  EXPECT_TRUE(says(*owner, "nack", 1));
  EXPECT_EQ(take(*ring), Value(1));
  EXPECT_TRUE(last_redelivered);
  skipped += 3600s;
  EXPECT_TRUE(eventually([&] { return ring->size() == 2; }));
  EXPECT_EQ(take(*ring), Value(2));
  EXPECT_TRUE(last_redelivered);
  EXPECT_FALSE(says(*owner, "ack", 2));
  EXPECT_EQ(take(*ring), Value(3));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(ring->task_done());
  EXPECT_EQ(ring->join(kNow), RingOutcome::done);
}

TEST_F(ReservedBeforeItsRing, WithItsSessionItIsBackInOrder) {
  BareClient keeper = other();
  owner->send(core::encode_bye());
  owner->receive_kind(core::Envelope::bye);
  for (int i = 1; i <= 3; ++i) {
    EXPECT_EQ(take(*ring), Value(i));
    EXPECT_EQ(last_redelivered, i < 3);
  }
}

// ---- Items with handles ----

TEST_F(RingReserve, AStubIsItsValueAndKeepsItsObjectsUntilItIsAcknowledged) {
  open_ring();
  const core::ObjectId list = owner->create("list");
  core::Token token;
  token.incarnation = server->core().identity().incarnation;
  token.object = list;
  token.type = "list";
  owner->get(queue, "put", Value::of_reference(std::make_shared<const core::Reference>(token)));
  const auto drop = [&] {
    owner->get(kManagerObject, "drop", list_of({list_of({core::number(list), 1})}));
  };
  const auto objects = [&] { return owner->get(kManagerObject, "number_of_objects").integer(); };
  drop();
  EXPECT_EQ(reserve(*owner).list().at(2).reference()->token().object, list);
  drop();
  EXPECT_EQ(objects(), 2);
  EXPECT_TRUE(says(*owner, "nack", 1));
  shm::Held held;
  std::uint32_t format = 0;
  const auto read = [&](const shm::Item& item) { return (format = item.format) != 2; };
  ASSERT_EQ(ring->get(read, kNow, held), RingOutcome::done);
  EXPECT_EQ(format, 2U);
  EXPECT_TRUE(ring->nack(held));
  EXPECT_EQ(reserve(*owner).list().at(1), Value(true));
  EXPECT_EQ(objects(), 2);
  EXPECT_TRUE(says(*owner, "ack", 2));
  drop();
  EXPECT_EQ(objects(), 1);
}

// ---- Everything at random ----

// Takers of both roads reserve, settle and forget; whatever happens, each item is done once.
class ReserveMix : public RingReserve {
 protected:
  struct Reserved {
    std::uint64_t number = 0;  // of a remote one
    shm::Held held;            // of a local one
    bool is_local = false;
  };

  std::uint64_t below(std::uint64_t limit) { return random_() % limit; }

  void step_at_random() {
    switch (below(ring ? 9 : 4)) {
      case 0: owner->get(queue, "put", Value(++last)); return;
      case 1: return reserve_remotely();
      case 2: return settle_one(true);
      case 3: return settle_one(false);
      case 4: put(*ring, ++last); return;
      case 5: return reserve_locally();
      case 6: return settle_one(true);
      case 7: return take_one();
      default:
        if (below(6) == 0) end_all_of_the_remote();
        return;
    }
  }
  void reserve_remotely() {
    if (owner->get(queue, "size").integer() == 0) return;
    const Value got = RingReserve::reserve(*owner);
    const auto number = static_cast<std::uint64_t>(got.list().at(0).integer());
    hold(got.list().at(2).integer(), {number, {}, false});
  }
  void reserve_locally() {
    shm::Held held;
    const Value got = reserve_local(held, {});
    if (got != Value()) hold(got.integer(), {0, held, true});
  }
  void hold(std::int64_t item, const Reserved& how) {
    EXPECT_TRUE(reserved.emplace(item, how).second) << item << " is in two hands";
  }
  void settle_one(bool done) {
    if (reserved.empty()) return;
    const auto one = std::next(reserved.begin(),
                               static_cast<std::ptrdiff_t>(below(reserved.size())));
    const auto& [number, held, is_local] = one->second;
    if (is_local) {
      EXPECT_TRUE(done ? ring->ack(held) : ring->nack(held));
    } else {
      EXPECT_TRUE(says(*owner, done ? "ack" : "nack", number));
    }
    if (done) finish(one->first);
    reserved.erase(one);
  }
  bool take_one_if_any() {
    const Value got = take(*ring);
    if (got == Value()) return false;
    finish(got.integer());
    EXPECT_TRUE(ring->task_done());
    return true;
  }
  void take_one() { take_one_if_any(); }
  void end_all_of_the_remote() {
    skipped += 3601s;
    std::erase_if(reserved, [](const auto& one) { return !one.second.is_local; });
    says(*owner, "touch", 0);  // the time has been seen
  }
  void finish(std::int64_t item) {
    EXPECT_TRUE(finished.insert(item).second) << item << " is done twice";
  }

  std::int64_t last = 0;
  std::map<std::int64_t, Reserved> reserved;
  std::set<std::int64_t> finished;

 private:
  std::mt19937_64 random_{seed()};
};

TEST_F(ReserveMix, LosesNothingAndDoesNothingTwice) {
  for (int i = 0; i < 100; ++i) step_at_random();
  open_ring();
  for (int i = 0; i < 400; ++i) step_at_random();
  while (!reserved.empty()) settle_one(true);
  while (take_one_if_any()) {
  }
  EXPECT_EQ(finished.size(), static_cast<std::size_t>(last));
  EXPECT_EQ(ring->join(kNow), RingOutcome::done);
  EXPECT_GT(last, 50);
}

}  // namespace
}  // namespace steward::detail::test
