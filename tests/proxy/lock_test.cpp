#include <chrono>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <steward/proxy/list.hpp>
#include <steward/proxy/lock.hpp>
#include <steward/tests/proxy/house.hpp>

namespace steward::detail::test {
namespace {

using namespace std::chrono_literals;

class LockProxy : public testing::Test {
 protected:
  House house;
  const Lock lock = house.make<Lock>();
  const RLock rlock = house.make<RLock>();

  void await_a_waiter() {
    while (house.debug_info().find("1 parked calls") == std::string::npos) {
      std::this_thread::yield();
    }
  }
};

TEST_F(LockProxy, IsHeldByOneThreadAtATime) {
  EXPECT_FALSE(lock.locked());
  lock.lock();
  EXPECT_TRUE(lock.locked());
  EXPECT_FALSE(on_another_thread([&] { return lock.try_lock(); }));
  EXPECT_FALSE(on_another_thread([&] { return lock.try_lock_for(10ms); }));
  EXPECT_FALSE(on_another_thread([&] { return lock.try_lock_for(0ms); }));
  EXPECT_FALSE(on_another_thread(
      [&] { return lock.try_lock_until(std::chrono::system_clock::now() + 10ms); }));
  EXPECT_FALSE(on_another_thread([&] { return lock.acquire(10ms); }));
  EXPECT_THROW(on_another_thread([&] { lock.with_timeout(10ms).lock(); }), TimeoutError);
  lock.unlock();
  EXPECT_TRUE(lock.acquire());
  lock.release();
  EXPECT_TRUE(lock.try_lock_for(1h));
  lock.unlock();
  EXPECT_TRUE(lock.acquire(std::chrono::hours::max()));
  lock.unlock();
  EXPECT_FALSE(lock.locked());
}

TEST_F(LockProxy, WorksWithTheGuardsOfTheStandard) {
  {
    const std::scoped_lock hold(lock, rlock);
    EXPECT_TRUE(lock.locked());
    EXPECT_TRUE(rlock.locked());
  }
  std::unique_lock tried(lock, std::try_to_lock);
  EXPECT_TRUE(tried.owns_lock());
  tried.unlock();
  std::unique_lock timed(lock, 1s);
  EXPECT_TRUE(timed.owns_lock());
  const std::lock_guard nested(rlock);
}

TEST_F(LockProxy, UnlocksWithoutWaiting) {
  lock.lock();
  {
    const House::Pause pause(house);
    lock.unlock();  // would hang if it awaited an answer
  }
  EXPECT_FALSE(lock.locked());
}

TEST_F(LockProxy, RefusesTheUnlockOfAnother) {
  EXPECT_THROW(lock.unlock(), NotOwner);
  lock.lock();
  EXPECT_THROW(on_another_thread([&] { lock.unlock(); }), NotOwner);
  EXPECT_TRUE(lock.locked());
  lock.unlock();
  EXPECT_THROW(lock.unlock(), NotOwner);
}

TEST_F(LockProxy, RefusesToWaitForItself) {
  lock.lock();
  EXPECT_THROW(lock.lock(), BadCall);
  EXPECT_FALSE(lock.try_lock());
  EXPECT_FALSE(lock.try_lock_for(10ms));
  lock.unlock();
  EXPECT_FALSE(lock.locked());
}

TEST_F(LockProxy, GivesRisingTokens) {
  EXPECT_EQ(lock.token(), 0U);
  lock.lock();
  const std::uint64_t first = lock.token();
  EXPECT_GT(first, 0U);
  EXPECT_FALSE(lock.previous_owner_died());
  EXPECT_EQ(on_another_thread([&] { return lock.token(); }), first);
  lock.unlock();
  EXPECT_EQ(lock.token(), first);
  lock.lock();
  EXPECT_GT(lock.token(), first);
  {
    // One's own token is known without a call, whatever became of the lock since.
    const House::Pause pause(house);
    EXPECT_GT(lock.token(), first);
  }
  lock.unlock();
}

TEST_F(LockProxy, CountsWhatTheSameThreadLocksAgain) {
  rlock.lock();
  rlock.lock();
  EXPECT_TRUE(rlock.try_lock());
  rlock.unlock();
  rlock.unlock();
  EXPECT_TRUE(rlock.locked());
  EXPECT_FALSE(on_another_thread([&] { return rlock.try_lock(); }));
  rlock.unlock();
  EXPECT_FALSE(rlock.locked());
  EXPECT_THROW(rlock.unlock(), NotOwner);
}

TEST_F(LockProxy, HandsOnToTheNextWaiter) {
  lock.lock();
  std::thread waiter([&] {
    lock.lock();
    lock.unlock();
  });
  lock.unlock();
  waiter.join();
  EXPECT_FALSE(lock.locked());
}

TEST_F(LockProxy, ResetsWhatIsNotPoisoned) {
  lock.reset();
  lock.lock();
  lock.reset();
  EXPECT_TRUE(lock.locked());
  lock.unlock();
}

TEST_F(LockProxy, OutlivesItsLastProxyHereLocked) {
  const auto locks = house.make<List<RLock>>();
  locks.append(house.make<RLock>());
  locks.at(0).lock();
  locks.at(0).lock();
  {
    const RLock later = locks.at(0);
    const House::Pause pause(house);
    later.unlock();  // it is this thread's, and needs no answer
  }
  EXPECT_TRUE(locks.at(0).locked());
  locks.at(0).unlock();
  EXPECT_FALSE(locks.at(0).locked());
  EXPECT_THROW(locks.at(0).unlock(), NotOwner);
}

TEST_F(LockProxy, HeldByThisThreadSinceAnEarlierProxyIsNeverWaitedFor) {
  const auto locks = house.make<List<Lock>>();
  locks.append(house.make<Lock>());
  locks.at(0).lock();
  const Lock patient = locks.at(0).with_timeout(1h);
  EXPECT_GT(patient.token(), 0U);
  EXPECT_THROW(std::scoped_lock(lock, patient), BadCall);
  EXPECT_FALSE(lock.locked());
  EXPECT_TRUE(patient.locked());
}

TEST_F(LockProxy, TakesItsPolicyAtCreation) {
  const Lock poisoned = house.make<Lock>(static_cast<int>(OwnerDeath::poison));
  poisoned.lock();
  poisoned.unlock();
  EXPECT_THROW(house.make<Lock>(99), BadCall);
}

// --- several at once

TEST_F(LockProxy, SeveralAreTakenAndGivenBackTogether) {
  const Lock other = house.make<Lock>();
  {
    const std::scoped_lock hold(other, rlock, lock);
    EXPECT_TRUE(lock.locked() && other.locked() && rlock.locked());
    EXPECT_FALSE(on_another_thread([&] { return lock.try_lock() || other.try_lock(); }));
  }
  EXPECT_FALSE(lock.locked() || other.locked() || rlock.locked());
  lock.lock();
  other.lock();
  { const std::scoped_lock hold(std::adopt_lock, other, lock); }
  EXPECT_FALSE(lock.locked() || other.locked());
}

TEST_F(LockProxy, SeveralAreUnlockedAlsoIfOneOfThemIsNotHeld) {
  const Lock later = house.make<Lock>();
  lock.lock();
  rlock.lock();
  { const std::scoped_lock hold(std::adopt_lock, lock, rlock, later); }
  EXPECT_FALSE(lock.locked() || rlock.locked());
}

TEST_F(LockProxy, SeveralAreTakenInOneOrderWhateverTheyAreGivenIn) {
  const Lock later = house.make<Lock>();
  lock.lock();
  std::thread waits([&] { const std::scoped_lock hold(later, lock); });
  await_a_waiter();
  EXPECT_FALSE(later.locked()) << "it waits for the first with the second in hand";
  lock.unlock();
  waits.join();
}

// Somebody has a lock already and takes more, one of which is in the hand of who waits for his.
TEST_F(LockProxy, SeveralAreNotWaitedForWithOneInHand) {
  const Lock second = house.make<Lock>();
  const Lock third = house.make<Lock>();
  std::unique_lock outer(second);
  std::thread waits([&] { const std::scoped_lock hold(lock, second); });
  await_a_waiter();
  { const std::scoped_lock hold(lock, third); }
  outer.unlock();
  waits.join();
  EXPECT_FALSE(lock.locked() || second.locked() || third.locked());
}

TEST_F(LockProxy, SeveralAreTakenAroundAReentrantOneThatThisThreadHas) {
  const RLock second = house.make<RLock>();
  std::unique_lock outer(second);
  std::thread waits([&] { const std::scoped_lock hold(rlock, second); });
  await_a_waiter();
  { const std::scoped_lock hold(rlock, second); }
  EXPECT_TRUE(second.locked());
  outer.unlock();
  waits.join();
  EXPECT_FALSE(rlock.locked() || second.locked());
}

TEST_F(LockProxy, SeveralAmongThemOneThatThisThreadHasAreAMistake) {
  const Lock later = house.make<Lock>();
  const Lock hasty = lock.with_timeout(1h);
  later.lock();
  EXPECT_THROW(std::scoped_lock(lock, later), BadCall);
  EXPECT_THROW(std::scoped_lock(hasty, later), BadCall);
  EXPECT_FALSE(lock.locked());
  EXPECT_TRUE(later.locked());
  later.unlock();
}

TEST_F(LockProxy, TheShortestTimeoutHoldsForAllTogether) {
  const Lock later = house.make<Lock>();
  const Lock hasty = lock.with_timeout(100ms);
  for (const Lock& busy : {lock, later}) {
    busy.lock();
    EXPECT_THROW(on_another_thread([&] { const std::scoped_lock hold(later, hasty); }),
                 TimeoutError);
    busy.unlock();
    EXPECT_FALSE(lock.locked() || later.locked());
  }
}

TEST_F(LockProxy, WhatWasTakenIsGivenBackIfTheNextFails) {
  const Lock later = house.make<Lock>();
  later.lock();
  EXPECT_THROW(on_another_thread([&] {
    Lock impatient = later.with_timeout(10ms);
    const std::scoped_lock hold(impatient, lock, rlock);
  }), TimeoutError);
  EXPECT_FALSE(lock.locked() || rlock.locked());
  later.unlock();
  EXPECT_FALSE(later.locked());
  const Lock empty;
  EXPECT_THROW(std::scoped_lock(lock, empty), StaleHandle);
  EXPECT_FALSE(lock.locked());
}

TEST_F(LockProxy, TheSameLockTwiceIsAMistakeUnlessItIsReentrant) {
  const Lock copy = lock;
  EXPECT_THROW(std::scoped_lock(lock, copy), BadCall);
  EXPECT_FALSE(lock.locked());
  {
    const std::scoped_lock hold(rlock, lock, rlock);
    EXPECT_TRUE(rlock.locked());
  }
  EXPECT_FALSE(rlock.locked());
}

TEST_F(LockProxy, StandsBesideOtherMutexesInAScopedLock) {
  std::mutex mutex;
  {
    const std::scoped_lock hold(lock, mutex, rlock);
    EXPECT_TRUE(lock.locked() && rlock.locked());
  }
  EXPECT_FALSE(lock.locked() || rlock.locked());
  EXPECT_TRUE(mutex.try_lock());
  mutex.unlock();
}

// Takes both orders in turn, and counts what it did.
template <class A, class B>
void in_both_orders(const A& a, const B& b, int rounds, int& done) {
  for (int round = 0; round < rounds; ++round) {
    if (round % 2 == 0) {
      const std::scoped_lock hold(a, b);
      ++done;
    } else {
      const std::scoped_lock hold(b, a);
      ++done;
    }
  }
}

TEST_F(LockProxy, ThreadsThatTakeTwoInOppositeOrdersAllGetOn) {
  constexpr int kThreads = 8;
  constexpr int kRounds = 200;
  int done = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] { in_both_orders(lock, rlock, kRounds, done); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(done, kThreads * kRounds);
}

}  // namespace
}  // namespace steward::detail::test
