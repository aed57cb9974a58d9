// kill -9 of the fork server and of its owner, threads, plain forks.
#include <steward/process/process.hpp>

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <sstream>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include <steward/core/errors.hpp>
#include <steward/process/launch.hpp>
#include <steward/shm/pidfd.hpp>

#include <steward/tests/process/support.hpp>

namespace steward {
namespace {

using test::Pipe;

void nothing() {}
void wait_for(const std::string& gate) { test::hear(gate); }

void await_end(const shm::UniqueFd& pidfd) {
  pollfd end{pidfd.get(), POLLIN, 0};
  ASSERT_EQ(::poll(&end, 1, 60'000), 1) << "the process does not end";
}

TEST(Death, OfTheForkServerEndsItsProcessesAndNoJoinHangs) {
  const int code = test::in_fork([] {
    const Pipe gate;
    Process child(wait_for, gate.reader());
    child.start();
    std::thread killer([] { ::kill(process::fork_server_pid(), SIGKILL); });
    child.join();
    killer.join();
    return child.exitcode() == process::Child::kUnknownExitCode && !child.is_alive() ? 0 : 1;
  });
  EXPECT_EQ(code, 0);
}

TEST(Death, OfTheForkServerMakesStartsFailWithOneSentence) {
  const int code = test::in_fork([] {
    Process first(nothing);
    const pid_t server = process::fork_server_pid();
    const shm::UniqueFd pidfd = shm::pidfd_of(server);
    ::kill(server, SIGKILL);
    await_end(pidfd);
    Process child({.name = "w"}, nothing);
    try {
      child.start();
    } catch (const WorkerDied& error) {
      const std::string text = "w: the fork server (pid " + std::to_string(server) +
                               ") of this program has ended; no more processes can be started";
      return error.what() == text ? 0 : 1;
    }
    return 2;
  });
  EXPECT_EQ(code, 0);
}

TEST(Death, OfTheForkServerBeforeItAnswersIsNoticed) {
  // Stopped, it takes the request and never reads it.
  const int code = test::in_fork([] {
    Process child(nothing);
    const pid_t server = process::fork_server_pid();
    ::kill(server, SIGSTOP);
    std::thread killer([&] { ::kill(server, SIGKILL); });
    int result = 1;
    try {
      child.start();
    } catch (const WorkerDied&) {
      result = 0;
    }
    killer.join();
    return result;
  });
  EXPECT_EQ(code, 0);
}

// A program of three generations, in a plain fork of this one: itself, its process, that one's.
// Waits to be killed.
struct Program {
  Program() {
    Pipe pids;
    const std::string writer = pids.writer();
    process::flush_streams();
    pid = ::fork();
    if (pid == 0) live(writer);
    std::istringstream text(pids.read_line());
    pid_t server = 0;
    pid_t child = 0;
    pid_t grandchild = 0;
    text >> server >> child >> grandchild;
    fork_server = shm::pidfd_of(server);
    process = shm::pidfd_of(child);
    process_of_process = shm::pidfd_of(grandchild);
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program() {
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
  }

  [[noreturn]] static void live(const std::string& writer) {
    auto* child = new Process(
        [](const std::string& out) {
          auto* grandchild = new Process([] {
            for (;;) ::pause();
          });
          grandchild->start();
          test::tell(out, std::to_string(process::fork_server_pid()) + " " +
                              std::to_string(::getpid()) + " " +
                              std::to_string(grandchild->pid()) + "\n");
          for (;;) ::pause();
        },
        writer);
    child->start();
    for (;;) ::pause();
  }

  pid_t pid = 0;
  shm::UniqueFd fork_server;
  shm::UniqueFd process;
  shm::UniqueFd process_of_process;
};

TEST(Death, OfTheOwnerEndsForkServerAndAllProcesses) {
  Program program;
  ::kill(program.pid, SIGKILL);
  await_end(program.fork_server);
  await_end(program.process);
  await_end(program.process_of_process);
}

TEST(Death, OfAProcessEndsItsOwnProcessesAndNoOthers) {
  const Program program;
  shm::send_signal(program.process.get(), SIGKILL);
  await_end(program.process);
  await_end(program.process_of_process);
  EXPECT_FALSE(shm::has_ended(program.fork_server.get()));
}

TEST(Death, OfTheForkServerEndsAllProcesses) {
  const Program program;
  shm::send_signal(program.fork_server.get(), SIGKILL);
  await_end(program.process);
  await_end(program.process_of_process);
}

TEST(Threads, OthersAreAReasonToRefuseTheFirstProcess) {
  const int code = test::in_fork([] {
    Pipe gate;
    std::thread other([&] { gate.read(1); });
    int result = 1;
    try {
      Process child(nothing);
    } catch (const BadCall& error) {
      const std::string text = error.what();
      result = text.find("beside 1 other thread of this program") != std::string::npos &&
                       text.ends_with("make the first Manager, Process or Pool before the first "
                                      "thread")
                   ? 0
                   : 2;
    }
    gate.write("x");
    other.join();
    Process child(nothing);  // now it goes
    child.start();
    child.join();
    return result;
  });
  EXPECT_EQ(code, 0);
}

TEST(Threads, OfConnectionsDoNotCount) {
  const int code = test::in_fork([] {
    Pipe gate;
    std::thread own([&] { gate.read(1); });
    ::pthread_setname_np(own.native_handle(), "steward-renewal");
    Process child(nothing);
    child.start();
    child.join();
    gate.write("x");
    own.join();
    return child.exitcode().value_or(99);
  });
  EXPECT_EQ(code, 0);
}

TEST(Threads, DoNotKeepAServerFromBeingStarted) {
  const int code = test::in_fork([] {
    Pipe gate;
    std::thread other([&] { gate.read(1); });
    process::Launch order;
    order.entry = [](process::ChildContext& context, std::string_view) { context.confirm("up"); };
    order.name = "server";
    order.server = true;
    const process::Child server = process::launch(order);
    const bool up = server.confirmation() == "up" && server.wait();
    gate.write("x");
    other.join();
    return up ? 0 : 1;
  });
  EXPECT_EQ(code, 0);
}

TEST(PlainFork, BothSidesGoOnHavingProcesses) {
  Process before([] { std::exit(1); });
  before.start();
  const int code = test::in_fork([] {
    const bool fresh = process::fork_server_pid() == 0 && active_children().empty();
    Process child([] { std::exit(fork() == 0 ? 0 : 5); });
    child.start();
    child.join();
    return fresh && child.exitcode() == 5 ? 0 : 1;
  });
  EXPECT_EQ(code, 0);
  Process after([] { std::exit(2); });
  after.start();
  after.join();
  before.join();
  EXPECT_EQ(before.exitcode(), 1);
  EXPECT_EQ(after.exitcode(), 2);
}

TEST(PlainFork, OfAProcessHasAForkServerOfItsOwn) {
  Process child([] {
    const pid_t inherited = process::fork_server_pid();
    std::exit(test::in_fork([inherited] {
      Process grandchild([] { std::exit(7); });
      grandchild.start();
      grandchild.join();
      return process::fork_server_pid() != inherited ? grandchild.exitcode().value_or(99) : 98;
    }));
  });
  child.start();
  child.join();
  EXPECT_EQ(child.exitcode(), 7);
}

TEST(PlainFork, AProgramThatAwaitsAllItsChildrenIsNotHeldUp) {
  const int code = test::in_fork([] {
    Process child(nothing);
    child.start();
    const pid_t forked = ::fork();
    if (forked == 0) ::_exit(0);
    int seen = 0;
    while (::wait(nullptr) > 0) ++seen;
    return seen == 1 ? 0 : 1;
  });
  EXPECT_EQ(code, 0);
}

}  // namespace
}  // namespace steward
