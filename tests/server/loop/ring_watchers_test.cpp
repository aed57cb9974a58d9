// Clients of the general road who look at a queue that local processes use.
#include <future>

#include <steward/tests/server/loop/ring_test.hpp>

namespace steward::detail::test {
namespace {

class RingWatchers : public RingTest {
 protected:
  void SetUp() override { start(); }
};

TEST_F(RingWatchers, AreToldOfWhatALocalProcessPuts) {
  BareClient client = this->client();
  const core::ObjectId queue = queue_of(client, 0);
  const auto ring = this->ring(queue);
  EXPECT_EQ(client.get(queue, "ready"), Value(false));
  const core::Seq first = client.post(queue, "wait_ready", arguments());
  const core::Seq second = client.post(queue, "wait_ready", arguments());
  wait_until_parked(2);
  EXPECT_EQ(put(*ring, 7), RingOutcome::done);
  EXPECT_EQ(client.answer(first).code, core::ErrorCode::ok);
  EXPECT_EQ(client.answer(second).code, core::ErrorCode::ok);
  EXPECT_EQ(client.get(queue, "ready"), Value(true));
  EXPECT_EQ(take(*ring), Value(7)) << "nothing was taken";
  EXPECT_EQ(client.get(queue, "ready"), Value(false));
}

TEST_F(RingWatchers, DoNotKeepAWakeFromALocalGetter) {
  BareClient client = this->client();
  const core::ObjectId queue = queue_of(client, 0);
  const auto ring = this->ring(queue);
  for (int round = 0; round < 50; ++round) {
    const core::Seq watcher = client.post(queue, "wait_ready", arguments());
    wait_until_parked(1);
    auto getter = std::async(std::launch::async, [&] {
      return take(*ring, core::deadline_after(kPatience));
    });
    // The watcher may see the first, or the getter be faster: it sees the second at the latest.
    EXPECT_EQ(put(*ring, round), RingOutcome::done);
    EXPECT_TRUE(eventually([&] { return getter.wait_for(0s) == std::future_status::ready; }));
    EXPECT_EQ(getter.get(), Value(round));
    EXPECT_EQ(put(*ring, -1), RingOutcome::done);
    EXPECT_EQ(client.answer(watcher).code, core::ErrorCode::ok);
    EXPECT_EQ(take(*ring), Value(-1));
  }
}

TEST_F(RingWatchers, AreToldOfTheCloseAndCanLeave) {
  BareClient client = this->client();
  const core::ObjectId queue = queue_of(client, 0);
  const auto ring = this->ring(queue);
  const core::Seq leaves = client.post(queue, "wait_ready", arguments());
  wait_until_parked(1);
  client.send(core::encode_seqs(core::Envelope::cancel, {leaves}));
  EXPECT_EQ(client.answer(leaves).code, core::ErrorCode::timed_out);
  const core::Seq stays = client.post(queue, "wait_ready", arguments());
  wait_until_parked(1);
  ring->close();
  EXPECT_EQ(client.answer(stays).code, core::ErrorCode::ok);
  EXPECT_EQ(client.get(queue, "ready"), Value(true));
}

}  // namespace
}  // namespace steward::detail::test
