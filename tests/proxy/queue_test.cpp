#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <steward/proxy/list.hpp>
#include <steward/proxy/queue.hpp>
#include <steward/tests/general_road.hpp>
#include <steward/tests/proxy/house.hpp>

namespace steward::detail::test {
namespace {

using namespace std::chrono_literals;
using std::vector;

class QueueProxy : public testing::Test {
 protected:
  GeneralRoad general_road;
  House house;
  const Queue<int> queue = house.make<Queue<int>>();
  const Queue<int> narrow = house.make<Queue<int>>(1);
};

TEST_F(QueueProxy, ForwardsEveryMethod) {
  queue.put(1);
  EXPECT_TRUE(queue.try_put(2));
  EXPECT_TRUE(queue.put_for(3, 1s));
  queue.put_many({4, 5});
  queue.put_many(vector{6, 7});
  EXPECT_EQ(queue.size(), 7U);
  EXPECT_FALSE(queue.empty());
  EXPECT_FALSE(queue.full());
  EXPECT_EQ(queue.maxsize(), 0U);
  EXPECT_EQ(narrow.maxsize(), 1U);
  EXPECT_EQ(queue.get(), 1);
  EXPECT_EQ(queue.try_get(), std::optional(2));
  EXPECT_EQ(queue.get_for(1s), std::optional(3));
  EXPECT_EQ(queue.get_many(3), (vector{4, 5, 6}));
  EXPECT_EQ(queue.get_many(100), vector{7});
  EXPECT_EQ(queue.try_get(), std::nullopt);
  for (int i = 0; i < 7; ++i) queue.task_done();
  EXPECT_THROW(queue.task_done(), BadCall);
  queue.join();
  EXPECT_EQ(queue.transport(), "zmq");
}

TEST_F(QueueProxy, WaitsNoLongerThanAsked) {
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(narrow.get_for(20ms), std::nullopt);
  narrow.put(1);
  EXPECT_FALSE(narrow.put_for(2, 20ms));
  EXPECT_GE(std::chrono::steady_clock::now() - start, 40ms);
  EXPECT_EQ(narrow.size(), 1U);
  EXPECT_TRUE(narrow.full());
  EXPECT_FALSE(narrow.try_put(2));
  EXPECT_FALSE(narrow.put_for(2, 0s));
  EXPECT_FALSE(narrow.put_for(2, -1h));
  EXPECT_EQ(narrow.get_for(-1h), std::optional(1));
  EXPECT_EQ(narrow.get_for(0.0s), std::nullopt);
  EXPECT_TRUE(narrow.put_for(3, std::chrono::hours::max()));
  EXPECT_EQ(narrow.get_for(std::chrono::hours::max()), std::optional(3));
}

TEST_F(QueueProxy, TheTimeoutOfACopyIsAnError) {
  EXPECT_THROW(narrow.with_timeout(10ms).get(), TimeoutError);
  EXPECT_THROW(narrow.with_timeout(10ms).get_many(5), TimeoutError);
  EXPECT_THROW(narrow.with_timeout(10ms).get_for(1h), TimeoutError);
  EXPECT_EQ(narrow.with_timeout(1h).get_for(10ms), std::nullopt);
  narrow.put(1);
  EXPECT_THROW(narrow.with_timeout(10ms).put(2), TimeoutError);
  EXPECT_THROW(narrow.with_timeout(10ms).put_many({2, 3}), TimeoutError);
  EXPECT_THROW(narrow.with_timeout(10ms).join(), TimeoutError);
  EXPECT_EQ(narrow.with_timeout(1h).get(), 1);
  // What was given up does not come in later.
  EXPECT_EQ(narrow.try_get(), std::nullopt);
}

TEST_F(QueueProxy, GivesUpOnAServerThatSaysNothing) {
  queue.put(1);
  {
    const House::Pause pause(house);
    EXPECT_EQ(queue.get_for(20ms), std::nullopt);
    EXPECT_THROW(queue.put_for(2, 20ms), TimeoutError);
    EXPECT_THROW(queue.with_timeout(20ms).size(), TimeoutError);
  }
  // The item that nobody took is still there. Whether 2 is there too is what nobody knew.
  EXPECT_EQ(queue.get(), 1);
}

TEST_F(QueueProxy, WakesAWaitingGetter) {
  std::thread getter([&] { EXPECT_EQ(queue.get(), 7); });
  queue.put(7);
  getter.join();
}

TEST_F(QueueProxy, IteratesUntilClosedAndDrained) {
  queue.put_many({1, 2});
  std::thread closer([&] {
    queue.put(3);
    queue.close();
  });
  vector<int> seen;
  for (const int item : queue) seen.push_back(item);
  EXPECT_EQ(seen, (vector{1, 2, 3}));
  closer.join();
  for ([[maybe_unused]] const int item : queue) FAIL();
  EXPECT_THROW(queue.get(), Closed);
  EXPECT_THROW(queue.try_get(), Closed);
  EXPECT_THROW(queue.get_for(1s), Closed);
  EXPECT_THROW(queue.put(1), Closed);
  queue.close();
}

TEST_F(QueueProxy, CarriesProxiesAlone) {
  const Queue<List<int>> lists = house.make<Queue<List<int>>>();
  lists.put(house.make<List<int>>(proxy::Items<int>{1}));
  EXPECT_EQ(house.number_of_objects(), 4U);
  lists.get().append(2);
  EXPECT_EQ(house.number_of_objects(), 3U);
}

TEST_F(QueueProxy, SettlesWhatItHasReserved) {
  queue.put_many({1, 2});
  Delivery<int> first = queue.reserve(1h);
  Delivery<int> second = queue.reserve(std::chrono::hours::max());
  EXPECT_EQ(first.value(), 1);
  EXPECT_FALSE(first.redelivered());
  EXPECT_TRUE(first.touch());
  EXPECT_TRUE(first.ack());
  EXPECT_FALSE(first.nack());
  EXPECT_TRUE(second.touch());
  EXPECT_TRUE(second.nack());
  Delivery<int> again = queue.reserve(1h);
  EXPECT_EQ(again.value(), 2);
  EXPECT_TRUE(again.redelivered());
}

TEST_F(QueueProxy, ADroppedDeliveryWaitsForNobody) {
  queue.put(1);
  {
    Delivery<int> job = queue.reserve(1h);
    const House::Pause pause(house);
    const Delivery<int> dropped = std::move(job);
  }
  Delivery<int> again = queue.reserve(1h);
  EXPECT_TRUE(again.redelivered());
}

TEST_F(QueueProxy, GivesBackAReservedItemThatItCannotRead) {
  const Queue<Value> values = house.make<Queue<Value>>();
  const Queue<int> numbers = open<Queue<int>>(values.handle().str());
  values.put("text");
  EXPECT_THROW(numbers.reserve(1h), BadCall);
  EXPECT_EQ(values.get(), "text");
}

TEST_F(QueueProxy, ConfirmsWhatItTook) {
  queue.put_many({1, 2, 3, 4});
  queue.get();
  queue.try_get();
  queue.get_many(5);
  // Acks leave before the caller sees an item: the server has them before the next call.
  EXPECT_EQ(house.debug_info().find(" 1 unconfirmed"), std::string::npos) << house.debug_info();
  EXPECT_NE(house.debug_info().find(" 0 unconfirmed"), std::string::npos) << house.debug_info();
}

}  // namespace
}  // namespace steward::detail::test
