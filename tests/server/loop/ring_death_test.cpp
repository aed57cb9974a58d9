// Local processes that die with items of a ring in their hands.
#include <steward/tests/server/loop/launched.hpp>
#include <steward/tests/server/loop/ring_test.hpp>

namespace steward::detail::test {
namespace {

// Takes the first item of the queue "q" for good, and keeps the second reserved without end.
void taker(process::ChildContext& context, std::string_view address) {
  BareClient client = BareClient::come_in(std::string(address), poll_briefly);
  client.hello();
  const core::ObjectId queue = client.create("queue", "q");
  const shm::UniqueFd control = connect_control_socket(server::directory_of(std::string(address)));
  shm::send_with_fds(control.get(), ring_message(core::number(queue)));
  auto received = shm::receive_with_fds(control.get(), 4096);
  const auto ring = shm::SharedQueue::open(std::move(received.message->fds.at(0)));
  const auto see = [](const shm::Item&) { return true; };
  shm::Held held;
  if (ring->get(see, kNow, held) != RingOutcome::done) throw std::runtime_error("no item");
  if (ring->reserve([] { return core::Deadline(); }, see, kNow, held) != RingOutcome::done) {
    throw std::runtime_error("no second item");
  }
  context.confirm();
  until_killed(context);
}

class RingDeath : public RingTest {
 protected:
  void SetUp() override {
    process::prepare(process::For::process);
    start();
    owner.emplace(client());
    queue = owner->create("queue", "q");
    ring = RingTest::ring(queue);
    put(*ring, 1);
    put(*ring, 2);
    child = launch_beside(pump(), taker, address());
    EXPECT_EQ(ring->size(), 0U);
  }
  void TearDown() override {
    ring.reset();
    owner.reset();
  }

  std::optional<BareClient> owner;
  core::ObjectId queue{};
  std::unique_ptr<shm::SharedQueue> ring;
  process::Child child;
};

TEST_F(RingDeath, WhatItHadReservedIsThereForOthersAlthoughNobodyWaits) {
  kill_and_wait(child);
  EXPECT_TRUE(eventually([&] { return ring->size() == 1; }));
  EXPECT_EQ(take(*ring), Value(2));
  EXPECT_TRUE(last_redelivered);
}

TEST_F(RingDeath, WhatItHadReservedGoesToAGetThatWaits) {
  const core::Seq seq = owner->post(queue, "get", arguments());
  wait_until_parked(1);
  kill_and_wait(child);
  EXPECT_EQ(owner->answer(seq).result, Value(2));
}

TEST_F(RingDeath, WhatItHadTakenCountsAsReported) {
  const core::Seq joined = owner->post(queue, "join", arguments());
  wait_until_parked(1);
  kill_and_wait(child);
  EXPECT_EQ(owner->get(queue, "get"), Value(2));
  EXPECT_EQ(server->core().number_parked(), 1U);
  owner->first_incomplete = owner->next_seq;  // confirms
  owner->get(queue, "task_done");
  EXPECT_EQ(owner->answer(joined).code, core::ErrorCode::ok);
}

}  // namespace
}  // namespace steward::detail::test
