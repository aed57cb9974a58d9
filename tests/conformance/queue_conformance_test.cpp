#include <chrono>
#include <complex>
#include <cstdint>
#include <optional>
#include <thread>
#include <type_traits>

#include <gtest/gtest.h>

#include <steward/tests/conformance/transports.hpp>

namespace steward::detail::test {
namespace {

using namespace std::chrono_literals;

template <class Transport>
class QueueConformance : public ConformanceTest<Transport> {};
TYPED_TEST_SUITE(QueueConformance, QueueTransports, TransportNames);

TYPED_TEST(QueueConformance, IsFirstInFirstOut) {
  Queue<int> queue = this->manager().template queue<int>();
  queue.put(1);
  queue.put_many({2, 3, 4});
  EXPECT_EQ(queue.size(), 4U);
  EXPECT_EQ(queue.get(), 1);
  EXPECT_EQ(queue.get_many(2), (std::vector<int>{2, 3}));
  EXPECT_EQ(queue.get_many(10), (std::vector<int>{4}));
  EXPECT_TRUE(queue.empty());
}

TYPED_TEST(QueueConformance, SaysWhichRoadItTakes) {
  const Queue<int> queue = this->manager().template queue<int>();
  EXPECT_EQ(queue.transport(), (std::same_as<TypeParam, Shm> ? "shm" : "zmq"));
}

TYPED_TEST(QueueConformance, LendsRoomForAnItemAndShowsOneWhereItIs) {
  struct Picture {
    int pixels[1000];
  };
  const Queue<Picture> queue = this->manager().template queue<Picture>(2);
  {
    proxy::Loan<Picture> dropped = queue.loan();
    dropped->pixels[0] = 1;
  }
  EXPECT_TRUE(queue.empty());
  proxy::Loan<Picture> loan = queue.loan();
  for (int i = 0; i < 1000; ++i) (*loan).pixels[i] = i;
  loan.commit();
  EXPECT_EQ(queue.size(), 1U);
  {
    const proxy::View<Picture> picture = queue.take();
    EXPECT_EQ(picture->pixels[7], 7);
    EXPECT_EQ((*picture).pixels[999], 999);
    EXPECT_TRUE(queue.empty());
  }
  const Queue<int> numbers = this->manager().template queue<int>();
  proxy::Loan<int> number = numbers.loan();
  *number = 5;
  number.commit();
  EXPECT_EQ(*numbers.take(), 5);
}

// It is packed in two parts.
struct Measured {
  double value = 0;
  std::int16_t unit = 0;
  MSGPACK_DEFINE(value, unit)
};

TYPED_TEST(QueueConformance, LendsRoomForWhatDoesNotTravelAsItsBytes) {
  using Complex = std::complex<double>;
  static_assert(std::is_trivially_copyable_v<Complex> && std::is_trivially_copyable_v<Measured>);
  const Queue<Complex> numbers = this->manager().template queue<Complex>();
  auto number = numbers.loan();
  *number = {1.5, -2};
  number.commit();
  numbers.put({3, 4});
  EXPECT_EQ(*numbers.take(), Complex(1.5, -2));
  EXPECT_EQ(numbers.get(), Complex(3, 4));

  const Queue<Measured> queue = this->manager().template queue<Measured>();
  auto measured = queue.loan();
  measured->value = 2.5;
  measured->unit = 7;
  measured.commit();
  const auto taken = queue.take();
  EXPECT_EQ(taken->value, 2.5);
  EXPECT_EQ(taken->unit, 7);
  // It is what everybody else reads.
  queue.put({0.5, 3});
  const Queue<Value> untyped = open<Queue<Value>>(queue.handle().str());
  EXPECT_EQ(untyped.get(), Value(Value::List{Value(0.5), Value(3)}));
}

TYPED_TEST(QueueConformance, TellsEmptyAndFullWithoutWaiting) {
  Queue<std::string> queue = this->manager().template queue<std::string>(2);
  EXPECT_EQ(queue.maxsize(), 2U);
  EXPECT_EQ(queue.try_get(), std::nullopt);
  EXPECT_TRUE(queue.try_put("a"));
  EXPECT_TRUE(queue.try_put("b"));
  EXPECT_TRUE(queue.full());
  EXPECT_FALSE(queue.try_put("c"));
  EXPECT_EQ(queue.try_get(), std::optional<std::string>("a"));
}

TYPED_TEST(QueueConformance, WaitsNoLongerThanAsked) {
  Queue<int> queue = this->manager().template queue<int>(1);
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(queue.get_for(20ms), std::nullopt);
  EXPECT_GE(std::chrono::steady_clock::now() - start, 20ms);
  queue.put(1);
  EXPECT_FALSE(queue.put_for(2, 20ms));
  EXPECT_EQ(queue.size(), 1U);
  EXPECT_EQ(queue.get_for(1h), std::optional(1));
}

TYPED_TEST(QueueConformance, WakesAWaitingGetter) {
  Queue<int> queue = this->manager().template queue<int>();
  std::thread getter([queue] { EXPECT_EQ(queue.get(), 7); });
  queue.put(7);
  getter.join();
}

TYPED_TEST(QueueConformance, AdmitsAWaitingPutterInOrder) {
  Queue<int> queue = this->manager().template queue<int>(1);
  queue.put(1);
  std::thread putter([queue] { queue.put_many({2, 3}); });
  EXPECT_EQ(queue.get(), 1);
  EXPECT_EQ(queue.get(), 2);
  EXPECT_EQ(queue.get(), 3);
  putter.join();
}

TYPED_TEST(QueueConformance, LosesAndDoublesNothingBetweenManyThreads) {
  Queue<int> queue = this->manager().template queue<int>(5);
  constexpr int kEach = 100;
  std::vector<std::thread> threads;
  std::vector<std::vector<int>> taken(3);
  for (int p = 0; p < 3; ++p) {
    threads.emplace_back([queue, p] {
      for (int i = 0; i < kEach; ++i) queue.put(p * kEach + i);
    });
  }
  for (auto& mine : taken) {
    threads.emplace_back([queue, &mine] {
      for (int i = 0; i < kEach; ++i) mine.push_back(queue.get());
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::vector<int> all;
  for (const auto& mine : taken) all.insert(all.end(), mine.begin(), mine.end());
  std::sort(all.begin(), all.end());
  for (int i = 0; i < 3 * kEach; ++i) ASSERT_EQ(all[static_cast<std::size_t>(i)], i);
}

TYPED_TEST(QueueConformance, JoinsWhenEveryTaskIsDone) {
  Queue<int> queue = this->manager().template queue<int>();
  queue.put_many({1, 2});
  std::thread worker([queue] {
    for (int i = 0; i < 2; ++i) {
      queue.get();
      queue.task_done();
    }
  });
  queue.join();
  EXPECT_TRUE(queue.empty());
  worker.join();
  EXPECT_THROW(queue.task_done(), BadCall);
}

TYPED_TEST(QueueConformance, EndsGettersAndPuttersWhenClosed) {
  Queue<int> queue = this->manager().template queue<int>();
  queue.put_many({1, 2});
  queue.close();
  EXPECT_THROW(queue.put(3), Closed);
  std::vector<int> drained;
  for (const int item : queue) drained.push_back(item);
  EXPECT_EQ(drained, (std::vector<int>{1, 2}));
  EXPECT_THROW(queue.get(), Closed);
  EXPECT_THROW(queue.try_get(), Closed);
}

TYPED_TEST(QueueConformance, CarriesProxies) {
  Queue<List<int>> queue = this->manager().template queue<List<int>>();
  {
    auto list = this->manager().template list<int>({1});
    queue.put(list);
  }
  List<int> list = queue.get();
  list.append(2);
  EXPECT_EQ(list.copy(), (std::vector<int>{1, 2}));
}

TYPED_TEST(QueueConformance, KeepsItsDeadlineOnCopiesWithATimeout) {
  Queue<int> queue = this->manager().template queue<int>(1);
  EXPECT_THROW(queue.with_timeout(10ms).get(), TimeoutError);
  queue.put(1);
  EXPECT_THROW(queue.with_timeout(10ms).put(2), TimeoutError);
  EXPECT_EQ(queue.with_timeout(1h).get(), 1);
}

// Whichever clock was read first.
TYPED_TEST(QueueConformance, GivesATimedFormTheShorterOfBothTimes) {
  Queue<int> queue = this->manager().template queue<int>(1);
  const auto soon = queue.with_timeout(10ms);
  EXPECT_THROW(soon.get_for(10ms + 1ns), TimeoutError);
  EXPECT_EQ(soon.get_for(10ms), std::nullopt);
  EXPECT_EQ(soon.get_for(1ms), std::nullopt);
  queue.put(1);
  EXPECT_THROW(soon.put_for(2, 10ms + 1ns), TimeoutError);
  EXPECT_FALSE(soon.put_for(2, 10ms));
}

}  // namespace
}  // namespace steward::detail::test
