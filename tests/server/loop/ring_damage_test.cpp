// Somebody writes garbage over the ring of one queue. The server goes on, and its other objects do
// not notice.
#include <unistd.h>

#include <random>

#include <steward/tests/client/seed.hpp>
#include <steward/tests/server/loop/ring_test.hpp>
#include <steward/tests/shm/vandal.hpp>

namespace steward::detail::test {
namespace {

class RingDamage : public RingTest {
 protected:
  RingDamage() { start(); }

  // What a client that comes by the general road may ask of a queue; some of it waits.
  static void ask(BareClient& client, core::ObjectId queue, std::uint64_t what) {
    switch (what % 8) {
      case 0: client.post(queue, "get", arguments()); break;
      case 1: client.post(queue, "get_many", arguments(5)); break;
      case 2: client.post(queue, "put", arguments("a text")); break;
      case 3: client.post(queue, "put_many", arguments(Value::List{1, 2, 3})); break;
      case 4: client.post(queue, "size", arguments()); break;
      case 5: client.post(queue, "full", arguments()); break;
      case 6: client.post(queue, "join", arguments()); break;
      default: client.post(queue, "task_done", arguments()); break;
    }
  }
};

TEST_F(RingDamage, IsNoConcernOfOtherObjects) {
  std::mt19937_64 random(seed());
  BareClient other = client();
  const core::ObjectId list = other.create("list");
  for (std::uint64_t round = 0; round < 30; ++round) {
    SCOPED_TRACE(round);
    {
      BareClient caller = client();
      const core::ObjectId queue = queue_of(caller, round % 2 == 0 ? 8 : 0);
      const auto memory =
          shm::QueueMemory::open(std::move(ask_for_ring(ring_message(core::number(queue))).fd));
      Vandal vandal(memory, random());
      for (int i = 0; i < 60; ++i) {
        vandal.strike();
        ask(caller, queue, random());
        if (i % 8 == 0) step();
      }
      other.get(list, "append", Value(round));
      EXPECT_EQ(other.get(list, "size"), Value(round + 1));
    }
    // With its client the queue goes, and all that waited for it.
    EXPECT_TRUE(eventually([&] {
      return server->core().number_parked() == 0 && server->core().number_of_objects() == 1;
    }));
  }
}

TEST_F(RingDamage, IsToldToThoseWhoWait) {
  BareClient caller = client();
  const core::ObjectId queue = queue_of(caller, 8);
  const auto memory =
      shm::QueueMemory::open(std::move(ask_for_ring(ring_message(core::number(queue))).fd));
  const core::Seq waits = caller.post(queue, "get", arguments());
  wait_until_parked(1);
  // An item in a block that does not exist, and somebody who says that there is one.
  memory.cell(0, 0).store(shm::Cell{0, shm::Kind::full, 0, memory.blocks()}.word());
  memory.wake_all();
  const auto answer = caller.answer(waits);
  EXPECT_NE(answer.code, core::ErrorCode::ok);
  EXPECT_NE(answer.text.find("names no such block"), std::string::npos) << answer.text;
}

}  // namespace
}  // namespace steward::detail::test
