// How large tasks are, and pools with large arguments and results.
#include <sys/types.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <steward/pool/pool.hpp>
#include <steward/pool/rings.hpp>
#include <steward/shm/queue_layout.hpp>
#include <steward/tests/process/support.hpp>

namespace steward::detail::test {
namespace {

constexpr std::size_t kMega = std::size_t{1} << 20U;

std::size_t length(const std::string& text) { return text.size(); }
std::string megabytes(int count) {
  return std::string(static_cast<std::size_t>(count) * kMega, 'r');
}
int one_more(int x) { return x + 1; }

TEST(PoolSize, ChunksThatThePoolChoosesAreBoundedByBytes) {
  Pool pool(2);
  const std::vector<std::size_t> sizes = pool.map(length, std::vector(30, megabytes(6)));
  EXPECT_EQ(sizes, std::vector(30, 6 * kMega));
}

pid_t who_for(int) { return ::getpid(); }

// How many tasks the calls of a map are: each has a worker of its own.
std::size_t tasks_of(PoolOptions options, std::size_t calls, std::size_t chunk_size) {
  options.processes = 1;
  options.max_tasks_per_child = 1;
  Pool pool(std::move(options));
  const auto pids = pool.map(who_for, std::vector<int>(calls), chunk_size);
  return std::set<pid_t>(pids.begin(), pids.end()).size();
}

TEST(PoolSize, ChoosesSmallerChunksWhereProgressIsTold) {
  const auto tell = [](std::size_t, std::size_t) {};
  EXPECT_EQ(tasks_of({}, 80, 0), 4U);
  EXPECT_EQ(tasks_of({.on_progress = tell}, 80, 0), 80U);
  EXPECT_EQ(tasks_of({.on_progress = tell}, 500, 0), 100U);
  EXPECT_EQ(tasks_of({.on_progress = tell}, 80, 40), 2U) << "as it was told";
}

TEST(PoolSize, ChunksOfTheCallerAreSplitWhereOneTaskWouldBeTooLarge) {
  Pool pool(2);
  std::vector<std::string> texts(12, megabytes(12));
  texts[3] = "abc";
  const std::vector<std::size_t> sizes = pool.map(length, texts, 100);
  ASSERT_EQ(sizes.size(), texts.size());
  for (std::size_t i = 0; i < sizes.size(); ++i) EXPECT_EQ(sizes[i], texts[i].size()) << i;
}

TEST(PoolSize, ResultsOfOneChunkMayBeLargerThanOneMessage) {
  Pool pool(2);
  const std::vector<std::string> results = pool.map(megabytes, {20, 1, 20, 30, 2}, 5);
  std::vector<std::size_t> sizes;
  for (const std::string& result : results) sizes.push_back(result.size() / kMega);
  EXPECT_EQ(sizes, (std::vector<std::size_t>{20, 1, 20, 30, 2}));
}

TEST(PoolSize, AResultThatIsTooLargeFailsAloneInItsChunk) {
  Pool pool(1);
  auto results = pool.imap(megabytes, {1, 65, 2}, 3);
  EXPECT_EQ(results.next()->size(), kMega);
  try {
    results.next();
    FAIL() << "it returned";
  } catch (const Overloaded& error) {
    EXPECT_TRUE(std::string(error.what()).starts_with("Pool: the result of a call has 6815"))
        << error.what();
  }
  EXPECT_EQ(results.next()->size(), 2 * kMega);
  EXPECT_EQ(results.next(), std::nullopt);
}

TEST(PoolSize, ACallThatIsTooLargeSaysWhichItIs) {
  Pool pool(1);
  try {
    pool.map(length, {std::string("a"), megabytes(65), std::string("b")});
    FAIL() << "it returned";
  } catch (const Overloaded& error) {
    EXPECT_TRUE(std::string(error.what()).starts_with("Pool: call 1 has 6815")) << error.what();
  }
}

// More than there are blocks for in its ring: the rest waits outside.
TEST(PoolSize, MoreLargeTasksThanTheRingHasBlocksFor) {
  Pool pool(2);
  std::vector<Future<std::size_t>> sizes;
  for (int i = 0; i < 24; ++i) sizes.push_back(pool.apply_async(length, megabytes(5)));
  Future<int> small = pool.apply_async(one_more, 1);
  for (auto& size : sizes) EXPECT_EQ(size.get(), 5 * kMega);
  EXPECT_EQ(small.get(), 2);
}

TEST(PoolSize, RingsShrinkToTheAddressSpaceThereIs) {
  const auto bytes = [](std::uint64_t limit) {
    return shm::QueueLayout::of(pool::ring_shape(limit)).size;
  };
  EXPECT_EQ(pool::ring_shape(~std::uint64_t{0}).message_bytes, 64 * kMega);
  EXPECT_LE(bytes(~std::uint64_t{0}), 1024 * kMega);
  for (const std::size_t limit : {10U, 50U, 100U, 500U, 900U}) {
    EXPECT_LE(bytes(limit * kMega), limit * kMega) << limit;
    EXPECT_GE(bytes(limit * kMega) * 4, limit * kMega) << limit;
  }
  EXPECT_EQ(pool::ring_shape(0).message_bytes, 4 * kMega);
}

}  // namespace
}  // namespace steward::detail::test
