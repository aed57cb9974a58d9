// A guard of the standard library outlives the manager, or the session, of the lock that it holds:
// the program goes on, and the next call says what has happened.
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include <steward/manager/private_server.hpp>
#include <steward/steward.hpp>
#include <steward/tests/crash/eventually.hpp>

namespace steward::detail::test {
namespace {

using namespace std::chrono_literals;

// How the manager is reached, and how it ends.
struct Way {
  std::string name;
  bool tcp;
  bool kill;
};

class GuardTest : public testing::TestWithParam<Way> {
 protected:
  GuardTest() {
    if (GetParam().tcp) {
      server.emplace(manager::Types(), ManagerOptions{.address = "tcp://127.0.0.1:0"});
      manager.emplace(Manager::connect(server->addresses().back(), {.timeout = 200ms}));
    } else {
      manager.emplace();
    }
    lock = manager->lock();
    rlock = manager->rlock();
    dict = manager->dict<std::string, int>();
  }

  // Returns when this process knows it.
  void end_the_manager() {
    if (GetParam().kill) {
      ASSERT_EQ(::kill(server ? server->pid() : manager->pid(), SIGKILL), 0);
    } else {
      manager->shutdown();
    }
    EXPECT_THROW(dict.set("x", 1), Error);
    EXPECT_THROW(dict.at("x"), Disconnected);
  }

  std::optional<manager::PrivateServer> server;
  std::optional<Manager> manager;
  Lock lock;
  RLock rlock;
  Dict<std::string, int> dict;
};

TEST_P(GuardTest, AScopedLockEndsWell) {
  try {
    const std::scoped_lock hold(lock);
    end_the_manager();
    dict.set("x", 2);
    FAIL();
  } catch (const Disconnected&) {
  }
  EXPECT_THROW(lock.lock(), Disconnected);
}

TEST_P(GuardTest, AScopedLockOfTwoEndsWell) {
  {
    const std::scoped_lock hold(lock, rlock);
    end_the_manager();
  }
  EXPECT_THROW(lock.lock(), Disconnected);
}

TEST_P(GuardTest, AUniqueLockThatSawNoCallFailEndsWell) {
  {
    const std::unique_lock hold(lock);
    const std::lock_guard again(rlock);
    if (GetParam().kill) {
      ASSERT_EQ(::kill(server ? server->pid() : manager->pid(), SIGKILL), 0);
    } else {
      manager->shutdown();
    }
  }
  EXPECT_THROW(dict.at("x"), Disconnected);
}

TEST_P(GuardTest, AReentrantLockIsUnlockedAsOftenAsItWasLocked) {
  rlock.lock();
  rlock.lock();
  end_the_manager();
  EXPECT_NO_THROW(rlock.unlock());
  EXPECT_NO_THROW(rlock.with_timeout(1ms).release());
  EXPECT_THROW(rlock.unlock(), Disconnected);
}

INSTANTIATE_TEST_SUITE_P(Ways, GuardTest,
                         testing::Values(Way{"IpcKill", false, true},
                                         Way{"IpcShutdown", false, false},
                                         Way{"TcpKill", true, true},
                                         Way{"TcpShutdown", true, false}),
                         [](const auto& way) { return way.param.name; });

// --- several locks

TEST(GuardOfSeveral, TellsTheNextOwnerOfTheDeathIfItLetsGoOfWhatItHad) {
  Manager manager;
  const Lock first = manager.lock();
  const Lock second = manager.lock();
  Process holder([](Lock lock) {
    lock.lock();
    ::raise(SIGKILL);
  }, first);
  holder.start();
  holder.join();
  ASSERT_TRUE(eventually([&] { return !first.locked(); }));
  second.lock();
  std::thread waits([&] { const std::scoped_lock hold(first, second); });
  EXPECT_TRUE(eventually([&] {
    return manager.debug_info().find("1 parked calls") != std::string::npos;
  }));
  first.lock();  // by now, or in a moment, `waits` waits for the second with empty hands
  EXPECT_TRUE(first.previous_owner_died());
  first.unlock();
  second.unlock();
  waits.join();
}

// --- a plain fork() while locks are held

class ForkedGuardTest : public testing::Test {
 protected:
  // Forks inside of the guards that `body` makes, and leaves them in the child. The child's exit
  // status; -1: it was ended by a signal.
  template <class Body>
  int leave_in_child(Body body) {
    struct Leaves {};
    std::fflush(nullptr);
    try {
      int status = -1;
      body([&] {
        const pid_t pid = ::fork();
        if (pid == 0) throw Leaves();
        ::waitpid(pid, &status, 0);
        EXPECT_TRUE(lock.locked());
      });
      return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    } catch (const Leaves&) {
      ::_exit(lock.try_lock() ? 1 : 7);
    }
  }

