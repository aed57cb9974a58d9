// A server that stops or dies never makes a client hang.
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <steward/client/ring.hpp>
#include <steward/steward.hpp>

#include <steward/tests/client/storm.hpp>
#include <steward/tests/crash/eventually.hpp>
#include <steward/tests/general_road.hpp>
#include <steward/tests/shm/block_hog.hpp>

namespace steward::detail::test {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

std::filesystem::path directory_of(const Manager& manager) {
  std::string path = manager.address().substr(std::string("ipc://").size());
  return std::filesystem::path(path.substr(0, path.find('?'))).parent_path();
}

TEST(ServerDeath, AStoppedServerEndsCallsAtTheirDeadline) {
  Manager manager;
  const List<int> list = manager.list<int>({1});
  const Queue<int> queue = manager.queue<int>();
  const Lock lock = manager.lock();
  ASSERT_EQ(::kill(manager.pid(), SIGSTOP), 0);
  const auto start = steady_clock::now();
  EXPECT_THROW(list.with_timeout(50ms).size(), TimeoutError);
  EXPECT_THROW(list.with_timeout(50ms).append(2), TimeoutError);
  EXPECT_EQ(queue.get_for(50ms), std::nullopt);
  EXPECT_FALSE(lock.try_lock_for(50ms));
  EXPECT_GE(steady_clock::now() - start, 200ms);
  ASSERT_EQ(::kill(manager.pid(), SIGCONT), 0);
  // What was given up stays given up: the lock is free, the queue has what is put.
  EXPECT_TRUE(lock.try_lock());
  lock.unlock();
  queue.put(5);
  EXPECT_EQ(queue.get(), 5);
}

// Whether a queue has a ring is asked with the first call, which may wait longer than the others.
TEST(ServerDeath, AStoppedServerDoesNotHoldUpTheFirstCallOfAQueue) {
  Manager manager;
  const Queue<int> queue = manager.queue<int>();
  ASSERT_EQ(::kill(manager.pid(), SIGSTOP), 0);
  EXPECT_THROW(queue.with_timeout(20ms).try_get(), TimeoutError);
  EXPECT_EQ(queue.get_for(20ms), std::nullopt);
  std::thread patient([queue] { EXPECT_EQ(queue.get(), 7); });
  EXPECT_THROW(queue.with_timeout(20ms).size(), TimeoutError);
  ASSERT_EQ(::kill(manager.pid(), SIGCONT), 0);
  queue.put(7);
  patient.join();
  EXPECT_EQ(queue.transport(), "shm") << "nothing was decided before the manager had answered";
}

// What could not be had for a moment is asked for again.
TEST(ServerDeath, AQueueFindsItsRingOnceThereAreDescriptorsAgain) {
  Manager manager;
  const Queue<int> queue = manager.queue<int>();
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  const rlimit none{3, limit.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  EXPECT_EQ(queue.try_get(), std::nullopt);
  EXPECT_EQ(queue.transport(), "zmq");
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_TRUE(eventually([&] { return queue.transport() == "shm"; }));
}

TEST(ServerDeath, WhatAKilledServerKeptDoesNotStandInTheWay) {
  Manager manager;
  const Queue<std::string> queue = manager.queue<std::string>();
  const std::string large(20'000, 'x');
  {
    const BlockHog hog(client::ring_of(queue.reference(), std::nullopt)->fd(), large.size());
    queue.put_many({"a", large, "b", large, "c"});
  }
  ASSERT_EQ(::kill(manager.pid(), SIGKILL), 0);
  EXPECT_EQ(queue.get(), "a");
  // It is gone once the kernel has let go of its locks.
  EXPECT_TRUE(eventually([&] {
    try {
      return queue.get() == "b";
    } catch (const Disconnected&) {
      return false;
    }
  }));
  EXPECT_THROW(queue.get_many(2), Disconnected) << "the other one that it kept, and no more";
  EXPECT_EQ(queue.get_many(2), std::vector<std::string>{"c"});
}

TEST(ServerDeath, AKilledServerEndsEveryCallAtOnce) {
  const GeneralRoad through_the_manager;
  Manager manager;
  const List<int> list = manager.list<int>({1});
  const Queue<int> queue = manager.queue<int>();
  const Lock lock = manager.lock();
  lock.lock();
  std::vector<std::thread> threads;
  std::atomic<int> ended = 0;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      EXPECT_THROW(
          {
            if (i % 2 == 0) {
              queue.get();
            } else {
              lock.lock();
            }
          },
          Disconnected);
      ++ended;
    });
  }
  ASSERT_TRUE(eventually(
      [&] { return manager.debug_info().find("4 parked calls") != std::string::npos; }));
  const auto directory = directory_of(manager);
  ASSERT_TRUE(std::filesystem::exists(directory));
  ASSERT_EQ(::kill(manager.pid(), SIGKILL), 0);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(ended, 4);
  EXPECT_THROW(list.size(), Disconnected);
  EXPECT_THROW(list.append(1), Disconnected);
  EXPECT_THROW(manager.list<int>(), Disconnected);
}

