// One word of a queue's memory is wrong: whoever meets it says so, and is well otherwise.
#include <unistd.h>

#include <gtest/gtest.h>

#include <steward/tests/shm/ring_ledger.hpp>

namespace steward::test {
namespace {

using shm::Cell;
using shm::Kind;
using shm::QueueMemory;
using shm::SharedQueue;

constexpr std::uint32_t kNoSuchBlock = 4'000'000;

QueueMemory memory_of(const SharedQueue& queue) {
  return QueueMemory::open(shm::UniqueFd(::dup(queue.fd())));
}

// Makes it seem that the participant has taken a block which does not exist. Returns what was there.
shm::Word spoil_cell(const QueueMemory& memory, unsigned taker) {
  return memory.cell(0, 100).exchange(Cell{0, Kind::taken, taker, kNoSuchBlock}.word());
}

TEST(DamagedQueue, IsLeftInPeace) {
  const auto queue = SharedQueue::create({.maxsize = 8});
  auto other = again(*queue);
  spoil_cell(memory_of(*queue), 2);
  other.reset();
  EXPECT_TRUE(put(*queue, "still here"));
}

}  // namespace
}  // namespace steward::test
