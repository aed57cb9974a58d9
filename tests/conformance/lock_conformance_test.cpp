#include <chrono>
#include <mutex>
#include <thread>

#include <gtest/gtest.h>

#include <steward/tests/conformance/transports.hpp>

namespace steward::detail::test {
namespace {

using namespace std::chrono_literals;

template <class Transport>
class LockConformance : public ConformanceTest<Transport> {};
TYPED_TEST_SUITE(LockConformance, Transports, TransportNames);

// Runs `body` as another owner of locks.
template <class F>
auto on_another_thread(F body) {
  decltype(body()) result{};
  std::thread thread([&] { result = body(); });
  thread.join();
  return result;
}

TYPED_TEST(LockConformance, IsHeldByOneThreadAtATime) {
  Lock lock = this->manager().lock();
  EXPECT_FALSE(lock.locked());
  {
    const std::scoped_lock hold(lock);
    EXPECT_TRUE(lock.locked());
    EXPECT_FALSE(on_another_thread([&] { return lock.try_lock(); }));
  }
  EXPECT_FALSE(lock.locked());
  EXPECT_TRUE(on_another_thread([&] {
    const bool got = lock.try_lock();
    lock.unlock();
    return got;
  }));
}

TYPED_TEST(LockConformance, HandsOnToTheNextWaiter) {
  Lock lock = this->manager().lock();
  lock.lock();
  std::thread waiter([lock] {
    lock.lock();
    lock.unlock();
  });
  lock.unlock();
  waiter.join();
  EXPECT_FALSE(lock.locked());
}

TYPED_TEST(LockConformance, GivesUpInTime) {
  Lock lock = this->manager().lock();
  lock.lock();
  EXPECT_FALSE(on_another_thread([&] { return lock.try_lock_for(20ms); }));
  EXPECT_FALSE(on_another_thread([&] { return lock.acquire(20ms); }));
  EXPECT_FALSE(on_another_thread(
      [&] { return lock.try_lock_until(std::chrono::steady_clock::now() + 20ms); }));
  lock.unlock();
  EXPECT_TRUE(on_another_thread([&] {
    const bool got = lock.try_lock_for(1h);
    lock.unlock();
    return got;
  }));
}

TYPED_TEST(LockConformance, WorksWithTheStandardGuards) {
  Lock lock = this->manager().lock();
  std::unique_lock hold(lock, std::try_to_lock);
  EXPECT_TRUE(hold.owns_lock());
  hold.unlock();
  std::unique_lock timed(lock, 1h);
  EXPECT_TRUE(timed.owns_lock());
}

TYPED_TEST(LockConformance, RefusesTheUnlockOfAnother) {
  Lock lock = this->manager().lock();
  EXPECT_THROW(lock.unlock(), NotOwner);
  lock.lock();
  EXPECT_TRUE(on_another_thread([&] {
    EXPECT_THROW(lock.unlock(), NotOwner);
    return true;
  }));
  lock.unlock();
  EXPECT_THROW(lock.unlock(), NotOwner);
}

TYPED_TEST(LockConformance, RefusesToWaitForItself) {
  Lock lock = this->manager().lock();
  lock.lock();
  EXPECT_THROW(lock.lock(), BadCall);
  EXPECT_FALSE(lock.try_lock());
  EXPECT_FALSE(lock.try_lock_for(10ms));
  lock.unlock();
}

TYPED_TEST(LockConformance, GivesRisingTokens) {
  Lock lock = this->manager().lock();
  lock.lock();
  const auto first = lock.token();
  EXPECT_FALSE(lock.previous_owner_died());
  lock.unlock();
  lock.lock();
  EXPECT_GT(lock.token(), first);
  lock.unlock();
}

TYPED_TEST(LockConformance, CountsWhatTheSameThreadLocksAgain) {
  RLock lock = this->manager().rlock();
  lock.lock();
  lock.lock();
  EXPECT_TRUE(lock.try_lock());
  lock.unlock();
  lock.unlock();
  EXPECT_TRUE(lock.locked());
  EXPECT_FALSE(on_another_thread([&] { return lock.try_lock(); }));
  lock.unlock();
  EXPECT_FALSE(lock.locked());
  EXPECT_THROW(lock.unlock(), NotOwner);
}

TYPED_TEST(LockConformance, ProtectsAReadModifyWrite) {
  Lock lock = this->manager().lock();
  auto counter = this->manager().template dict<std::string, int>({{"n", 0}});
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([lock, counter] {
      for (int i = 0; i < 50; ++i) {
        const std::scoped_lock hold(lock);
        counter.set("n", counter.at("n") + 1);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(counter.at("n"), 150);
}

}  // namespace
}  // namespace steward::detail::test
