// Pools whose workers die: at any moment, and in every way.
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <future>
#include <memory>
#include <numeric>
#include <optional>
#include <random>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <steward/process/descriptors.hpp>
#include <steward/pool/dispatcher.hpp>
#include <steward/process/launch.hpp>
#include <steward/pool/pool.hpp>
#include <steward/process/process.hpp>
#include <steward/shm/pidfd.hpp>
#include <steward/tests/client/seed.hpp>
#include <steward/tests/pool/counting_losses.hpp>
#include <steward/tests/process/methods.hpp>
#include <steward/tests/process/support.hpp>

namespace steward::detail::test {
namespace {

int cube(int x) { return x * x * x; }
std::vector<int> up_to(int n) {
  std::vector<int> numbers(static_cast<std::size_t>(n));
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}
int wrapping_cube(int x) {
  const auto wide = static_cast<unsigned>(x);
  return static_cast<int>(wide * wide * wide);
}
int killed_at_7(int x) {
  if (x == 7) ::raise(SIGKILL);
  return cube(x);
}
int exits(int code) { std::exit(code); }

// Dies the first so many times: each leaves a byte in a pipe.
int dies_at_first(const std::string& writer, int times, int x) {
  const shm::UniqueFd fd(::open(writer.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK));
  int before = 0;
  if (::ioctl(fd.get(), FIONREAD, &before) != 0) std::abort();
  if (before >= times) return cube(x);
  write_to(fd.get(), "x");
  ::raise(SIGSEGV);
  return 0;
}

class PoolDeath : public ByMethod {};
INSTANTIATE_TEST_SUITE_P(Each, PoolDeath, every_method(), method_name);

TEST_P(PoolDeath, FailsTheTaskOfAWorkerThatIsKilledAndGoesOn) {
  Pool pool(2);
  try {
    pool.apply(killed_at_7, 7);
    FAIL() << "it returned";
  } catch (const WorkerDied& error) {
    const std::string text = error.what();
    EXPECT_TRUE(text.starts_with("PoolWorker-")) << text;
    EXPECT_NE(text.find("ended with signal 9 (Killed) while it ran task 0"), text.npos) << text;
  }
  EXPECT_EQ(pool.map(cube, {1, 2, 3}), (std::vector<int>{1, 8, 27}));
  EXPECT_TRUE(eventually([&] { return pool.pids().size() == 2; }));
}

TEST_P(PoolDeath, SaysWithWhichCodeAWorkerEnded) {
  Pool pool(1);
  try {
    static_cast<void>(pool.apply(exits, 3));
    FAIL() << "it returned";
  } catch (const WorkerDied& error) {
    EXPECT_NE(std::string(error.what()).find("exit code 3"), std::string::npos) << error.what();
  }
}

TEST(PoolDeath, LosesExactlyTheTaskOfTheDeadWorker) {
  Pool pool(2);
  auto results = pool.imap(killed_at_7, up_to(30));
  for (int i = 0; i < 30; ++i) {
    if (i == 7) {
      EXPECT_THROW(results.next(), WorkerDied);
    } else {
      EXPECT_EQ(results.next(), cube(i));
    }
  }
  // In chunks, what was in the chunk.
  auto chunks = pool.imap(killed_at_7, up_to(30), 5);
  for (int i = 0; i < 30; ++i) {
    if (i >= 5 && i < 10) {
      EXPECT_THROW(chunks.next(), WorkerDied);
    } else {
      EXPECT_EQ(chunks.next(), cube(i));
    }
  }
  EXPECT_THROW(pool.map(killed_at_7, up_to(30)), WorkerDied);
}

TEST(PoolDeath, RunsATaskAgainAsOftenAsAsked) {
  Pipe pipe;
  Pool pool({.processes = 2, .retries = 2});
  EXPECT_EQ(pool.apply(dies_at_first, pipe.writer(), 2, 5), 125);
  EXPECT_EQ(pipe.read(2), "xx");
  EXPECT_THROW(pool.apply(dies_at_first, pipe.writer(), 3, 5), WorkerDied);
}

std::string large_or_dead(const std::string& writer, int megabytes) {
  if (megabytes == 0) dies_at_first(writer, 1, 0);
  return std::string(static_cast<std::size_t>(megabytes) << 20U, 'r');
}

TEST(PoolDeath, ATaskThatIsRunAgainForgetsTheResultsOfItsFirstWorker) {
  Pipe pipe;
  Pool pool({.processes = 1, .retries = 1});
  // The first results leave before the worker dies, as all together would be too large.
  const std::string pen = pipe.writer();
  const std::vector<std::string> results =
      pool.starmap(large_or_dead, {{pen, 40}, {pen, 30}, {pen, 0}}, 3);
  ASSERT_EQ(results.size(), 3U);
  EXPECT_EQ(results[0].size(), std::size_t{40} << 20U);
  EXPECT_EQ(results[1].size(), std::size_t{30} << 20U);
  EXPECT_EQ(results[2].size(), 0U);
  EXPECT_EQ(pipe.read(1), "x");
}

void throws_always() { throw std::invalid_argument("no such file"); }
void aborts_always() { std::abort(); }
void exits_always() { std::_Exit(3); }

TEST(PoolDeath, AnInitializerThatThrowsBreaksThePool) {
  Pool pool({.processes = 2, .initializer = Task(throws_always)});
  EXPECT_THROW(pool.apply(cube, 1), std::invalid_argument);
  EXPECT_THROW(pool.map(cube, up_to(100)), std::invalid_argument) << "later calls, too";
  pool.close();
  pool.join();
}

TEST(PoolDeath, AnInitializerThatCrashesOrExitsBreaksThePool) {
  for (const auto& [initializer, how] : {std::pair{&aborts_always, "signal 6"},
                                         std::pair{&exits_always, "exit code 3"}}) {
    Pool pool({.processes = 2, .initializer = Task(initializer)});
    try {
      pool.map(cube, up_to(100));
      FAIL() << "it returned";
    } catch (const WorkerDied& error) {
      const std::string text = error.what();
      EXPECT_TRUE(text.starts_with("Pool: 9 workers in a row ended before they were ready"))
          << text;
      EXPECT_NE(text.find(how), text.npos) << text;
    }
  }
}

// Each tells who it is, and is ready once nobody writes any more.
void waits_to_be_ready(const std::string& writer, const std::string& reader) {
  tell(writer, std::to_string(::getpid()) + "\n");
  hear(reader);
}
pid_t next_worker(const Pipe& pipe) {
  return static_cast<pid_t>(std::strtol(pipe.read_line().c_str(), nullptr, 10));
}

TEST(PoolDeath, OutlivesManyKillsOfWorkersThatAreNotReadyYet) {
  Pipe pids;
  Pipe gate;
  Pool pool({.processes = 1,
             .initializer = Task(waits_to_be_ready, pids.writer(), gate.reader())});
  auto result = pool.apply_async(cube, 3);
  for (int i = 0; i < 10; ++i) ASSERT_EQ(::kill(next_worker(pids), SIGKILL), 0);
  gate.close_writer();  // a byte might go to one that is about to end
  EXPECT_EQ(result.get(), 27);
}

TEST(PoolDeath, CanBeEndedWhileItWaitsToReplaceAWorker) {
  Pipe pids;
  Pipe gate;
  Pool pool({.processes = 2,
             .initializer = Task(waits_to_be_ready, pids.writer(), gate.reader())});
  auto result = pool.apply_async(cube, 3);
  for (int i = 0; i < 10; ++i) ASSERT_EQ(::kill(next_worker(pids), SIGTERM), 0);
  pool.terminate();
  pool.join();
  EXPECT_THROW(result.get(), Closed);
}

// Of one call: keeps the reason why there is no result.
class Lost final : public pool::Collector {
 public:
  explicit Lost(std::promise<void>& why) : why_(why) {}
  void take(std::size_t, std::size_t, pool::MessageReader) override { why_.set_value(); }
  void lose(std::size_t, std::size_t, const std::exception_ptr& why) noexcept override {
    why_.set_exception(why);
  }
  void finish(std::size_t) override {}

