// wait() over descriptors, connections, processes and what stands beside them.
#include <steward/manager/wait.hpp>

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <steward/client/ring.hpp>
#include <steward/steward.hpp>
#include <steward/tests/crash/eventually.hpp>
#include <steward/tests/general_road.hpp>
#include <steward/tests/process/support.hpp>
#include <steward/tests/waiting_thread.hpp>

namespace steward {
namespace {

using namespace std::chrono_literals;
using Indexes = std::vector<std::size_t>;
using detail::test::Pipe;
using detail::test::sleeps;

void wait_at(const std::string& gate) { detail::test::hear(gate); }

TEST(Wait, ForDescriptorsAsPollDoes) {
  const Pipe a;
  const Pipe b;
  EXPECT_EQ(wait({a.reader_fd(), b.reader_fd()}, 0s), Indexes());
  b.write("x");
  EXPECT_EQ(wait({a.reader_fd(), b.reader_fd()}), (Indexes{1}));
  a.write("x");
  EXPECT_EQ(wait({a.reader_fd(), b.reader_fd()}), (Indexes{0, 1}));
}

TEST(Wait, OfNothingIsOverAtOnce) {
  EXPECT_EQ(wait({}), Indexes());
  EXPECT_EQ(wait(std::vector<detail::manager::Waitable>(), 1h), Indexes());
}

TEST(Wait, ForConnectionsWithWholeMessages) {
  auto [near, far] = pipe<std::string>();
  auto [other, unused] = pipe<int>();
  EXPECT_EQ(wait({other, near}, 1ms), Indexes());
  const std::string frame("\0\0\0\4\xa3two", 8);
  std::thread writer([&, &far = far] {
    for (const char byte : frame) {
      ASSERT_EQ(::send(far.fileno(), &byte, 1, 0), 1);
      std::this_thread::yield();
    }
  });
  EXPECT_EQ(wait({other, near}), (Indexes{1}));
  EXPECT_EQ(near.try_recv(), "two");
  writer.join();
  far.close();
  EXPECT_EQ(wait({other, near}), (Indexes{1})) << "the end is something, too";
}

TEST(Wait, SeesAMessageThatWasTakenFromTheDescriptorAlready) {
  auto [near, far] = pipe<int>();
  auto [other, unused] = pipe<int>();
  far.send(4);
  EXPECT_TRUE(near.poll());
  EXPECT_EQ(wait({other, near}, 10s), (Indexes{1}));
  EXPECT_EQ(near.try_recv(), 4);
  EXPECT_EQ(wait({other, near}, 1ms), Indexes());
}

TEST(Wait, ForConnectionsOverTcpWithAKey) {
  const std::string key = generate_key();
  Listener listener("tcp://127.0.0.1:0", {.key = key});
  auto near = Connection<std::string>::connect(listener.address(), {.key = key});
  auto far = listener.accept<std::string>();
  auto [other, unused] = pipe<int>();
  EXPECT_EQ(wait({other, near, far}, 1ms), Indexes());
  const std::vector<std::string> words{"one", std::string(300'000, 'x'), "three"};
  std::thread sender([&] {
    for (const std::string& word : words) far.send(word);
  });
  for (const std::string& word : words) {
    EXPECT_EQ(wait({other, near}), (Indexes{1}));
    EXPECT_EQ(near.try_recv(), word);
  }
  sender.join();
  EXPECT_EQ(wait({other, near}, 1ms), Indexes());
  far.close();
  EXPECT_EQ(wait({other, near}), (Indexes{1}));
}

TEST(Wait, HalfAMessageDoesNotKeepItBusy) {
  auto [near, far] = pipe<std::string>();
  ASSERT_EQ(::send(far.fileno(), "\0\0\0\4\xa3t", 6, 0), 6);
  timespec before{};
  timespec after{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
  EXPECT_EQ(wait({near}, 100ms), Indexes());
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
  const auto spent = (after.tv_sec - before.tv_sec) * 1'000'000'000LL + after.tv_nsec -
                     before.tv_nsec;
  EXPECT_LT(spent, 50'000'000);
}

TEST(Wait, ForProcessesAndTheirSentinels) {
  const Pipe gate;
  const Pipe other_gate;
  Process first(wait_at, gate.reader());
  Process second(wait_at, other_gate.reader());
  first.start();
  second.start();
  EXPECT_EQ(wait({first, second, second.sentinel()}, 0s), Indexes());
  other_gate.write("x");
  second.join();
  EXPECT_EQ(wait({first, second, second.sentinel()}), (Indexes{1, 2}));
  first.kill();
  EXPECT_EQ(wait({first}), (Indexes{0}));
}

TEST(Wait, ForWhoWantsToBeAccepted) {
  Listener listener("tcp://127.0.0.1:0");
  EXPECT_EQ(wait({listener}, 0s), Indexes());
  auto near = Connection<int>::connect(listener.address());
  EXPECT_EQ(wait({listener}), (Indexes{0}));
  auto far = listener.accept<int>();
  EXPECT_EQ(wait({listener, far}, 0s), Indexes());
  near.send(4);
  EXPECT_EQ(wait({listener, far}), (Indexes{1}));
}

TEST(Wait, ForManyConnections) {
  std::vector<Connection<int>> ends;
  std::vector<Connection<int>> others;
  for (int i = 0; i < 300; ++i) {
    auto [near, far] = pipe<int>();
    ends.push_back(std::move(near));
    others.push_back(std::move(far));
  }
  EXPECT_EQ(wait(ends, 0s), Indexes());
  others[7].send(1);
  others[299].send(1);
  EXPECT_EQ(wait(ends), (Indexes{7, 299}));
}

// What is mixed: a crowd of workers, of whom one ends, one speaks, one puts.
void put_when_told(Queue<int> queue, Connection<int> orders) { queue.put(orders.recv()); }
void answer_when_told(Connection<int> orders) {
  orders.send(orders.recv());
  orders.recv();  // leave to go
}

TEST(Wait, ForAllKindsAtOnce) {
  Manager manager;
  const Queue<int> near_queue = manager.queue<int>();
  const Lock lock = manager.lock();
  const Pipe gate;
  auto [orders, their_orders] = pipe<int>();
  auto [answers, their_answers] = pipe<int>();
  Process putter(put_when_told, near_queue, std::move(their_orders));
  Process speaker(answer_when_told, std::move(their_answers));
  Process sleeper(wait_at, gate.reader());
  for (Process* process : {&putter, &speaker, &sleeper}) process->start();
  lock.lock();
  const auto next = [&, &answers = answers] {
    return wait({near_queue, lock, answers, sleeper}, 30s);
  };
  EXPECT_EQ(wait({near_queue, lock, answers, sleeper}, 0s), Indexes());
  orders.send(1);
  EXPECT_EQ(next(), (Indexes{0}));
  EXPECT_EQ(near_queue.get(), 1);
  answers.send(2);
  EXPECT_EQ(next(), (Indexes{2}));
  EXPECT_EQ(answers.recv(), 2);
  gate.write("x");
  EXPECT_EQ(next(), (Indexes{3}));
  answers.send(0);
  speaker.join();
  EXPECT_EQ(next(), (Indexes{2, 3}));
  lock.unlock();
  EXPECT_EQ(wait({near_queue, lock}), (Indexes{1}));
}

TEST(Wait, ForTheQueuesOfSeveralManagers) {
  Manager first;
  Manager second(ManagerOptions{.address = "tcp://127.0.0.1:0"});
  Manager remote = Manager::connect(second.address());
  const Queue<int> shared = first.queue<int>();
  const Queue<int> other = second.queue<int>();
  const Lock lock = second.lock();
  lock.lock();
  for (int i = 0; i < 10; ++i) {
    std::thread putter([&] { (i % 2 == 0 ? shared : other).put(i); });
    EXPECT_EQ(wait({lock, shared, other}), (Indexes{i % 2 == 0 ? 1U : 2U}));
    putter.join();
    EXPECT_EQ((i % 2 == 0 ? shared : other).try_get(), i);
  }
  lock.unlock();
}

TEST(Wait, WhatCannotBeReachedIsReadyToSaySo) {
  const detail::test::GeneralRoad general_road;
  Manager manager;
  const Queue<int> queue = manager.queue<int>();
  const Lock lock = manager.lock();
  lock.lock();
  std::thread killer([pid = manager.pid()] { ::kill(pid, SIGKILL); });
  // Of one it may just have said that it is not ready.
  EXPECT_FALSE(wait({queue, lock}).empty());
  killer.join();
  EXPECT_EQ(wait({queue, lock}), (Indexes{0, 1}));
  EXPECT_THROW(queue.get(), Disconnected);
}

TEST(Wait, AQueueInSharedMemoryOutlivesItsManager) {
  Manager manager;
  const Queue<int> queue = manager.queue<int>();
  queue.put(1);
  ::kill(manager.pid(), SIGKILL);
  EXPECT_EQ(wait({queue}), (Indexes{0}));
  EXPECT_EQ(queue.get(), 1);
  EXPECT_EQ(wait({queue}, 30s), (Indexes{0})) << "nobody else will ever put anything";
  EXPECT_THROW(queue.get(), Disconnected);
}

TEST(Wait, AWakeThatItHasHadGoesToOneWhoTakes) {
  Manager manager;
  const Queue<int> queue = manager.queue<int>();
  ASSERT_EQ(queue.transport(), "shm");
  detail::shm::SharedQueue* const ring = detail::client::ring_of(queue.reference(), std::nullopt);
  detail::shm::FutexWord& word = ring->event(detail::shm::Event::not_empty);
  std::atomic<pid_t> onlooker_id = 0;
  std::atomic<pid_t> taker_id = 0;
  std::thread onlooker([&] {
    onlooker_id = ::gettid();
    EXPECT_EQ(wait({queue}), (Indexes{0}));
  });
  ASSERT_TRUE(detail::test::eventually([&] { return onlooker_id != 0 && sleeps(onlooker_id); }));
  // As one who takes and trusts that it will be told: it came later, and is woken later.
  const std::uint32_t seen = word.fetch_or(1) | 1U;
  std::thread taker([&] {
    taker_id = ::gettid();
    detail::shm::sleep_on(word, seen, std::chrono::steady_clock::now() + 60s);
  });
  ASSERT_TRUE(detail::test::eventually([&] { return taker_id != 0 && sleeps(taker_id); }));
  const auto before = std::chrono::steady_clock::now();
  queue.put(1);  // wakes one
  onlooker.join();
  taker.join();
  EXPECT_LT(std::chrono::steady_clock::now() - before, 30s) << "nobody told the one who takes";
}

TEST(Wait, ForMoreQueuesThanTheKernelTakesAtOnce) {
  Manager manager;
  std::vector<Queue<int>> queues;
  for (int i = 0; i < 140; ++i) queues.push_back(manager.queue<int>());
  EXPECT_EQ(wait(queues, 1ms), Indexes());
  std::thread putter([&] { queues[139].put(1); });
  EXPECT_EQ(wait(queues), (Indexes{139}));
  putter.join();
}

TEST(Wait, ForAsManyObjectsAsCallsMayWaitAndNoMore) {
  Manager manager(ManagerOptions{.limits = {.calls_in_flight = 5}});  // one of them for others
  std::vector<Lock> locks;
  for (int i = 0; i < 4; ++i) {
    locks.push_back(manager.lock());
    locks.back().lock();
  }
  EXPECT_EQ(wait(locks, 1ms), Indexes());
  locks[2].unlock();
  EXPECT_EQ(wait(locks), (Indexes{2}));
  locks.push_back(manager.lock());
  EXPECT_THROW(wait(locks), Overloaded);
  EXPECT_EQ(manager.queue<int>(3).maxsize(), 3U) << "and nothing is left in flight";
}

TEST(Wait, EmptyAndClosedThingsAreErrors) {
  auto [near, far] = pipe<int>();
  near.close();
  EXPECT_THROW(wait({near}), Closed);
  EXPECT_THROW(wait({Connection<int>()}), BadCall);
  EXPECT_THROW(wait({Queue<int>()}), BadCall);
  EXPECT_THROW(wait({Lock()}), BadCall);
  const int closed = far.fileno();
  far.close();
  EXPECT_THROW(wait({closed}), BadCall);
  auto [in, out] = pipe<int>(false);
  in.close();
  EXPECT_THROW(wait({out}), BadCall) << "it only sends";
}

TEST(Wait, SignalsDoNotEndIt) {
  struct sigaction action{};
  action.sa_handler = [](int) {};
  struct sigaction before{};
  ::sigaction(SIGUSR1, &action, &before);
  Manager manager;
  const Queue<int> queue = manager.queue<int>();
  auto [near, far] = pipe<int>();
  const pthread_t waiter = ::pthread_self();
  std::thread signals([&, &far = far] {
    for (int i = 0; i < 100; ++i) {
      ::pthread_kill(waiter, SIGUSR1);
      ::poll(nullptr, 0, 1);
    }
    far.send(4);
  });
  EXPECT_EQ(wait({queue, near}), (Indexes{1}));
  signals.join();
  ::sigaction(SIGUSR1, &before, nullptr);
}

// It has no use for errors that are the thread's: a lock that was lost, a post that failed.
TEST(Wait, LeavesErrorsForTheThreadsNextCall) {
  Manager manager;
  const List<int> list = manager.list<int>();
  Lock lock = manager.lock();
  lock.lock();
  detail::manager::ManagerAccess::session_of(manager)->post(list.reference()->token().object,
                                                            "nonsense", detail::core::kNoArguments);
  EXPECT_TRUE(wait({lock}, 50ms).empty());
  EXPECT_THROW(list.append(1), BadCall);
  EXPECT_EQ(list.size(), 0U);
}

}  // namespace
}  // namespace steward

// ---- Beside the POSIX function of the same name ----

namespace {

using namespace steward;

TEST(Wait, PosixMeansItsOwnStill) {
  int status = 0;
  static_assert(std::same_as<decltype(wait(&status)), pid_t>);
  static_assert(std::same_as<decltype(wait(nullptr)), pid_t>);
  EXPECT_EQ(wait(&status), -1);
}

}  // namespace