// Whatever each thread is doing, and though signals disturb it all the time.
TEST(ServerDeath, AKilledServerEndsThreadsInTheMiddleOfEverything) {
  const GeneralRoad through_the_manager;
  const SignalStorm storm(0);
  Manager manager;
  const List<int> list = manager.list<int>({1});
  const Queue<int> queue = manager.queue<int>(1);
  const Lock lock = manager.lock();
  const Lock taken = manager.lock();
  taken.lock();
  const std::vector<std::function<void()>> doings = {
      [&] { std::scoped_lock hold(lock); },
      [&] { list.append(list.size() > 0 ? 1 : 0); },
      [&] { static_cast<void>(queue.get_for(1ms)); },
      [&] { static_cast<void>(queue.put_for(1, 1ms)); },
      [&] { static_cast<void>(taken.try_lock_for(1ms)); },
      [&] {
        static_cast<void>(wait({lock, queue}, 1ms));
        static_cast<void>(lock.locked());
      },
      [&] { static_cast<void>(manager.list<int>({1, 2})); },
  };
  std::atomic<int> busy = 0;
  std::vector<std::thread> threads;
  for (const auto& doing : doings) {
    threads.emplace_back([&] {
      const SignalStorm::Thread disturbed;
      EXPECT_THROW(
          {
            for (int i = 0;; ++i) {
              doing();
              if (i == 5) ++busy;
            }
          },
          Disconnected);
    });
  }
  EXPECT_TRUE(eventually([&] { return busy == static_cast<int>(doings.size()); }));
  ASSERT_EQ(::kill(manager.pid(), SIGKILL), 0);
  for (std::thread& thread : threads) thread.join();
}

TEST(ServerDeath, AKilledServerDoesNotStopItemsBetweenProcesses) {
  Manager manager;
  const Queue<int> there = manager.queue<int>();
  const Queue<int> back = manager.queue<int>();
  Process twice([](Queue<int> in, Queue<int> out) {
    for (const int item : in) out.put(2 * item);
    out.close();
  }, there, back);
  twice.start();
  there.put(1);
  EXPECT_EQ(back.get(), 2);
  ASSERT_EQ(::kill(manager.pid(), SIGKILL), 0);
  for (int i = 0; i < 1000; ++i) {
    there.put(i);
    ASSERT_EQ(back.get(), 2 * i);
  }
  there.close();
  EXPECT_THROW(back.get(), Closed);
  twice.join();
}

TEST(ServerDeath, AStoppedServerDoesNotStopItemsBetweenProcesses) {
  Manager manager;
  const Queue<int> there = manager.queue<int>(4);
  const Queue<int> back = manager.queue<int>();
  Process twice([](Queue<int> in, Queue<int> out) {
    for (const int item : in) out.put(2 * item);
  }, there, back);
  twice.start();
  there.put(1);
  EXPECT_EQ(back.get(), 2);
  ASSERT_EQ(::kill(manager.pid(), SIGSTOP), 0);
  for (int i = 0; i < 1000; ++i) {
    there.put(i);
    ASSERT_EQ(back.get(), 2 * i);
  }
  there.close();
  ASSERT_EQ(::kill(manager.pid(), SIGCONT), 0);
  twice.join();
  back.put(5);
  EXPECT_EQ(back.get(), 5);
}

TEST(ServerDeath, AKilledServerAndNobodyElseEndsAWait) {
  Manager manager;
  const Queue<int> queue = manager.queue<int>();
  queue.put(1);
  ASSERT_EQ(::kill(manager.pid(), SIGKILL), 0);
  EXPECT_EQ(queue.get(), 1);
  EXPECT_THROW(queue.get(), Disconnected);
}

TEST(ServerDeath, AManagerLeavesNothingBehind) {
  std::filesystem::path directory;
  pid_t pid = 0;
  {
    Manager manager;
    directory = directory_of(manager);
    pid = manager.pid();
    EXPECT_TRUE(std::filesystem::exists(directory));
  }
  EXPECT_FALSE(std::filesystem::exists(directory));
  EXPECT_TRUE(eventually([&] { return ::kill(pid, 0) != 0; }));
}

TEST(ServerDeath, AKilledServersDirectoryIsRemovedByItsOwner) {
  std::filesystem::path directory;
  {
    Manager manager;
    directory = directory_of(manager);
    ::kill(manager.pid(), SIGKILL);
  }
  EXPECT_FALSE(std::filesystem::exists(directory));
}

TEST(ServerDeath, TheServerOfAKilledOwnerEndsByItself) {
  Manager manager;
  const Queue<std::string> queue = manager.queue<std::string>();
  const auto own_manager = [](Queue<std::string> to) {
    Manager mine;
    to.put(std::to_string(mine.pid()) + " " + directory_of(mine).string());
    to.with_timeout(1h).join();
  };
  Process owner(own_manager, queue);
  owner.start();
  const std::string told = queue.get();
  const auto space = told.find(' ');
  const pid_t server = static_cast<pid_t>(std::stol(told.substr(0, space)));
  EXPECT_EQ(::kill(server, 0), 0);
  owner.kill();
  owner.join();
  EXPECT_TRUE(eventually([&] { return ::kill(server, 0) != 0; }));
  EXPECT_TRUE(eventually([&] { return !std::filesystem::exists(told.substr(space + 1)); }));
}

}  // namespace
}  // namespace steward::detail::test