 private:
  std::promise<void>& why_;
};

TEST(PoolDeath, KillsThatGoOnForTooLongBreakThePool) {
  Pipe pids;
  Pipe gate;
  std::promise<void> why;
  pool::Dispatcher::Plan plan;
  plan.workers.initializer = Task(waits_to_be_ready, pids.writer(), gate.reader());
  plan.workers.restarts =
      pool::RestartPolicy({.kills = 2, .patience = core::Duration::zero()});
  pool::Dispatcher dispatcher(std::move(plan));
  const auto job =
      dispatcher.open("map", "", std::make_unique<Lost>(why), pool::Job::Tells::nothing);
  dispatcher.add(job, {0, 1, "", nullptr});
  dispatcher.complete(job, 1, pool::Dispatcher::Next::nobody_waits);
  for (int i = 0; i < 3; ++i) ASSERT_EQ(::kill(next_worker(pids), SIGKILL), 0);
  try {
    why.get_future().get();
    FAIL() << "it returned";
  } catch (const WorkerDied& error) {
    EXPECT_STREQ(error.what(),
                 "Pool: 3 workers in a row ended before they were ready for a task, the last "
                 "with signal 9 (Killed)");
  }
}

TEST(PoolDeath, WhatIsAddedToABrokenPoolFailsThoughNobodyAnswersForTheRest) {
  Pipe pids;
  Pipe gate;
  pool::Dispatcher::Plan plan;
  plan.workers.initializer = Task(waits_to_be_ready, pids.writer(), gate.reader());
  plan.workers.restarts =
      pool::RestartPolicy({.kills = 0, .patience = core::Duration::zero()});
  pool::Dispatcher dispatcher(std::move(plan));
  std::promise<std::size_t> lost;
  const auto job =
      dispatcher.open("map", "", std::make_unique<CountingLosses>(lost), pool::Job::Tells::nothing);
  // More than the workers are given at once.
  for (int i = 0; i < 100; ++i) dispatcher.add(job, {0, 1, "", nullptr});
  ASSERT_EQ(::kill(next_worker(pids), SIGKILL), 0);
  EXPECT_TRUE(eventually([&] {
    try {
      dispatcher.open("map", "", std::make_unique<CountingLosses>(lost), pool::Job::Tells::nothing);
      dispatcher.add(job, {0, 0, "", nullptr});  // reads what has come
      return false;
    } catch (const WorkerDied&) {
      return true;
    }
  }));
  for (int i = 0; i < 3; ++i) dispatcher.add(job, {0, 1, "", nullptr});
  dispatcher.complete(job, 103, pool::Dispatcher::Next::nobody_waits);
  EXPECT_EQ(lost.get_future().get(), 103U);
}

TEST(PoolDeath, TheEndOfTheForkServerBreaksThePool) {
  EXPECT_EQ(in_fork([] {
              Pool pool(1);
              Pipe gate;
              auto waits = pool.apply_async(hear, gate.reader());
              ::kill(process::fork_server_pid(), SIGKILL);
              try {
                waits.get();
                return 1;
              } catch (const WorkerDied&) {
              }
              try {
                pool.apply(cube, 2);
                return 2;
              } catch (const WorkerDied&) {
              }
              pool.close();
              pool.join();
              return 0;
            }),
            0);
}

std::string too_large(std::size_t size) { return std::string(size, 'x'); }
std::size_t size_of(const std::string& text) { return text.size(); }

TEST(PoolDeath, WhatIsTooLargeFailsAloneAndSaysSo) {
  Pool pool(1);
  constexpr std::size_t kSize = std::size_t{65} << 20U;
  EXPECT_THROW(pool.apply(too_large, kSize), Overloaded);
  EXPECT_THROW(pool.apply(size_of, std::string(kSize, 'x')), Overloaded);
  EXPECT_EQ(pool.apply(cube, 2), 8);
}

TEST(PoolDeath, TerminateEndsWorkersThatIgnoreIt) {
  Pool pool(1);
  Pipe pipe;
  Pipe gate;
  auto stubborn = [](const std::string& writer, const std::string& reader) {
    ::signal(SIGTERM, SIG_IGN);
    tell(writer, "i");
    hear(reader);
  };
  auto waits = pool.apply_async(stubborn, pipe.writer(), gate.reader());
  EXPECT_EQ(pipe.read(1), "i");
  pool.terminate();
  pool.join();
  EXPECT_THROW(waits.get(), Closed);
}

void hold_a_pool(const std::string& writer) {
  Pool pool(3);
  std::string pids;
  for (const pid_t pid : pool.pids()) pids += std::to_string(pid) + " ";
  tell(writer, pids + "\n");
  for (;;) ::pause();
}

TEST_P(PoolDeath, WorkersEndWithTheProcessThatHasThePool) {
  Pipe pipe;
  Process parent(hold_a_pool, pipe.writer());
  parent.start();
  std::istringstream line(pipe.read_line());
  std::vector<shm::UniqueFd> workers;
  for (pid_t pid = 0; line >> pid;) workers.push_back(shm::pidfd_of(pid));
  ASSERT_EQ(workers.size(), 3U);
  parent.kill();
  parent.join();
  for (const auto& worker : workers) {
    EXPECT_TRUE(process::wait_readable({worker.get()},
                                       core::deadline_after(std::chrono::seconds(30))));
  }
}

// Kills workers at random moments while a pool is used.
class Killer {
 public:
  Killer(Pool& pool, std::uint64_t seed) : pool_(pool), random_(seed), thread_([this] { run(); }) {}
  ~Killer() {
    stop_ = true;
    thread_.join();
  }
  int kills() const { return kills_; }

