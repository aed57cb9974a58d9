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

namespace steward::detail::test {
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

using Counts = Dict<std::string, int>;

// Counts up its own entry, as nobody else does: a crossed reply would be another number.
bool counts_alone(const Counts& counts, const std::string& mine) {
  bool right = true;
  for (int k = 1; k <= 5; ++k) right = right && counts.add(mine, 1) == k;
  return right;
}

void keep_calling(const Counts& counts, const List<int>& list, int number) {
  const std::string mine = "child" + std::to_string(number);
  bool other_right = false;
  std::thread other([&] { other_right = counts_alone(counts, mine + "'s thread"); });
  const bool right = counts_alone(counts, mine);
  other.join();
  list.append(number);
  std::exit(right && other_right ? 0 : 1);
}

TEST(Fork, ProcessesForkedFromAThreadedClientKeepCallingWithItsProxies) {
  Manager manager;
  const Counts counts = manager.dict<std::string, int>();
  const List<int> list = manager.list<int>();
  std::atomic<bool> stop = false;
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      const std::string mine = "thread" + std::to_string(t);
      for (int expected = 1; !stop; ++expected) ASSERT_EQ(counts.add(mine, 1), expected);
    });
  }
  constexpr int kAtOnce = 4;
  const int forks = std::getenv("STEWARD_FULL") != nullptr ? 1000 : 24;
  const ProcessOptions forked{.start_method = StartMethod::fork};
  for (int first = 0; first < forks; first += kAtOnce) {
    std::vector<Process> children;
    for (int i = first; i < first + kAtOnce; ++i) {
      // Proxies as they lie in the forked memory, and as arguments, which are claimed anew.
      if (i % 2 == 0) {
        children.emplace_back(forked, [counts, &list, i] { keep_calling(counts, list, i); });
      } else {
        children.emplace_back(forked, keep_calling, counts, list, i);
      }
      children.back().start();
      list.append(-1);
    }
    for (Process& child : children) {
      child.join();
      ASSERT_EQ(child.exitcode(), 0);
    }
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(list.count(-1), static_cast<std::size_t>(forks));
  for (int i = 0; i < forks; ++i) ASSERT_EQ(list.count(i), 1U);
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
}  // namespace steward::detail::test
