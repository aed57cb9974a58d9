// Process: its life from start to close.
#include <steward/process/process.hpp>

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#include <array>
#include <atomic>
#include <chrono>
#include <concepts>
#include <cstdlib>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include <gtest/gtest.h>

#include <steward/core/errors.hpp>
#include <steward/shm/pidfd.hpp>

#include <steward/tests/process/methods.hpp>
#include <steward/tests/process/support.hpp>

namespace steward {
namespace {

using namespace std::chrono_literals;
using detail::test::Pipe;

static_assert(!std::copyable<Process> && std::movable<Process>);
static_assert(!std::default_initializable<Process>);

void nothing() {}
void wait_for(const std::string& gate) { detail::test::hear(gate); }
void exit_with(int code) { std::exit(code); }
void raise(int number) { ::raise(number); }

class ProcessTest : public detail::test::ByMethod {};
INSTANTIATE_TEST_SUITE_P(Every, ProcessTest, detail::test::every_method(),
                         detail::test::method_name);

TEST_P(ProcessTest, RunsTheTargetInAnotherProcess) {
  const Pipe pipe;
  Process child(
      [](const std::string& writer) { detail::test::tell(writer, std::to_string(::getpid())); },
      pipe.writer());
  child.start();
  child.join();
  EXPECT_EQ(child.exitcode(), 0);
  EXPECT_NE(child.pid(), ::getpid());
  EXPECT_EQ(pipe.read(std::to_string(child.pid()).size()), std::to_string(child.pid()));
}

TEST_P(ProcessTest, IsAliveFromStartToEnd) {
  const Pipe gate;
  Process child(wait_for, gate.reader());
  EXPECT_FALSE(child.is_alive());
  EXPECT_EQ(child.exitcode(), std::nullopt);
  child.start();
  EXPECT_TRUE(child.is_alive());
  EXPECT_EQ(child.exitcode(), std::nullopt);
  gate.write("x");
  child.join();
  EXPECT_FALSE(child.is_alive());
  EXPECT_EQ(child.exitcode(), 0);
}

TEST_P(ProcessTest, JoinWithATimeoutSaysWhetherItEnded) {
  const Pipe gate;
  Process child(wait_for, gate.reader());
  child.start();
  EXPECT_FALSE(child.join(0s));
  const auto start = std::chrono::steady_clock::now();
  EXPECT_FALSE(child.join(30ms));
  EXPECT_GE(std::chrono::steady_clock::now() - start, 30ms);
  gate.write("x");
  EXPECT_TRUE(child.join(1h));
  EXPECT_TRUE(child.join(0s));
  EXPECT_TRUE(child.join(std::chrono::hours::max()));
  child.join();  // as often as one likes
}

TEST_P(ProcessTest, ExitCodesArrive) {
  for (const int code : {0, 1, 3, 255}) {
    Process child(exit_with, code);
    child.start();
    child.join();
    EXPECT_EQ(child.exitcode(), code);
  }
}

TEST_P(ProcessTest, DeathByASignalIsANegativeExitCode) {
  for (const int number : {SIGKILL, SIGTERM, SIGUSR1}) {
    Process child(raise, number);
    child.start();
    child.join();
    EXPECT_EQ(child.exitcode(), -number);
  }
  Process crash([] {
    const rlimit none{0, 0};
    ::setrlimit(RLIMIT_CORE, &none);
    ::signal(SIGABRT, SIG_DFL);
    std::abort();
  });
  crash.start();
  crash.join();
  EXPECT_EQ(crash.exitcode(), -SIGABRT);
}

TEST_P(ProcessTest, TerminateAndKillEndIt) {
  const Pipe gate;
  Process polite(wait_for, gate.reader());
  polite.start();
  polite.terminate();
  polite.join();
  EXPECT_EQ(polite.exitcode(), -SIGTERM);
  polite.terminate();  // too late, and no harm

  const Pipe ready;
  Process deaf(
      [](const std::string& writer, const std::string& reader) {
        ::signal(SIGTERM, SIG_IGN);
        detail::test::tell(writer, "deaf\n");
        detail::test::hear(reader);
      },
      ready.writer(), gate.reader());
  deaf.start();
  EXPECT_EQ(ready.read_line(), "deaf\n");
  deaf.terminate();
  deaf.kill();
  deaf.join();
  EXPECT_EQ(deaf.exitcode(), -SIGKILL);
}

TEST_P(ProcessTest, TheSentinelIsReadableAtTheEnd) {
  const Pipe gate;
  Process child(wait_for, gate.reader());
  child.start();
  pollfd end{child.sentinel(), POLLIN, 0};
  EXPECT_EQ(::poll(&end, 1, 0), 0);
  gate.write("x");
  EXPECT_EQ(::poll(&end, 1, -1), 1);
  EXPECT_EQ(child.exitcode(), 0);
}

TEST_P(ProcessTest, TheSentinelMayBeWatchedWithOtherDescriptors) {
  const Pipe gate;
  const Pipe quiet;
  std::vector<Process> children;
  const detail::shm::UniqueFd all(::epoll_create1(EPOLL_CLOEXEC));
  const auto watch = [&](int fd) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    ASSERT_EQ(::epoll_ctl(all.get(), EPOLL_CTL_ADD, fd, &event), 0);
  };
  watch(quiet.reader_fd());
  for (int i = 0; i < 2; ++i) {
    children.emplace_back(wait_for, gate.reader());
    children.back().start();
    watch(children.back().sentinel());
  }
  children.front().kill();
  std::array<epoll_event, 4> events{};
  ASSERT_EQ(::epoll_wait(all.get(), events.data(), events.size(), -1), 1);
  EXPECT_EQ(events[0].data.fd, children.front().sentinel());
  gate.write("x");
}

TEST_P(ProcessTest, MisuseIsABadCallThatSaysWhatAndWhere) {
  Process child({.name = "w"}, nothing);
  EXPECT_EQ(detail::test::refusal([&] { child.join(); }),
            "Process w.join: the process has not been started");
  EXPECT_EQ(detail::test::refusal([&] { child.terminate(); }),
            "Process w.terminate: the process has not been started");
  EXPECT_EQ(detail::test::refusal([&] { child.kill(); }),
            "Process w.kill: the process has not been started");
  EXPECT_EQ(detail::test::refusal([&] { child.pid(); }),
            "Process w.pid: the process has not been started");
  EXPECT_EQ(detail::test::refusal([&] { child.sentinel(); }),
            "Process w.sentinel: the process has not been started");
  child.start();
  EXPECT_EQ(detail::test::refusal([&] { child.start(); }),
            "Process w.start: a process starts only once");
  child.join();
  child.close();
  child.close();
  EXPECT_EQ(detail::test::refusal([&] { child.join(); }), "Process w.join: it is closed");
  EXPECT_EQ(detail::test::refusal([&] { child.is_alive(); }), "Process w.is_alive: it is closed");
  EXPECT_EQ(detail::test::refusal([&] { child.exitcode(); }), "Process w.exitcode: it is closed");
  EXPECT_EQ(child.name(), "w");
  const Process taken = std::move(child);
  EXPECT_EQ(detail::test::refusal([&] { child.join(); }),
            "Process.join: this object was moved from");
  EXPECT_EQ(detail::test::refusal([&] { child.name(); }),
            "Process.name: this object was moved from");
}

TEST_P(ProcessTest, ARunningProcessCannotBeClosed) {
  const Pipe gate;
  Process child({.name = "w"}, wait_for, gate.reader());
  child.start();
  EXPECT_EQ(detail::test::refusal([&] { child.close(); }),
            "Process w.close: the process still runs; join() or terminate() it first");
  gate.write("x");
  child.join();
  child.close();
}

TEST_P(ProcessTest, OneThatWasNeverStartedMayBeClosedOrDropped) {
  Process closed(nothing);
  closed.close();
  EXPECT_THROW(closed.start(), BadCall);
  const Process dropped(nothing);
}

TEST_P(ProcessTest, MovesAlongWithTheRunningProcess) {
  const Pipe gate;
  std::vector<Process> all;
  for (int i = 0; i < 3; ++i) {
    all.emplace_back(wait_for, gate.reader());
    all.back().start();
  }
  Process first = std::move(all.front());
  EXPECT_TRUE(first.is_alive());
  EXPECT_THROW(all.front().is_alive(), BadCall);
  EXPECT_THROW(all.front().name(), BadCall);
  gate.write("xxx");
  first.join();
  EXPECT_EQ(first.exitcode(), 0);
}

TEST_P(ProcessTest, TheDestructorWaitsForTheEnd) {
  const Pipe gate;
  detail::shm::UniqueFd pidfd;
  std::thread opener;
  {
    Process child(wait_for, gate.reader());
    child.start();
    pidfd = detail::shm::pidfd_of(child.pid());
    opener = std::thread([&] { gate.write("x"); });
  }
  EXPECT_TRUE(detail::shm::has_ended(pidfd.get()));
  opener.join();
}

TEST_P(ProcessTest, AssigningEndsWhatStoodThere) {
  const Pipe gate;
  Process child({.daemon = true}, wait_for, gate.reader());
  child.start();
  const detail::shm::UniqueFd pidfd = detail::shm::pidfd_of(child.pid());
  child = Process(nothing);
  EXPECT_TRUE(detail::shm::has_ended(pidfd.get()));
  child.start();
}

TEST_P(ProcessTest, TheDestructorOfADaemonTerminatesIt) {
  const Pipe gate;
  detail::shm::UniqueFd pidfd;
  {
    Process child({.daemon = true}, wait_for, gate.reader());
    EXPECT_TRUE(child.daemon());
    child.start();
    pidfd = detail::shm::pidfd_of(child.pid());
  }
  EXPECT_TRUE(detail::shm::has_ended(pidfd.get()));
}

TEST_P(ProcessTest, CpuCountIsWhatTheProcessMayUse) {
  EXPECT_EQ(cpu_count(), std::thread::hardware_concurrency());
  Process narrow([] {
    cpu_set_t one;
    ::sched_getaffinity(0, sizeof one, &one);
    int first = 0;
    while (!CPU_ISSET(first, &one)) ++first;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    ::sched_setaffinity(0, sizeof one, &one);
    std::exit(static_cast<int>(cpu_count()));
  });
  narrow.start();
  narrow.join();
  EXPECT_EQ(narrow.exitcode(), 1);
}

TEST_P(ProcessTest, ThreadsMayStartAtOnce) {
  { Process first(nothing); }
  std::vector<std::thread> threads;
  std::atomic<int> good = 0;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&good, i] {
      for (int round = 0; round < 10; ++round) {
        Process child(exit_with, 10 * i + round);
        child.start();
        child.join();
        good += child.exitcode() == 10 * i + round ? 1 : 0;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, 40);
}

TEST_P(ProcessTest, ManyStartsLeaveNothingBehind) {
  const Pipe gate;
  Process probe({.daemon = true}, wait_for, gate.reader());
  probe.start();
  const pid_t process_server = detail::test::parent_of(probe.pid());
  // 0 to 2, its own pidfd, its owner's and the connection; for the probe a pidfd, a status channel
  // and a connection. The process server of one process has closed the connections.
  const std::size_t there = GetParam() == StartMethod::fork ? 7 : 9;
  const auto settled = [&] {
    return detail::test::children_of(process_server).size() == 1 &&
           detail::test::open_files(process_server) == there;
  };
  ASSERT_TRUE(detail::test::eventually(settled));
  const std::size_t here = detail::test::open_files(::getpid());
  for (int i = 0; i < 100; ++i) {
    Process child(nothing);
    child.start();
    child.join();
    ASSERT_EQ(child.exitcode(), 0);
  }
  EXPECT_EQ(detail::test::open_files(::getpid()), here);
  EXPECT_TRUE(detail::test::eventually(settled));
  EXPECT_TRUE(detail::test::children_of(::getpid()).empty());
}

}  // namespace
}  // namespace steward
