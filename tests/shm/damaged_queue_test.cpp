// One word of a queue's memory is wrong: whoever meets it says so, and is well otherwise.
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <ctime>

#include <gtest/gtest.h>

#include <steward/tests/shm/ring_ledger.hpp>

namespace steward::detail::test {
namespace {

using namespace std::chrono_literals;
using shm::Cell;
using shm::Damaged;
using shm::Item;
using shm::Kind;
using shm::QueueMemory;
using shm::SharedQueue;

constexpr core::Time kNow = SharedQueue::kNow;
constexpr std::uint32_t kNoSuchBlock = 4'000'000;

QueueMemory memory_of(const SharedQueue& queue) {
  return QueueMemory::open(shm::UniqueFd(::dup(queue.fd())));
}

// Makes it seem that the participant has taken a block which does not exist. Returns what was
// there.
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

TEST(DamagedQueue, IsRecoveredByAnotherOnceItIsWhole) {
  const auto queue = SharedQueue::create({.maxsize = 8});
  const auto other = again(*queue);
  put(*queue, "held");
  if (const pid_t pid = ::fork(); pid == 0) {
    shm::Held held;
    test::reserve(*again(*queue), {}, [](const Item&) { ::_exit(0); }, kNow, held);
    ::_exit(1);
  } else {
    int status = 0;
    ASSERT_EQ(::waitpid(pid, &status, 0), pid);
    ASSERT_EQ(status, 0);
  }
  const auto memory = memory_of(*queue);
  const shm::Word was = spoil_cell(memory, 3);
  EXPECT_THROW(queue->recover_dead(), Damaged);
  memory.cell(0, 100).store(was);
  other->recover_dead();
  EXPECT_EQ(next(*other), "again_held");
}

// Only the main ring has an end. A search that takes this for one begins again for ever.
TEST(DamagedQueue, HasNoEndAmongWhatCameBack) {
  const auto queue = SharedQueue::create({.maxsize = 8});
  memory_of(*queue).cell(shm::kRedelivery, 0).store(Cell{0, Kind::end, 0, 0}.word());
  EXPECT_THROW(next(*queue), Damaged);
}

// A lease that ends far beyond the range of the clock is none that a sleeper must wait for.
TEST(DamagedQueue, LetsItsTakersSleep) {
  const auto queue = SharedQueue::create({.maxsize = 8});
  memory_of(*queue).next_expiry().store(~shm::Word{0});
  const std::clock_t before = std::clock();
  EXPECT_EQ(next(*queue, core::deadline_after(300ms)), "(empty)");
  EXPECT_LT(std::clock() - before, CLOCKS_PER_SEC / 10);
}

}  // namespace
}  // namespace steward::detail::test
