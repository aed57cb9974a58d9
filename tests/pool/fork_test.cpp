// A pool, and what it has promised, in a child of a plain fork(): there they are only copies.
#include <steward/pool/pool.hpp>

#include <unistd.h>

#include <chrono>
#include <fstream>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <steward/tests/process/support.hpp>

namespace steward::detail::test {
namespace {

using namespace std::chrono_literals;

int cube(int x) { return x * x * x; }
int stay(int) {
  for (;;) ::pause();
}

int in_child(const std::function<bool()>& body) {
  return in_fork([&] { return body() ? 0 : 1; });
}

template <class F>
bool refused(F&& use) {
  try {
    use();
  } catch (const BadCall& error) {
    return std::string(error.what()).starts_with("Pool: it belongs to the process that created it");
  }
  return false;
}

TEST(PoolFork, WhatIsStillAwaitedIsNotAwaitedInTheChild) {
  std::optional<Pool> pool(1);
  std::optional<Future<int>> one = pool->apply_async(stay, 1);
  std::optional<Future<int>> other = pool->apply_async(stay, 2);
  EXPECT_EQ(in_child([&] {
    const bool right = refused([&] { one->wait_for(1ms); }) && refused([&] { one->cancel(); }) &&
                       refused([&] { when_any(*one, *other); }) && !one->ready() &&
                       refused([&] { one->get(); });
    one.reset();
    other.reset();
    pool.reset();
    return right;
  }), 0);
  EXPECT_FALSE(one->ready());
}

TEST(PoolFork, WhatIsThereIsGotInTheChildAsWell) {
  Pool pool(1);
  Future<int> sum = pool.apply_async(cube, 3);
  sum.wait();
  EXPECT_EQ(in_child([&] { return sum.get() == 27; }), 0);
  EXPECT_EQ(sum.get(), 27);
}

TEST(PoolFork, ResultsThatAreWalkedOverEndInSilence) {
  std::optional<Pool> pool(1);
  auto results = std::make_optional(pool->imap(cube, std::vector<int>{1, 2, 3}));
  EXPECT_EQ(in_child([&] {
    const bool right = refused([&] { results->next(); }) &&
                       refused([&] { results->wait_for(1ms); });
    results.reset();
    pool.reset();
    return right;
  }), 0);
  int sum = 0;
  for (const int result : *results) sum += result;
  EXPECT_EQ(sum, 36);
}

// A process that a call forks, and that waits at the gate: its pid, once fork() has returned there.
int forks(const std::string& gate) {
  const Pipe forked;
  const pid_t pid = ::fork();
  if (pid == 0) {
    forked.write("1");
    hear(gate);
    ::_exit(0);
  }
  forked.read(1);
  return pid;
}

// Those of open files, of which a process has one for each ring of a pool.
int locks_of(pid_t pid) {
  const std::string files = "/proc/" + std::to_string(pid) + "/fdinfo/";
  int locks = 0;
  for (const std::string& file : entries(files)) {
    std::ifstream info(files + file);
    for (std::string line; std::getline(info, line);) locks += line.starts_with("lock:") ? 1 : 0;
  }
  return locks;
}

TEST(PoolFork, WhatAWorkerForksKeepsNoneOfItsLocks) {
  Pipe gate;
  Pool pool(1);
  const pid_t forked = pool.apply(forks, gate.reader());
  EXPECT_GT(locks_of(pool.pids().at(0)), 0);
  // Its pid may be known before it has dropped them.
  EXPECT_TRUE(eventually([&] { return locks_of(forked) == 0; }));
  gate.close_writer();
}

TEST(PoolFork, WhatTheProgramForksKeepsNoneOfThePoolsLocks) {
  Pool pool(1);
  pool.apply(cube, 1);
  EXPECT_GT(locks_of(::getpid()), 0);
  EXPECT_EQ(in_child([] { return locks_of(::getpid()) == 0; }), 0);
}

// The last that there is of a pool which has ended before.
TEST(PoolFork, AFutureThatOutlivesThePoolEndsInSilence) {
  std::optional<Pool> pool(1);
  auto results = std::make_optional(pool->imap(cube, std::vector<int>{1}));
  pool.reset();
  EXPECT_EQ(in_child([&] {
    results.reset();
    return true;
  }), 0);
}

}  // namespace
}  // namespace steward::detail::test
