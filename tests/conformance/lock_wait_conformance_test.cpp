// Waits for locks that a stop ends, and locks whose thread has ended.
#include <barrier>
#include <chrono>
#include <functional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <steward/tests/conformance/transports.hpp>
#include <steward/tests/error_text.hpp>

namespace steward::detail::test {
namespace {

using namespace std::chrono_literals;

template <class Transport>
class LockWaitConformance : public ConformanceTest<Transport> {
 protected:
  void await_waiters(int count) {
    const std::string parked = std::to_string(count) + " parked calls";
    while (this->manager().debug_info().find(parked) == std::string::npos) {
      std::this_thread::yield();
    }
  }
};
TYPED_TEST_SUITE(LockWaitConformance, Transports, TransportNames);

// Every form of waiting for a lock.
template <class L>
std::vector<std::function<void(const L&, std::stop_token)>> forms() {
  return {[](const L& lock, std::stop_token stop) { lock.lock(stop); },
          [](const L& lock, std::stop_token stop) { lock.try_lock_for(1h, stop); },
          [](const L& lock, std::stop_token stop) {
            lock.try_lock_until(std::chrono::system_clock::now() + 1h, stop);
          },
          [](const L& lock, std::stop_token stop) { lock.acquire(stop); },
          [](const L& lock, std::stop_token stop) { lock.acquire(1h, stop); }};
}

template <class L>
void expect_interrupted(const L& lock, const std::function<void(const L&, std::stop_token)>& wait,
                        const std::stop_source& source) {
  const std::string text = text_of<Interrupted>([&] { wait(lock, source.get_token()); });
  EXPECT_TRUE(text.ends_with(".lock: interrupted")) << text;
}

TYPED_TEST(LockWaitConformance, AStopBeforehandTakesNothing) {
  const Lock lock = this->manager().lock();
  const RLock rlock = this->manager().rlock();
  std::stop_source source;
  source.request_stop();
  for (const auto& wait : forms<Lock>()) expect_interrupted(lock, wait, source);
  for (const auto& wait : forms<RLock>()) expect_interrupted(rlock, wait, source);
  EXPECT_THROW(lock.try_lock_for(0s, source.get_token()), Interrupted);
  EXPECT_FALSE(lock.locked());
  EXPECT_FALSE(rlock.locked());
}

TYPED_TEST(LockWaitConformance, AStopEndsAWaitAndThoseBehindAreServed) {
  const Lock lock = this->manager().lock();
  for (const auto& wait : forms<Lock>()) {
    lock.lock();
    std::stop_source source;
    std::thread waiter([&] { expect_interrupted(lock, wait, source); });
    this->await_waiters(1);
    std::thread behind([&] {
      lock.lock();
      lock.unlock();
    });
    this->await_waiters(2);
    source.request_stop();
    waiter.join();
    lock.unlock();
    behind.join();
    EXPECT_FALSE(lock.locked());
  }
}

TYPED_TEST(LockWaitConformance, AGrantAtTheMomentOfAStopIsTheCallersOrGoesBack) {
  const RLock lock = this->manager().rlock();
  for (int round = 0; round < 30; ++round) {
    lock.lock();
    std::stop_source source;
    std::barrier start(2);
    std::thread waiter([&] {
      try {
        lock.lock(source.get_token());
      } catch (const Interrupted&) {
        EXPECT_THROW(lock.unlock(), NotOwner);
        return;
      }
      lock.unlock();
    });
    this->await_waiters(1);
    std::thread stopper([&] {
      start.arrive_and_wait();
      source.request_stop();
    });
    start.arrive_and_wait();
    lock.unlock();
    stopper.join();
    waiter.join();
    ASSERT_TRUE(lock.try_lock_for(20s));
    EXPECT_FALSE(lock.previous_owner_died());
    lock.unlock();
  }
}

// ---- Threads that end ----

void leave_locked(const auto& lock) { std::thread([&] { lock.lock(); }).join(); }

TYPED_TEST(LockWaitConformance, AThreadThatEndsHandsItsLockOn) {
  const Lock lock = this->manager().lock();
  leave_locked(lock);
  const std::uint64_t token = lock.token();
  lock.lock();
  EXPECT_TRUE(lock.previous_owner_died());
  EXPECT_GT(lock.token(), token);
  lock.unlock();
}

TYPED_TEST(LockWaitConformance, AThreadThatEndsAbandonsItsLock) {
  const RLock lock = this->manager().rlock({.on_owner_death = OwnerDeath::abandon});
  leave_locked(lock);
  EXPECT_FALSE(lock.try_lock_for(10ms));
  lock.unlock();
  EXPECT_TRUE(lock.try_lock());
  EXPECT_TRUE(lock.previous_owner_died());
  lock.unlock();
}

TYPED_TEST(LockWaitConformance, AThreadThatEndsPoisonsItsLock) {
  const Lock lock = this->manager().lock({.on_owner_death = OwnerDeath::poison});
  leave_locked(lock);
  EXPECT_THROW(lock.lock(), Poisoned);
  lock.reset();
  EXPECT_TRUE(lock.try_lock());
  lock.unlock();
}

}  // namespace
}  // namespace steward::detail::test
