// Asking for a ring at the control socket: who gets one, and what the queue brings into it.
#include <unistd.h>

#include <steward/tests/client/forked.hpp>
#include <steward/tests/server/loop/few_descriptors.hpp>
#include <steward/tests/server/loop/ring_test.hpp>

namespace steward::detail::test {
namespace {

class RingControl : public RingTest {
 protected:
  std::string refusal(core::ObjectId object) {
    const RingAnswer answer = ask_for_ring(ring_message(core::number(object)));
    EXPECT_FALSE(answer.fd);
    return answer.refusal;
  }
};

TEST_F(RingControl, GivesEveryoneTheSameRing) {
  start();
  BareClient client = this->client();
  const core::ObjectId queue = queue_of(client, 7);
  const RingAnswer first = ask_for_ring(ring_message(core::number(queue)));
  EXPECT_EQ(first.maxsize, 7U);
  const auto one = ring(queue);
  const auto other = ring(queue);
  EXPECT_EQ(one->shape().maxsize, 7U);
  put(*one, "x");
  EXPECT_EQ(take(*other), Value("x"));
  EXPECT_EQ(server->rings().size(), 1U);
  EXPECT_EQ(server->peers_pending(), 0U);
}

TEST_F(RingControl, RefusesInASentenceWhatHasNoRing) {
  start();
  BareClient client = this->client();
  EXPECT_EQ(refusal(core::ObjectId{77}), "the object no longer exists");
  EXPECT_EQ(refusal(core::kManagerObject), "a manager has no ring in shared memory");
  EXPECT_EQ(refusal(client.create("list")), "a list has no ring in shared memory");
  const core::ObjectId largest = queue_of(client, shm::kMaxsizeMax);
  EXPECT_EQ(ring(largest)->shape().maxsize, shm::kMaxsizeMax);
  EXPECT_EQ(refusal(queue_of(client, shm::kMaxsizeMax + 1)),
            "a queue of 1048577 items; a ring has room for 1048576 at most");
  EXPECT_EQ(server->rings().size(), 1U);
}

TEST_F(RingControl, TurnsAwayWhatIsNoRequest) {
  start();
  BareClient client = this->client();
  const std::string good = ring_message(core::number(queue_of(client, 0)));
  const shm::UniqueFd self = shm::pidfd_of(::getpid());
  const std::string no_connect_request = "this is no request to a manager's control socket";
  EXPECT_EQ(ask_for_ring(good, {self.get()}).refusal, no_connect_request);
  EXPECT_EQ(ask_for_ring(good + "x").refusal, no_connect_request);
  EXPECT_EQ(ask_for_ring(good.substr(0, good.size() - 1)).refusal, no_connect_request);
  EXPECT_EQ(ask_for_ring("\x93\x02\xa4ring\x01").refusal, no_connect_request);
  EXPECT_EQ(ask_for_ring("\x93\x01\xa4ring\xff").refusal, no_connect_request);
  EXPECT_EQ(ask_for_ring("\x93\x01\xa4ring\xa1x").refusal, no_connect_request);
  EXPECT_EQ(server->rings().size(), 0U);
}

TEST_F(RingControl, IsNotForPeersWithATicket) {
  start();
  BareClient client = this->client();
  const core::ObjectId queue = queue_of(client, 0);
  const BareClient peer = BareClient::come_in(address(), pump());
  shm::send_with_fds(peer.entrance.control.get(), ring_message(core::number(queue)));
  EXPECT_TRUE(eventually([&] { return is_closed(peer.entrance.control); }));
  EXPECT_EQ(server->rings().size(), 0U);
}

TEST_F(RingControl, APeerThatLeavesBeforeItsAnswerDoesNoHarm) {
  start();
  BareClient client = this->client();
  const core::ObjectId queue = queue_of(client, 0);
  shm::UniqueFd control = connect_control_socket(directory());
  shm::send_with_fds(control.get(), ring_message(core::number(queue)));
  control.reset();
  EXPECT_TRUE(eventually([&] { return server->rings().size() == 1; }));
  EXPECT_EQ(client.get(queue, "size").integer(), 0);
}

TEST_F(RingControl, SaysThatTheManagerShutsDown) {
  start();
  BareClient client = this->client();
  const core::ObjectId queue = queue_of(client, 0);
  const shm::UniqueFd control = connect_control_socket(directory());
  shm::send_with_fds(control.get(), ring_message(core::number(queue)));
  server->stop();
  shm::Received received;
  ASSERT_TRUE(eventually([&] {
    received = shm::receive_with_fds(control.get(), 4096, shm::Wait::none);
    return !received.would_block;
  }));
  // Or it was closed without a word: the answer has to be none in any case.
  EXPECT_TRUE(!received.message || received.message->fds.empty());
}

TEST_F(RingControl, SaysThatDescriptorsRunOut) {
  Forked child([this](int) {
    limit_descriptors(256);
    start();
    BareClient client = this->client();
    const core::ObjectId queue = queue_of(client, 0);
    std::vector<shm::UniqueFd> taken;
    // Until a peer still gets in, and the memory of a ring does not any more.
    std::string refusal;
    while (refusal.empty() && taken.size() < 256) {
      taken.emplace_back(::dup(0));
      refusal = ask_for_ring(ring_message(core::number(queue_of(client, 0)))).refusal;
    }
    EXPECT_EQ(refusal, "the manager has no descriptors left");
    taken.clear();
    EXPECT_EQ(client.get(queue, "size").integer(), 0);
    return HasFailure() ? 1 : 0;
  });
  EXPECT_EQ(child.join(), 0);
}

TEST_F(RingControl, WhatTheQueueHasMovesIn) {
  start();
  BareClient client = this->client();
  BareClient other = this->client();
  const core::ObjectId queue = queue_of(client, 3);
  client.get(queue, "put_many", Value(Value::List{Value(1), Value(2), Value(3)}));
  const core::Seq waiting = client.post(queue, "put", arguments(Value(4)));
  const core::Seq got = other.post(queue, "get", arguments());
  EXPECT_EQ(other.answer(got).result, Value(1));
  other.send(core::encode_seqs(core::Envelope::cancel, {got}));
  other.answer(got);
  const core::Seq later = client.post(queue, "put", arguments(Value(5)));
  wait_until_parked(1);  // 4 went in when 1 was taken, and 1 came back on top
  const auto ring = this->ring(queue);
  EXPECT_EQ(client.answer(waiting).code, core::ErrorCode::ok);
  EXPECT_EQ(ring->size(), 4U);
  EXPECT_EQ(take(*ring), Value(1));
  EXPECT_TRUE(last_redelivered);
  EXPECT_EQ(take(*ring), Value(2));
  EXPECT_FALSE(last_redelivered);
  EXPECT_EQ(client.answer(later).code, core::ErrorCode::ok);
  for (int i = 3; i <= 5; ++i) EXPECT_EQ(take(*ring), Value(i));
  EXPECT_EQ(take(*ring), Value());
}

TEST_F(RingControl, WhoWaitsForItemsIsServedByTheRing) {
  start();
  BareClient client = this->client();
  const core::ObjectId queue = queue_of(client, 0);
  const core::Seq first = client.post(queue, "get", arguments());
  const core::Seq second = client.post(queue, "get_many", arguments(Value(9)));
  wait_until_parked(2);
  const auto ring = this->ring(queue);
  EXPECT_EQ(server->core().number_parked(), 2U);
  put(*ring, "a");
  EXPECT_EQ(client.answer(first).result, Value("a"));
  put(*ring, "b");
  EXPECT_EQ(client.answer(second).result, Value(Value::List{Value("b")}));
}

TEST_F(RingControl, JoinWaitsForWhatWasTakenBeforeThereWasARing) {
  start();
  BareClient client = this->client();
  const core::ObjectId queue = queue_of(client, 0);
  client.get(queue, "put_many", Value(Value::List{Value(1), Value(2)}));
  const core::Seq first = client.post(queue, "get", arguments());
  client.answer(first);
  const core::Seq second = client.post(queue, "get", arguments());
  client.answer(second);
  const core::Seq joined = client.post(queue, "join", arguments());
  wait_until_parked(1);
  const auto ring = this->ring(queue);
  EXPECT_EQ(ring->join(kNow), RingOutcome::timeout);
  client.send(core::encode_seqs(core::Envelope::ack, {first}));
  client.get(queue, "task_done");
  EXPECT_EQ(ring->join(kNow), RingOutcome::timeout);
  // The other one comes back: it is in the ring then, and no open task.
  client.send(core::encode_seqs(core::Envelope::cancel, {second}));
  client.answer(second);
  EXPECT_EQ(take(*ring), Value(2));
  EXPECT_TRUE(last_redelivered);
  EXPECT_EQ(ring->join(kNow), RingOutcome::timeout);
  EXPECT_TRUE(ring->task_done());
  EXPECT_FALSE(ring->task_done());
  EXPECT_EQ(client.answer(joined).code, core::ErrorCode::ok);
}

TEST_F(RingControl, AClosedQueueMovesInClosed) {
  start();
  BareClient client = this->client();
  const core::ObjectId queue = queue_of(client, 0);
  client.get(queue, "put", Value(1));
  client.get(queue, "close");
  const auto ring = this->ring(queue);
  EXPECT_EQ(put(*ring, 2), RingOutcome::closed);
  EXPECT_EQ(take(*ring), Value(1));
  EXPECT_EQ(take(*ring), Value("(closed)"));
}

}  // namespace
}  // namespace steward::detail::test