 private:
  void run() {
    while (!stop_) {
      const std::vector<pid_t> pids = pool_.pids();
      if (!pids.empty() && ::kill(pids[random_() % pids.size()], SIGKILL) == 0) ++kills_;
      const auto until = std::chrono::steady_clock::now() +
                         std::chrono::microseconds(random_() % 4000);
      while (std::chrono::steady_clock::now() < until) std::this_thread::yield();
    }
  }

  Pool& pool_;
  std::mt19937_64 random_;
  std::atomic<bool> stop_{false};
  std::atomic<int> kills_{0};
  std::thread thread_;
};

int kills_wanted() { return std::getenv("STEWARD_FULL") != nullptr ? 200 : 20; }

TEST(PoolStorm, EveryResultIsRightWithRetries) {
  const std::vector<int> items = up_to(100'000);
  Pool pool({.processes = 2, .retries = 1'000'000});
  int maps = 0;
  int wrong = 0;
  const Killer killer(pool, seed());
  for (; killer.kills() < kills_wanted(); ++maps) {
    const auto chunk = static_cast<std::size_t>(maps % 3 == 0 ? 0 : 100 + maps % 1000);
    const std::vector<int> cubes = pool.map(wrapping_cube, items, chunk);
    ASSERT_EQ(cubes.size(), items.size());
    for (std::size_t i = 0; i < items.size(); ++i) wrong += cubes[i] != wrapping_cube(items[i]);
  }
  EXPECT_EQ(wrong, 0);
  std::printf("%d kills, %d maps of 100,000\n", killer.kills(), maps);
}

TEST(PoolStorm, OnlyTasksOfDeadWorkersAreLostWithoutRetries) {
  constexpr std::size_t kChunk = 500;
  const std::vector<int> items = up_to(100'000);
  Pool pool(2);
  int maps = 0;
  std::size_t lost = 0;
  std::size_t wrong = 0;
  const Killer killer(pool, seed());
  for (; killer.kills() < kills_wanted(); ++maps) {
    auto results = pool.imap(wrapping_cube, items, kChunk);
    for (std::size_t i = 0; i < items.size(); ++i) {
      try {
        wrong += results.next() != wrapping_cube(items[i]);
      } catch (const WorkerDied&) {
        ++lost;
      }
    }
    EXPECT_EQ(results.next(), std::nullopt);
  }
  EXPECT_EQ(wrong, 0U);
  EXPECT_EQ(lost % kChunk, 0U) << "whole tasks";
  EXPECT_LE(lost / kChunk, static_cast<std::size_t>(killer.kills())) << "one for each death";
  std::printf("%d kills, %d maps of 100,000, %zu tasks lost\n", killer.kills(), maps,
              lost / kChunk);
}

TEST(PoolStorm, LeavesNothingBehind) {
  const std::size_t before = [] {
    Pool(1).apply(cube, 1);
    return open_files(::getpid());
  }();
  {
    Pool pool({.processes = 2, .retries = 1'000'000});
    const Killer killer(pool, seed());
    while (killer.kills() < kills_wanted()) pool.map(wrapping_cube, up_to(1000), 10);
  }
  EXPECT_EQ(open_files(::getpid()), before);
  EXPECT_TRUE(active_children().empty());
}

}  // namespace
}  // namespace steward::detail::test
