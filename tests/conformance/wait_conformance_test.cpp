// wait() over managed objects, whichever road leads to them.
#include <atomic>
#include <chrono>
#include <functional>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <steward/tests/conformance/transports.hpp>

namespace steward::detail::test {
namespace {

using namespace std::chrono_literals;

using Indexes = std::vector<std::size_t>;

template <class Transport>
class WaitConformance : public ConformanceTest<Transport> {};
TYPED_TEST_SUITE(WaitConformance, QueueTransports, TransportNames);

// Runs `change` once another thread waits, or is about to.
template <class Change>
void meanwhile(const std::function<Indexes()>& waiting, Change change, const Indexes& expected) {
  std::atomic<bool> begun = false;
  std::thread waiter([&] {
    begun = true;
    EXPECT_EQ(waiting(), expected);
  });
  while (!begun) std::this_thread::yield();
  change();
  waiter.join();
}

TYPED_TEST(WaitConformance, SaysWhatIsReadyNow) {
  const Queue<int> empty = this->manager().template queue<int>();
  const Queue<int> full = this->manager().template queue<int>();
  const Queue<int> closed = this->manager().template queue<int>();
  const Lock free = this->manager().lock();
  const Lock held = this->manager().lock();
  const RLock own = this->manager().rlock();
  full.put(1);
  closed.close();
  held.lock();
  own.lock();
  EXPECT_EQ(wait({empty, full, closed, free, held, own}), (Indexes{1, 2, 3, 5}));
  EXPECT_EQ(wait({empty, held}, 0s), Indexes());
  EXPECT_EQ(wait({empty, held}, 5ms), Indexes());
  EXPECT_EQ(full.size(), 1U) << "nothing is taken";
  EXPECT_FALSE(free.locked());
  held.unlock();
  own.unlock();
}

TYPED_TEST(WaitConformance, WakesForAnItem) {
  const Queue<int> first = this->manager().template queue<int>();
  const Queue<int> second = this->manager().template queue<int>();
  for (int i = 0; i < 20; ++i) {
    meanwhile([&] { return wait({first, second}); }, [&] { second.put(i); }, {1});
    EXPECT_EQ(second.try_get(), i);
    meanwhile([&] { return wait({first, second}, 1h); }, [&] { first.put(i); }, {0});
    EXPECT_EQ(first.try_get(), i);
  }
}

TYPED_TEST(WaitConformance, WakesForAClose) {
  const Queue<int> first = this->manager().template queue<int>();
  const Queue<int> second = this->manager().template queue<int>();
  meanwhile([&] { return wait({first, second}); }, [&] { first.close(); }, {0});
  EXPECT_THROW(first.get(), Closed);
}

TYPED_TEST(WaitConformance, WakesForALock) {
  const Queue<int> queue = this->manager().template queue<int>();
  const Lock lock = this->manager().lock();
  for (int i = 0; i < 20; ++i) {
    lock.lock();
    meanwhile([&] { return wait({queue, lock}); }, [&] { lock.unlock(); }, {1});
  }
}

TYPED_TEST(WaitConformance, WakesForAConnectionBesideObjects) {
  const Queue<int> queue = this->manager().template queue<int>();
  const Lock lock = this->manager().lock();
  lock.lock();
  auto [near, far] = steward::pipe<int>();
  for (int i = 0; i < 20; ++i) {
    meanwhile([&, &near = near] { return wait({queue, near, lock}); },
              [&, &far = far] { far.send(i); }, {1});
    EXPECT_EQ(near.try_recv(), i);
    meanwhile([&, &near = near] { return wait({queue, near, lock}, 1h); }, [&] { queue.put(i); },
              {0});
    EXPECT_EQ(queue.try_get(), i);
  }
  meanwhile([&, &near = near] { return wait({near, lock}); }, [&] { lock.unlock(); }, {1});
}

TYPED_TEST(WaitConformance, WhoWaitsLeavesTheItemToWhoGets) {
  const Queue<int> queue = this->manager().template queue<int>();
  for (int i = 0; i < 50; ++i) {
    std::thread onlooker([&] { wait({queue}); });
    std::thread getter([&] { EXPECT_EQ(queue.get(), i); });
    queue.put(i);
    getter.join();
    queue.put(-1);  // should the getter have been faster than the look
    onlooker.join();
    EXPECT_EQ(queue.get(), -1);
  }
}

TYPED_TEST(WaitConformance, SeveralWaitForTheSame) {
  const Queue<int> queue = this->manager().template queue<int>();
  std::vector<std::thread> waiters;
  for (int i = 0; i < 4; ++i) {
    waiters.emplace_back([&] { EXPECT_EQ(wait({queue}), (Indexes{0})); });
  }
  queue.put(1);
  for (std::thread& waiter : waiters) waiter.join();
  EXPECT_EQ(queue.get(), 1);
}

TYPED_TEST(WaitConformance, TakesAnyRange) {
  std::vector<Queue<int>> queues;
  for (int i = 0; i < 5; ++i) queues.push_back(this->manager().template queue<int>());
  EXPECT_EQ(wait(queues, 0s), Indexes());
  queues[3].put(1);
  EXPECT_EQ(wait(queues), (Indexes{3}));
}

TYPED_TEST(WaitConformance, LeavesNothingBehindInTheManager) {
  const Queue<int> queue = this->manager().template queue<int>();
  const Lock lock = this->manager().lock();
  lock.lock();
  for (int i = 0; i < 20; ++i) wait({queue, lock}, 1ms);
  lock.unlock();
  EXPECT_NE(this->manager().debug_info().find(" 0 parked calls"), std::string::npos);
}

}  // namespace
}  // namespace steward::detail::test
