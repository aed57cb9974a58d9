// Which workers of a pool are replaced, and when.
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include <steward/process/descriptors.hpp>
#include <steward/pool/dispatcher.hpp>
#include <steward/pool/pool.hpp>
#include <steward/pool/rings.hpp>
#include <steward/shm/shared_queue.hpp>
#include <steward/tests/process/support.hpp>

namespace steward::detail::test {
namespace {

int cube(int x) { return x * x * x; }

// Of all workers one gets the token and stays; the others leave once the gate is open.
void only_one_stays(const std::string& token, const std::string& gone, const std::string& gate) {
  const shm::UniqueFd fd(::open(token.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (char got; ::read(fd.get(), &got, 1) == 1) return;
  hear(gate);
  tell(gone, "x");
  std::_Exit(3);
}

TEST(PoolReplacement, WorkersThatFailAtTheirStartBreakNothingWhileAnotherIsReady) {
  Pipe token;
  Pipe gone;
  Pipe gate;
  token.write("t");
  Pool pool({.processes = 2,
             .initializer =
                 Task(only_one_stays, token.reader(), gone.writer(), gate.reader())});
  EXPECT_EQ(pool.apply(cube, 2), 8) << "one is ready";
  gate.close_writer();
  EXPECT_EQ(gone.read(11), std::string(11, 'x'));
  EXPECT_EQ(pool.apply(cube, 3), 27);
}

// One has a message only where its worker had a task; else nobody would read them.
TEST(PoolReplacement, WorkersThatFailWithoutATaskFillNoRing) {
  Pipe token;
  Pipe gone;
  Pipe gate;
  token.write("t");
  gate.close_writer();
  pool::Dispatcher::Plan plan;
  plan.workers.count = 2;
  plan.workers.initializer =
      Task(only_one_stays, token.reader(), gone.writer(), gate.reader());
  plan.workers.restarts = pool::RestartPolicy(
      {.defects = 1'000'000,
       .first_pause = core::Duration::zero(),
       .longest_pause = core::Duration::zero()});
  shm::QueueShape shape = pool::ring_shape(0);
  shape.maxsize = 8;
  pool::Dispatcher dispatcher(
      std::move(plan), {shm::SharedQueue::create(shape), shm::SharedQueue::create(shape)});
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(process::wait_readable({gone.reader_fd()},
                                       core::deadline_after(std::chrono::seconds(60))))
        << "no worker came after " << i;
    gone.read(1);
  }
}

// In every process that is forked: the first that gets the token is killed before it is anything.
std::string& path_of_token() {
  static std::string path;
  return path;
}
void die_with_the_token() {
  const shm::UniqueFd fd(::open(path_of_token().c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (char got; ::read(fd.get(), &got, 1) == 1) ::raise(SIGKILL);
}

TEST(PoolReplacement, AWorkerThatIsKilledWhileThePoolIsMadeIsReplaced) {
  EXPECT_EQ(in_fork([] {
              Pipe token;
              path_of_token() = token.reader();
              if (::pthread_atfork(nullptr, nullptr, die_with_the_token) != 0) return 1;
              Pool(1).apply(cube, 1);  // the fork server is there
              token.write("t");
              Pool pool(2);
              token.close_writer();
              if (!token.read(1).empty()) return 2;
              if (pool.apply(cube, 2) != 8) return 3;
              return eventually([&] { return pool.pids().size() == 2; }) ? 0 : 4;
            }),
            0);
}

void tells(const std::string& writer) { tell(writer, "x"); }

TEST(PoolReplacement, AWorkerThatHasHadNoTaskIsNotReplacedAtOnce) {
  Pipe workers;
  pool::Dispatcher::Plan plan;
  plan.workers.initializer = Task(tells, workers.writer());
  const std::chrono::hours never(1000);
  plan.workers.restarts =
      pool::RestartPolicy({.first_pause = never, .longest_pause = never});
  pool::Dispatcher dispatcher(std::move(plan));
  EXPECT_EQ(workers.read(1), "x");
  const pid_t worker = dispatcher.pids().at(0);
  EXPECT_TRUE(eventually([&] { return status_field(worker, "State").starts_with("S"); }));
  ASSERT_EQ(::kill(worker, SIGKILL), 0);
  EXPECT_TRUE(eventually([&] { return dispatcher.pids().empty(); }));
  dispatcher.terminate("enough");
  dispatcher.join();
  EXPECT_EQ(workers.read_all(), "") << "no other worker came";
}

}  // namespace
}  // namespace steward::detail::test
