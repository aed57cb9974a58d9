#include <steward/process/descriptors.hpp>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <string>

#include <gtest/gtest.h>

#include <steward/tests/process/support.hpp>

namespace steward::detail::process {
namespace {

using namespace std::chrono_literals;

TEST(Descriptors, WaitStopsAtTheDeadline) {
  const test::Pipe pipe;
  EXPECT_FALSE(wait_readable({pipe.reader_fd()}, core::deadline_after(0ms)));
  EXPECT_FALSE(wait_readable({pipe.reader_fd()}, core::deadline_after(-1h)));
  const auto start = std::chrono::steady_clock::now();
  EXPECT_FALSE(wait_readable({pipe.reader_fd()}, core::deadline_after(20ms)));
  EXPECT_GE(std::chrono::steady_clock::now() - start, 20ms);
}

TEST(Descriptors, WaitSeesOneOfSeveral) {
  const test::Pipe quiet;
  const test::Pipe loud;
  loud.write("x");
  EXPECT_TRUE(wait_readable({quiet.reader_fd(), loud.reader_fd()}, std::nullopt));
}

TEST(Descriptors, WaitSeesAHangUp) {
  test::Pipe pipe;
  pipe.close_writer();
  EXPECT_TRUE(wait_readable({pipe.reader_fd()}, std::nullopt));
}

TEST(Descriptors, AllButTheKeptOnesAreClosed) {
  const test::Pipe pipe;
  const int kept = pipe.reader_fd();
  const int code = test::in_fork([&] {
    close_all_except({2, kept, 0, 1});
    return ::fcntl(kept, F_GETFD) >= 0 && ::fcntl(pipe.writer_fd(), F_GETFD) < 0 &&
                   test::open_files(::getpid()) == 4
               ? 0
               : 1;
  });
  EXPECT_EQ(code, 0);
}

TEST(Descriptors, SealedMemoryHoldsThePartsForGood) {
  const shm::UniqueFd memory = sealed_memory({"head ", "", "arguments"});
  const Mapping mapped(memory.get());
  EXPECT_EQ(mapped.bytes(), "head arguments");
  EXPECT_LT(::pwrite(memory.get(), "x", 1, 0), 0);
  EXPECT_EQ(errno, EPERM);
  EXPECT_LT(::ftruncate(memory.get(), 0), 0);
  EXPECT_EQ(::mmap(nullptr, 1, PROT_READ | PROT_WRITE, MAP_SHARED, memory.get(), 0), MAP_FAILED);
}

TEST(Descriptors, AMappingMovesAndMayBeEmpty) {
  const shm::UniqueFd nothing = sealed_memory({});
  EXPECT_EQ(Mapping(nothing.get()).bytes(), "");
  const shm::UniqueFd memory = sealed_memory({"text"});
  Mapping first(memory.get());
  Mapping second(std::move(first));
  EXPECT_EQ(second.bytes(), "text");
  Mapping third;
  third = std::move(second);
  EXPECT_EQ(third.bytes(), "text");
}

}  // namespace
}  // namespace steward::detail::process
