#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <steward/tests/conformance/transports.hpp>

namespace steward::detail::test {
namespace {

using namespace std::chrono_literals;

template <class Transport>
class ReserveConformance : public ConformanceTest<Transport> {};
TYPED_TEST_SUITE(ReserveConformance, QueueTransports, TransportNames);

TYPED_TEST(ReserveConformance, KeepsAnItemForItsTakerAlone) {
  const Queue<std::string> queue = this->manager().template queue<std::string>();
  queue.put_many({"a", "b"});
  Delivery<std::string> first = queue.reserve(1h);
  EXPECT_EQ(first.value(), "a");
  EXPECT_FALSE(first.redelivered());
  EXPECT_EQ(queue.size(), 1U);
  EXPECT_EQ(queue.get(), "b");
  EXPECT_EQ(queue.try_get(), std::nullopt);
  EXPECT_TRUE(first.touch());
  EXPECT_TRUE(first.ack());
  EXPECT_FALSE(first.ack());
  EXPECT_FALSE(first.nack());
  EXPECT_FALSE(first.touch());
  EXPECT_TRUE(queue.empty());
}

TYPED_TEST(ReserveConformance, WhatIsGivenBackComesFirstAndFlagged) {
  const Queue<int> queue = this->manager().template queue<int>();
  queue.put_many({1, 2});
  Delivery<int> given_back = queue.reserve(1h);
  EXPECT_TRUE(given_back.nack());
  EXPECT_FALSE(given_back.nack());
  EXPECT_FALSE(given_back.ack());
  {
    const Delivery<int> dropped = queue.reserve(1h);
    EXPECT_EQ(dropped.value(), 1);
    EXPECT_TRUE(dropped.redelivered());
  }
  Delivery<int> again = queue.reserve(1h);
  EXPECT_EQ(again.value(), 1);
  EXPECT_TRUE(again.redelivered());
  Delivery<int> other = queue.reserve(1h);
  EXPECT_EQ(other.value(), 2);
  EXPECT_FALSE(other.redelivered());
  EXPECT_TRUE(again.ack());
  EXPECT_TRUE(other.ack());
}

TYPED_TEST(ReserveConformance, ItsTimeOverAnItemIsTheNexts) {
  const Queue<int> queue = this->manager().template queue<int>();
  queue.put(1);
  Delivery<int> slow = queue.reserve(20ms);
  const auto start = std::chrono::steady_clock::now();
  Delivery<int> next = queue.reserve(1h);  // waits for that
  EXPECT_LT(std::chrono::steady_clock::now() - start, 1h);
  EXPECT_EQ(next.value(), 1);
  EXPECT_TRUE(next.redelivered());
  EXPECT_FALSE(slow.touch());
  EXPECT_FALSE(slow.ack());
  EXPECT_TRUE(next.ack());
  EXPECT_TRUE(queue.empty());
}

TYPED_TEST(ReserveConformance, WhatIsSaidTooLateIsFalseAlsoIfNobodyElseHasLooked) {
  const Queue<int> queue = this->manager().template queue<int>();
  queue.put_many({1, 2, 3});
  {
    Delivery<int> one = queue.reserve(0s);
    EXPECT_FALSE(one.ack());
  }
  {
    Delivery<int> one = queue.reserve(0s);
    EXPECT_TRUE(one.redelivered());
    EXPECT_FALSE(one.touch());
  }
  EXPECT_FALSE(queue.reserve(0s).nack());
  EXPECT_EQ(queue.size(), 3U);
  EXPECT_EQ(queue.get_many(3), (std::vector<int>{1, 2, 3}));
}

TYPED_TEST(ReserveConformance, TakesEveryLengthOfTime) {
  const Queue<int> queue = this->manager().template queue<int>();
  queue.put_many({1, 2, 3});
  Delivery<int> for_ever = queue.reserve(std::chrono::hours::max());
  Delivery<int> odd = queue.reserve(std::chrono::duration<double>(3600.5));
  Delivery<int> none = queue.reserve(std::chrono::hours::min());
  EXPECT_EQ(none.value(), 3);
  Delivery<int> again = queue.reserve(0s);
  EXPECT_EQ(again.value(), 3);
  EXPECT_TRUE(again.redelivered());
  EXPECT_EQ(queue.get(), 3);
  EXPECT_FALSE(none.ack());
  EXPECT_FALSE(again.ack());
  EXPECT_TRUE(for_ever.touch());
  EXPECT_TRUE(for_ever.ack());
  EXPECT_TRUE(odd.touch());
  EXPECT_TRUE(odd.ack());
}

TYPED_TEST(ReserveConformance, WaitsForAnItem) {
  const Queue<int> queue = this->manager().template queue<int>();
  std::thread taker([queue] {
    Delivery<int> job = queue.reserve(1h);
    EXPECT_EQ(job.value(), 7);
    EXPECT_TRUE(job.ack());
  });
  queue.put(7);
  queue.join();
  taker.join();
}

TYPED_TEST(ReserveConformance, WaitsNoLongerThanItsCopyMay) {
  const Queue<int> queue = this->manager().template queue<int>();
  EXPECT_THROW(queue.with_timeout(10ms).reserve(1h), TimeoutError);
  queue.put(1);
  EXPECT_EQ(queue.size(), 1U) << "what was given up has taken nothing";
  Delivery<int> job = queue.with_timeout(1h).reserve(1h);
  EXPECT_TRUE(job.ack());
}

TYPED_TEST(ReserveConformance, EndsWhenTheQueueIsClosedAndEmpty) {
  const Queue<int> queue = this->manager().template queue<int>();
  queue.put(1);
  queue.close();
  Delivery<int> last = queue.reserve(1h);
  EXPECT_THROW(queue.reserve(1h), Closed);
  EXPECT_TRUE(last.nack());
  Delivery<int> again = queue.reserve(1h);
  EXPECT_EQ(again.value(), 1);
  EXPECT_TRUE(again.ack());
  EXPECT_THROW(queue.reserve(1h), Closed);
}

TYPED_TEST(ReserveConformance, JoinWaitsForTheAckAndForNoReport) {
  const Queue<int> queue = this->manager().template queue<int>();
  queue.put_many({1, 2});
  Delivery<int> job = queue.reserve(1h);
  Delivery<int> back = queue.reserve(1h);
  EXPECT_TRUE(back.nack());
  EXPECT_THROW(queue.with_timeout(10ms).join(), TimeoutError);
  EXPECT_TRUE(job.ack());
  EXPECT_THROW(queue.with_timeout(10ms).join(), TimeoutError);
  queue.get();
  queue.task_done();
  queue.join();
  EXPECT_THROW(queue.task_done(), BadCall);
}

TYPED_TEST(ReserveConformance, DeliversStructsProxiesAndValues) {
  struct Point {
    std::int32_t x;
    double y;
  };
  const Queue<Point> points = this->manager().template queue<Point>();
  points.put({1, 2.5});
  Delivery<Point> point = points.reserve(1h);
  EXPECT_EQ(point.value().y, 2.5);
  EXPECT_TRUE(point.ack());

  const Queue<List<int>> lists = this->manager().template queue<List<int>>();
  lists.put(this->manager().template list<int>({1}));
  {
    Delivery<List<int>> dropped = lists.reserve(1h);
    dropped.value().append(2);
  }
  Delivery<List<int>> list = lists.reserve(1h);
  EXPECT_TRUE(list.redelivered());
  EXPECT_TRUE(list.ack());
  EXPECT_FALSE(list.touch());
  EXPECT_EQ(list.value().copy(), (std::vector<int>{1, 2}));

  const Queue<> values = this->manager().queue();
  values.put(Value::List{1, "two", nullptr});
  Delivery<Value> value = values.reserve(1h);
  EXPECT_EQ(value.value(), (Value::List{1, "two", nullptr}));
  EXPECT_TRUE(value.ack());
}

TYPED_TEST(ReserveConformance, WhatIsOfAnotherTypeStaysInTheQueue) {
  const Queue<> queue = this->manager().queue();
  queue.put("no number");
  const auto numbers = open<Queue<int>>(queue.handle().str());
  EXPECT_THROW(numbers.reserve(1h), BadCall);
  Delivery<Value> text = queue.reserve(1h);
  EXPECT_EQ(text.value(), "no number");
  EXPECT_TRUE(text.redelivered());
  EXPECT_TRUE(text.ack());
}

TYPED_TEST(ReserveConformance, IsOneDeliveryHoweverOftenItMoves) {
  const Queue<int> queue = this->manager().template queue<int>();
  queue.put_many({1, 2});
  Delivery<int> one = queue.reserve(1h);
  Delivery<int> two = queue.reserve(1h);
  Delivery<int> moved = std::move(one);
  EXPECT_EQ(queue.size(), 0U);
  moved = std::move(two);  // drops the first
  EXPECT_EQ(queue.size(), 1U);
  EXPECT_EQ(moved.value(), 2);
  EXPECT_TRUE(moved.ack());
  EXPECT_EQ(queue.get(), 1);
}

TYPED_TEST(ReserveConformance, EveryItemIsDoneOnceByManyTakersOfWhomSomeGiveUp) {
  constexpr int kItems = 60;
  const Queue<int> queue = this->manager().template queue<int>(5);
  std::vector<std::atomic<int>> done(kItems);
  std::vector<std::thread> takers;
  for (int t = 0; t < 3; ++t) {
    takers.emplace_back([&] {
      try {
        for (;;) {
          Delivery<int> job = queue.reserve(1h);
          if (!job.redelivered() && job.value() % 3 == 0) continue;
          if (job.ack()) ++done[static_cast<std::size_t>(job.value())];
        }
      } catch (const Closed&) {
        // All is done.
      }
    });
  }
  for (int i = 0; i < kItems; ++i) queue.put(i);
  queue.join();
  queue.close();
  for (std::thread& taker : takers) taker.join();
  for (const auto& times : done) EXPECT_EQ(times.load(), 1);
}

}  // namespace
}  // namespace steward::detail::test
