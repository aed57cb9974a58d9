// Managers and queues where the system refuses memory: under limits, as batch systems set them, and
// filters of system calls.
#include <sys/resource.h>
#include <sys/syscall.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>

#include <gtest/gtest.h>

#include <steward/steward.hpp>
#include <steward/tests/crash/eventually.hpp>
#include <steward/tests/refused_call.hpp>
#include <steward/tests/sanitized.hpp>

namespace steward::detail::test {
namespace {

void limit(__rlimit_resource_t resource, rlim_t to) {
  const rlimit both{to, to};
  if (::setrlimit(resource, &both) != 0) std::abort();
}

int take(const Queue<std::string>& queue) { return static_cast<int>(queue.get().size()); }

// In processes of their own: the limit cannot be raised again.
class FileLimitDeathTest : public testing::TestWithParam<rlim_t> {};
INSTANTIATE_TEST_SUITE_P(Of, FileLimitDeathTest,
                         testing::Values(rlim_t{4'096'000'000}, rlim_t{100'000'000}, rlim_t{4096}));

// Ends this process: with 7 if all is right.
[[noreturn]] void use_a_queue() {
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
}

// The manager is not ended by SIGXFSZ: a queue whose ring is too large goes through it.
TEST_P(FileLimitDeathTest, QueuesWork) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT((limit(RLIMIT_FSIZE, GetParam()), use_a_queue()), testing::ExitedWithCode(7), "");
}

// Where there is no room for a ring's mapping.
TEST(AddressSpaceDeathTest, IsNotNeededByQueues) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer needs address space and descriptors itself";
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT((limit(RLIMIT_AS, rlim_t{500'000'000}), use_a_queue()), testing::ExitedWithCode(7),
              "");
}

TEST(MemoryFilesDeathTest, AreNotNeededByQueues) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT((test::refuse_call(SYS_memfd_create, EPERM), use_a_queue()),
              testing::ExitedWithCode(7), "");
}

// As long as the manager has no memory files, and not for good.
TEST(MemoryFiles, ThatAManagerLacksForAMomentKeepNoQueueFromItsRing) {
  const Manager manager;
  const Queue<int> queue = manager.queue<int>();
  queue.maxsize();
  rlimit usual{};
  ASSERT_EQ(::prlimit(manager.pid(), RLIMIT_FSIZE, nullptr, &usual), 0);
  const rlimit none{4096, usual.rlim_max};
  ASSERT_EQ(::prlimit(manager.pid(), RLIMIT_FSIZE, &none, nullptr), 0);
  queue.put(1);
  EXPECT_EQ(queue.transport(), "zmq");
  ASSERT_EQ(::prlimit(manager.pid(), RLIMIT_FSIZE, &usual, nullptr), 0);
  EXPECT_TRUE(eventually([&] { return queue.transport() == "shm"; }));
  EXPECT_EQ(queue.get(), 1);
}

}  // namespace
}  // namespace steward::detail::test
