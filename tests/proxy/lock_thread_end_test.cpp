// Locks whose owner, a thread, ends and leaves them locked.
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <mutex>
#include <stdexcept>
#include <thread>

#include <gtest/gtest.h>

#include <steward/proxy/lock.hpp>
#include <steward/tests/proxy/house.hpp>
#include <steward/tests/waiting_thread.hpp>

namespace steward::detail::test {
namespace {

class LockOfAThread : public testing::Test {
 protected:
  House house;
  const Lock lock = house.make<Lock>();

  template <class P>
  P with_policy(OwnerDeath policy) {
    return house.make<P>(static_cast<int>(policy));
  }
};

// To the thread's end.
template <class F>
void on_a_thread(F body) {
  std::thread(std::move(body)).join();
}

TEST_F(LockOfAThread, GoesToTheNextOneWhoIsTold) {
  std::uint64_t token = 0;
  on_a_thread([&] {
    lock.lock();
    token = lock.token();
  });
  lock.lock();
  EXPECT_TRUE(lock.previous_owner_died());
  EXPECT_GT(lock.token(), token);
  lock.unlock();
  lock.lock();
  EXPECT_FALSE(lock.previous_owner_died()) << "that one is told only";
  lock.unlock();
}

TEST_F(LockOfAThread, GoesToOneWhoWaits) {
  std::promise<void> locked;
  std::promise<void> end;
  std::thread owner([&] {
    lock.lock();
    locked.set_value();
    end.get_future().wait();
  });
  locked.get_future().wait();
  bool died = false;
  WaitingThread waiter([&] {
    lock.lock();
    died = lock.previous_owner_died();
    lock.unlock();
  });
  while (house.debug_info().find("1 parked calls") == std::string::npos) std::this_thread::yield();
  end.set_value();
  owner.join();
  waiter.join();
  EXPECT_TRUE(died);
}

TEST_F(LockOfAThread, AbandonedStaysLockedUntilAnybodyUnlocks) {
  const auto abandoned = with_policy<Lock>(OwnerDeath::abandon);
  on_a_thread([&] { abandoned.lock(); });
  EXPECT_FALSE(abandoned.try_lock());
  abandoned.unlock();
  abandoned.lock();
  EXPECT_TRUE(abandoned.previous_owner_died());
  abandoned.unlock();
}

TEST_F(LockOfAThread, PoisonedRefusesEverybodyUntilReset) {
  const auto poisoned = with_policy<Lock>(OwnerDeath::poison);
  on_a_thread([&] { poisoned.lock(); });
  EXPECT_THROW(poisoned.lock(), Poisoned);
  poisoned.reset();
  poisoned.lock();
  EXPECT_FALSE(poisoned.previous_owner_died());
  poisoned.unlock();
}

TEST_F(LockOfAThread, IsLeftHoweverOftenItWasLocked) {
  const auto rlock = with_policy<RLock>(OwnerDeath::release);
  on_a_thread([&] {
    for (int i = 0; i < 3; ++i) rlock.lock();
    rlock.unlock();
  });
  EXPECT_TRUE(rlock.try_lock());
  EXPECT_TRUE(rlock.previous_owner_died());
  rlock.unlock();
  EXPECT_FALSE(rlock.locked());
}

TEST_F(LockOfAThread, OnlyThoseThatItStillHasAreLeft) {
  const auto first = house.make<Lock>();
  const auto second = house.make<RLock>();
  on_a_thread([&] {
    first.lock();
    second.lock();
    const std::scoped_lock unlocked(lock);
  });
  lock.lock();
  first.lock();
  second.lock();
  EXPECT_FALSE(lock.previous_owner_died());
  EXPECT_TRUE(first.previous_owner_died());
  EXPECT_TRUE(second.previous_owner_died());
  lock.unlock();
  first.unlock();
  second.unlock();
}

TEST_F(LockOfAThread, OfAnotherThreadStayLocked) {
  lock.lock();
  on_a_thread([&] {
    EXPECT_FALSE(lock.try_lock());
    const auto other = house.make<Lock>();
    other.lock();
  });
  EXPECT_TRUE(lock.locked());
  lock.unlock();
}

TEST_F(LockOfAThread, AnAsyncOneIsAThread) {
  EXPECT_EQ(std::async(std::launch::async, [&] { return lock.try_lock(); }).get(), true);
  lock.lock();
  EXPECT_TRUE(lock.previous_owner_died());
  lock.unlock();
}

TEST_F(LockOfAThread, WhichEndsByAnExceptionThatWasCaughtElsewhere) {
  std::packaged_task<void()> task([&] {
    lock.lock();
    throw std::runtime_error("half-way");
  });
  auto failed = task.get_future();
  on_a_thread(std::move(task));
  EXPECT_THROW(failed.get(), std::runtime_error);
  lock.lock();
  EXPECT_TRUE(lock.previous_owner_died());
  lock.unlock();
}

// The destructors of what a thread has come first.
TEST_F(LockOfAThread, IsNotLeftByAGuardThatTheThreadHas) {
  on_a_thread([&] {
    thread_local std::unique_lock<const Lock> guard;
    guard = std::unique_lock(lock);
  });
  lock.lock();
  EXPECT_FALSE(lock.previous_owner_died());
  lock.unlock();
}

TEST_F(LockOfAThread, WaitsForNobodyAtItsEnd) {
  std::promise<void> end;
  std::promise<void> locked;
  std::thread owner([&] {
    lock.lock();
    locked.set_value();
    end.get_future().wait();
  });
  locked.get_future().wait();
  {
    const House::Pause pause(house);
    end.set_value();
    owner.join();  // would hang if it awaited an answer
  }
  lock.lock();
  EXPECT_TRUE(lock.previous_owner_died());
  lock.unlock();
}

// In a child of a plain fork() the holds are the parent's.
TEST_F(LockOfAThread, TheEndOfItsCopyInAForkedChildIsNothing) {
  on_a_thread([&] {
    lock.lock();
    const pid_t child = ::fork();
    if (child == 0) {
      // Of the child's only thread, which ends it.
      ::pthread_exit(nullptr);
    }
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_FALSE(on_another_thread([&] { return lock.try_lock(); }));
    lock.unlock();
  });
  lock.lock();
  EXPECT_FALSE(lock.previous_owner_died());
  lock.unlock();
}

}  // namespace
}  // namespace steward::detail::test
