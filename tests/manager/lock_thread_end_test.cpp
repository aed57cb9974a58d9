// Locks whose thread has ended, where more than a thread ends, or ended before.
#include <signal.h>

#include <cstdlib>
#include <future>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include <steward/steward.hpp>
#include <steward/tests/process/support.hpp>

namespace steward {
namespace {

// The program ends in order, on a thread that holds the lock.
void exit_on_a_thread(Lock lock) {
  std::thread([lock] {
    lock.lock();
    std::exit(0);
  }).join();
}

TEST(LockOfAThread, IsNotPoisonedByTheEndOfItsProgram) {
  Manager manager;
  const Lock lock = manager.lock({.on_owner_death = OwnerDeath::poison});
  Process child(exit_on_a_thread, lock);
  child.start();
  child.join();
  EXPECT_EQ(child.exitcode(), 0);
  lock.lock();
  EXPECT_FALSE(lock.previous_owner_died());
  lock.unlock();
}

TEST(LockOfAThread, MayEndAfterItsManager) {
  Manager manager;
  const Lock lock = manager.lock();
  std::promise<void> locked;
  std::promise<void> end;
  std::thread owner([&] {
    lock.lock();
    locked.set_value();
    end.get_future().wait();
  });
  locked.get_future().wait();
  ::kill(manager.pid(), SIGKILL);
  end.set_value();
  owner.join();
  EXPECT_THROW(lock.lock(), Disconnected);
}

std::string hear(const std::string& gate) { return detail::test::hear(gate); }

TEST(LockOfAThread, OfAPoolIsLeftWithThePool) {
  Manager manager;
  const Lock lock = manager.lock();
  {
    Pool pool(1);
    const detail::test::Pipe gate;
    auto heard = pool.apply_async(hear, gate.reader());
    heard.then([&](const std::string&) { lock.lock(); });
    gate.write("x");
    EXPECT_EQ(heard.get(), "x");
    EXPECT_FALSE(lock.try_lock()) << "its thread lives";
  }
  lock.lock();
  EXPECT_TRUE(lock.previous_owner_died());
  lock.unlock();
}

}  // namespace
}  // namespace steward
