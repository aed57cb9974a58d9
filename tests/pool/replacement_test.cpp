// Which workers of a pool are replaced, and when.
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <streambuf>
#include <string>
#include <thread>
#include <utility>

#include <gtest/gtest.h>

#include <steward/process/descriptors.hpp>
#include <steward/pool/dispatcher.hpp>
#include <steward/pool/pool.hpp>
#include <steward/pool/rings.hpp>
#include <steward/shm/shared_queue.hpp>
#include <steward/tests/process/methods.hpp>
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

// Notes that it was written out by another thread of this process than the one that made it.
class Watched final : public std::streambuf {
 public:
  bool touched() const { return touched_; }

 private:
  int sync() override {
    if (::getpid() == process_ && std::this_thread::get_id() != thread_) touched_ = true;
    return 0;
  }

  const pid_t process_ = ::getpid();
  const std::thread::id thread_ = std::this_thread::get_id();
  std::atomic<bool> touched_{false};
};

void kill_and_await_another(Pool& pool) {
  const pid_t worker = pool.pids().at(0);
  ::kill(worker, SIGKILL);
  if (!eventually([&] {
        const auto pids = pool.pids();
        return pids.size() == 1 && pids.front() != worker;
      })) {
    std::abort();
  }
}

class PoolReplacementByMethod : public ByMethod {};
INSTANTIATE_TEST_SUITE_P(Every, PoolReplacementByMethod, every_method(), method_name);

TEST_P(PoolReplacementByMethod, LeavesTheProgramsStreamsToTheProgram) {
  Pool pool(1);
  pool.apply(cube, 1);
  Watched watched;
  std::streambuf* const before = std::cout.rdbuf(&watched);
  kill_and_await_another(pool);
  const int result = pool.apply(cube, 2);
  std::cout.rdbuf(before);
  EXPECT_EQ(result, 8);
  EXPECT_FALSE(watched.touched());
}

TEST_P(PoolReplacementByMethod, RepeatsNothingThatTheProgramHasYetToWrite) {
  Pipe output;
  {
    const Redirected redirected(STDOUT_FILENO, output.writer_fd());
    EXPECT_EQ(in_fork([] {
                std::ios::sync_with_stdio(false);
                Pool pool(1);
                pool.apply(cube, 1);
                std::cout << "C++ ";
                std::printf("C ");
                kill_and_await_another(pool);
                return pool.apply(cube, 2) == 8 ? 0 : 1;
              }),
              0);
  }
  const std::string text = output.read_all();
  EXPECT_TRUE(text == "C++ C " || text == "C C++ ") << text;
}

std::string variable(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value != nullptr ? value : "none";
}

TEST_P(PoolReplacementByMethod, HasTheEnvironmentThatThePoolWasMadeIn) {
  EXPECT_EQ(in_fork([] {
              ::setenv("STEWARD_TEST", "then", 1);
              Pool pool(1);
              ::setenv("STEWARD_TEST", "now", 1);
              if (pool.apply(variable, "STEWARD_TEST") != "then") return 1;
              kill_and_await_another(pool);
              return pool.apply(variable, "STEWARD_TEST") == "then" ? 0 : 2;
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
