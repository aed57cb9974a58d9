// A pool whose shared memory a worker that ran wild has damaged: it fails, and ends nothing else.
#include <unistd.h>

#include <cstddef>
#include <exception>
#include <future>
#include <memory>
#include <utility>

#include <gtest/gtest.h>

#include <steward/pool/dispatcher.hpp>
#include <steward/pool/job.hpp>
#include <steward/pool/messages.hpp>
#include <steward/pool/rings.hpp>
#include <steward/shm/queue_memory.hpp>
#include <steward/shm/shared_queue.hpp>
#include <steward/tests/process/support.hpp>

namespace steward::detail::test {
namespace {

using pool::Dispatcher;

// Tells that all has come to its end.
class Ending final : public pool::Collector {
 public:
  explicit Ending(std::promise<void>& ended) : ended_(ended) {}
  void take(std::size_t, std::size_t, pool::MessageReader) override {}
  void lose(std::size_t, std::size_t, const std::exception_ptr&) noexcept override {}
  void finish(std::size_t) override { ended_.set_value(); }

 private:
  std::promise<void>& ended_;
};

// One whose ring of tasks can be put to and taken from, and not closed.
class Damaged {
 public:
  explicit Damaged(Dispatcher::Plan plan = {}) : Damaged(std::move(plan), pool::make_rings()) {}

  void damage() { tasks_.hint(shm::Hint::tail).store(~shm::Word{0}); }

 private:
  Damaged(Dispatcher::Plan plan, pool::PoolRings rings)
      : tasks_(shm::QueueMemory::open(shm::UniqueFd(::dup(rings.tasks->fd())))),
        pool(std::move(plan), std::move(rings)) {}

  shm::QueueMemory tasks_;

 public:
  Dispatcher pool;
};

// In a fork, which what leaves a destructor would end.
TEST(DamagedPool, IsDestroyed) {
  EXPECT_EQ(in_fork([] {
              Damaged damaged;
              damaged.damage();
              return 0;
            }),
            0);
}

TEST(DamagedPool, IsClosedAndJoined) {
  EXPECT_EQ(in_fork([] {
              Damaged damaged;
              damaged.damage();
              damaged.pool.close();
              damaged.pool.join();
              return 0;
            }),
            0);
}

TEST(DamagedPool, GivesTheLastResultAndIsJoined) {
  EXPECT_EQ(in_fork([] {
              Pipe gate;
              Dispatcher::Plan plan;
              plan.workers.initializer = Task(hear, gate.reader());
              Damaged damaged(std::move(plan));
              std::promise<void> ended;
              const auto job = damaged.pool.open("map", "", std::make_unique<Ending>(ended),
                                                 pool::Job::Tells::nothing);
              damaged.pool.add(job, {0, 1, "", nullptr});
              damaged.pool.complete(job, 1, Dispatcher::Next::nobody_waits);
              damaged.pool.close();
              damaged.damage();
              gate.write("x");
              ended.get_future().get();
              damaged.pool.join();
              return 0;
            }),
            0);
}

}  // namespace
}  // namespace steward::detail::test
