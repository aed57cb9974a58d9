// A manager under a limit on the size of files, as batch systems set one.
#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include <gtest/gtest.h>

#include <steward/steward.hpp>

namespace steward::test {
namespace {

void limit_files(rlim_t bytes) {
  const rlimit limit{bytes, bytes};
  if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) std::abort();
}

int take(const Queue<std::string>& queue) { return static_cast<int>(queue.get().size()); }

// In processes of their own: the limit cannot be raised again.
class FileLimitDeathTest : public testing::TestWithParam<rlim_t> {};
INSTANTIATE_TEST_SUITE_P(Of, FileLimitDeathTest,
                         testing::Values(rlim_t{4'096'000'000}, rlim_t{100'000'000}, rlim_t{4096}));

// The manager is not ended by SIGXFSZ: a queue whose ring is too large goes through it.
TEST_P(FileLimitDeathTest, QueuesWork) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto use_a_queue = [] {
    limit_files(GetParam());
    try {
      const Manager manager;
      const Queue<std::string> queue = manager.queue<std::string>();
      queue.put(std::string(100, 'x'));
      Process child([](const Queue<std::string>& to) { to.put(std::string(200, 'y')); }, queue);
      const int first = take(queue);
      child.start();
      std::exit(first + take(queue) == 300 && manager.list<int>({1}).size() == 1 ? 7 : 8);
    } catch (const std::exception& error) {
      std::fputs(error.what(), stderr);
      std::exit(9);
    }
  };
  EXPECT_EXIT(use_a_queue(), testing::ExitedWithCode(7), "");
}

}  // namespace
}  // namespace steward::test