  Manager manager;
  const Lock lock = manager.lock();
  const RLock rlock = manager.rlock();
};

TEST_F(ForkedGuardTest, AScopedLockEndsWell) {
  EXPECT_EQ(leave_in_child([&](auto fork) {
    const std::scoped_lock hold(lock);
    fork();
  }), 7);
  EXPECT_FALSE(lock.locked());
}

TEST_F(ForkedGuardTest, AScopedLockOfTwoEndsWell) {
  EXPECT_EQ(leave_in_child([&](auto fork) {
    const std::scoped_lock hold(rlock, lock);
    fork();
  }), 7);
  EXPECT_FALSE(lock.locked() || rlock.locked());
}

TEST_F(ForkedGuardTest, AUniqueLockAndNestedGuardsEndWell) {
  EXPECT_EQ(leave_in_child([&](auto fork) {
    const std::unique_lock hold(lock);
    const std::lock_guard nesting(rlock);
    const std::lock_guard nested(rlock);
    fork();
  }), 7);
  EXPECT_FALSE(lock.locked() || rlock.locked());
}

// The manager is gone: there is nobody to claim the lock from.
TEST_F(ForkedGuardTest, EndsWellWithoutAManager) {
  std::fflush(nullptr);
  const pid_t pid = ::fork();
  if (pid == 0) {
    Manager own;
    const Lock mine = own.lock();
    try {
      const std::scoped_lock hold(mine);
      own.shutdown();
      const pid_t child = ::fork();
      if (child == 0) throw 0;
      int status = -1;
      ::waitpid(child, &status, 0);
      ::_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
    } catch (int) {
      ::_exit(7);
    }
  }
  int status = -1;
  ::waitpid(pid, &status, 0);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 7);
}

TEST_F(ForkedGuardTest, WhatTheChildLocksItselfItUnlocksFirst) {
  rlock.lock();
  std::fflush(nullptr);
  int go[2];
  ASSERT_EQ(::pipe(go), 0);
  const pid_t pid = ::fork();
  if (pid == 0) {
    char byte = 0;
    if (::read(go[0], &byte, 1) != 1) ::_exit(2);  // the parent has unlocked
    rlock.lock();
    rlock.unlock();
    if (rlock.locked()) ::_exit(3);
    rlock.unlock();  // the parent's
    try {
      rlock.unlock();
    } catch (const NotOwner&) {
      ::_exit(7);
    }
    ::_exit(4);
  }
  rlock.unlock();
  EXPECT_EQ(::write(go[1], "x", 1), 1);
  int status = -1;
  ::waitpid(pid, &status, 0);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 7);
  ::close(go[0]);
  ::close(go[1]);
}

// A program of its own, to be stopped for longer than its lease: as a laptop that is closed.
class Stopped {
 public:
  explicit Stopped(const std::function<int()>& body) {
    std::fflush(nullptr);
    pid_ = ::fork();
    if (pid_ != 0) return;
    try {
      ::_exit(body());
    } catch (const std::exception& error) {
      std::fprintf(stderr, "the stopped program: %s\n", error.what());
    }
    ::_exit(255);
  }
  Stopped(const Stopped&) = delete;
  Stopped& operator=(const Stopped&) = delete;
  ~Stopped() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  // It has stopped itself.
  bool await_stop() {
    int status = 0;
    return ::waitpid(pid_, &status, WUNTRACED) == pid_ && WIFSTOPPED(status);
  }
  // Its exit status.
  int go_on() {
    ::kill(pid_, SIGCONT);
    int status = 0;
    ::waitpid(pid_, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  pid_t pid_ = 0;
};

class LostLeaseTest : public testing::Test {
 protected:
  // Runs it in a program that is a remote client, which stops itself once. Its exit status.
  int run(int (*program)(const Manager& far)) {
    ManagerOptions options{.address = "tcp://127.0.0.1:0"};
    options.limits.session_lease = 300ms;
    const manager::PrivateServer server(manager::Types(), options);
    Stopped client([&] { return program(Manager::connect(server.addresses().back())); });
    if (!client.await_stop()) return -2;
    {
      const Manager near = Manager::connect(server.addresses().front());
      const auto alone = [&] {
        return near.debug_info().find(", 1 sessions") != std::string::npos;
      };
      if (!eventually(alone)) return -3;
    }
    return client.go_on();
  }
};

// Each step that went well adds a bit.
int change_under_a_lost_lock(const Manager& far) {
  const Lock lock = far.lock(named("lock"));
  const auto dict = far.dict<std::string, int>(named("dict"));
  int steps = 0;
  try {
    const std::scoped_lock hold(lock);
    ::raise(SIGSTOP);
    dict.set("x", 1);
  } catch (const Disconnected&) {
    steps |= 1;
  } catch (const OutcomeUnknown&) {
    steps |= 1;
  }
  if (!dict.contains("x")) steps |= 2;  // the session is a new one; nothing was done without a lock
  const std::scoped_lock again(lock);
  dict.set("x", 2);
  return steps | 4;
}

TEST_F(LostLeaseTest, WhatWasMeantUnderTheLockFailsAndTheGuardEndsWell) {
  EXPECT_EQ(run(change_under_a_lost_lock), 7);
}

int unlock_first(const Manager& far) {
  const RLock lock = far.rlock(named("lock"));
  int steps = 0;
  {
    const std::unique_lock hold(lock);
    const std::scoped_lock again(lock);
    ::raise(SIGSTOP);
  }
  try {
    lock.locked();
  } catch (const Disconnected&) {
    steps |= 1;
  }
  if (!lock.locked()) steps |= 2;
  try {
    lock.unlock();
  } catch (const NotOwner&) {
    steps |= 4;
  }
  return steps;
}

TEST_F(LostLeaseTest, AnUnlockThatLearnsOfItThrowsNothingAndTheNextCallDoes) {
  EXPECT_EQ(run(unlock_first), 7);
}

}  // namespace
}  // namespace steward::detail::test
