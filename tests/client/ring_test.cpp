// When a queue's ring is asked for again that was not to be had.
#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <thread>
#include <vector>

#include <steward/client/reference.hpp>
#include <steward/client/ring.hpp>
#include <steward/tests/client/fake_house.hpp>

namespace steward::detail::test {
namespace {

using namespace std::chrono_literals;

// One event, or the pause would be longer the more threads have met it.
TEST(Ring, ThatManyThreadsDidNotGetAtOnceIsAskedForAgainAsIfOneHad) {
  constexpr std::size_t kThreads = 8;
  FakeHouse house;  // its manager has none
  const client::SessionPtr session = client::connect(house.address());
  const core::ReferencePtr queue = session->claim(list_token(session->incarnation(), 3));
  house.hold_up();
  std::vector<std::future<shm::SharedQueue*>> asking;
  for (std::size_t i = 0; i < kThreads; ++i) {
    asking.push_back(std::async(std::launch::async, [&] { return client::ring_of(queue, {}); }));
  }
  while (house.peers() < 1 + kThreads) std::this_thread::yield();
  const auto begin = std::chrono::steady_clock::now();
  house.send_away();
  for (auto& thread : asking) EXPECT_EQ(thread.get(), nullptr);
  while (house.peers() == 1 + kThreads) {
    ASSERT_LT(std::chrono::steady_clock::now() - begin, 20s);
    EXPECT_EQ(client::ring_of(queue, {}), nullptr);
    std::this_thread::yield();
  }
  session->end(5s);
}

}  // namespace
}  // namespace steward::detail::test
