// Proxies keep working on both sides of a plain fork(), threads and calls under way or not.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <steward/steward.hpp>

namespace steward::test {
namespace {

TEST(Fork, BothSidesKeepCallingWhileThreadsAreAtWork) {
  Manager manager;
  const Dict<std::string, int> counts = manager.dict<std::string, int>();
  const List<int> list = manager.list<int>();
  std::atomic<bool> stop = false;
  std::atomic<int> calls = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      const std::string mine = "thread" + std::to_string(t);
      for (int expected = 1; !stop; ++expected) {
        // A crossed reply would not be this thread's own count.
        ASSERT_EQ(counts.add(mine, 1), expected);
        ++calls;
      }
    });
  }
  const int forks = std::getenv("STEWARD_FULL") != nullptr ? 1000 : 50;
  for (int i = 0; i < forks; ++i) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      const std::string mine = "child" + std::to_string(i);
      bool right = true;
      for (int k = 1; k <= 5; ++k) right = right && counts.add(mine, 1) == k;
      list.append(i);
      _exit(right ? 0 : 1);
    }
    list.append(-1);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
    ASSERT_EQ(WEXITSTATUS(status), 0);
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(calls, 0);
  EXPECT_EQ(list.size(), static_cast<std::size_t>(2 * forks));
  EXPECT_EQ(list.count(-1), static_cast<std::size_t>(forks));
  for (int i = 0; i < forks; ++i) EXPECT_EQ(counts.at("child" + std::to_string(i)), 5);
}

TEST(Fork, TheChildsEndDoesNotTakeTheParentsObjects) {
  Manager manager;
  {
    const List<int> list = manager.list<int>({1});
    const pid_t child = ::fork();
    if (child == 0) {
      list.append(2);
      std::exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
    EXPECT_EQ(list.copy(), (std::vector<int>{1, 2}));
  }
  EXPECT_EQ(manager.number_of_objects(), 0U);
}

}  // namespace
}  // namespace steward::test
