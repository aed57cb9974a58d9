// kill -9 of keepers and of their owners, plain forks.
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

#include <steward/tests/process/methods.hpp>
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

class Death : public test::ByMethod {};
INSTANTIATE_TEST_SUITE_P(Every, Death, test::every_method(), test::method_name);

// Where one keeper serves the whole program.
class DeathOfServer : public test::ByMethod {};
INSTANTIATE_TEST_SUITE_P(Every, DeathOfServer, test::methods_with_a_server(), test::method_name);

class PlainFork : public test::ByMethod {};
INSTANTIATE_TEST_SUITE_P(Every, PlainFork, test::every_method(), test::method_name);

TEST_P(Death, OfTheKeeperEndsItsProcessesAndNoJoinHangs) {
  const int code = test::in_fork([] {
    const Pipe gate;
    Process child(wait_for, gate.reader());
    child.start();
    const pid_t keeper = test::parent_of(child.pid());
    std::thread killer([keeper] { ::kill(keeper, SIGKILL); });
    child.join();
    killer.join();
    return child.exitcode() == process::Child::kUnknownExitCode && !child.is_alive() ? 0 : 1;
  });
  EXPECT_EQ(code, 0);
}

pid_t keeper_pid() {
  const Pipe gate;
  Process probe(wait_for, gate.reader());
  probe.start();
  const pid_t keeper = test::parent_of(probe.pid());
  gate.write("x");
  return keeper;
}

TEST(ForkServer, ItsDeathMakesStartsFailWithOneSentence) {
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

TEST(SpawnServer, IsReplacedAfterItsDeath) {
  const int code = test::in_fork([] {
    set_start_method(StartMethod::spawn);
    const pid_t server = keeper_pid();
    const shm::UniqueFd pidfd = shm::pidfd_of(server);
    ::kill(server, SIGKILL);
    await_end(pidfd);
    return keeper_pid() != server ? 0 : 1;
  });
  EXPECT_EQ(code, 0);
}

TEST_P(DeathOfServer, BeforeItAnswersIsNoticed) {
  // Stopped, it takes the request and never reads it.
  const int code = test::in_fork([] {
    const pid_t server = keeper_pid();
    Process child(nothing);
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

// A program of three generations, in a plain fork of this one: itself, its process, that one's. And
// a bystander, another process of the program. Waits to be killed.
struct Program {
  Program() {
    Pipe pids;
    const std::string writer = pids.writer();
    process::flush_streams();
    pid = ::fork();
    if (pid == 0) live(writer);
    std::istringstream text(pids.read_line());
    pid_t child = 0;
    pid_t grandchild = 0;
    pid_t other = 0;
    text >> other >> child >> grandchild;
    keeper = shm::pidfd_of(test::parent_of(child));
    process = shm::pidfd_of(child);
    keeper_of_process = shm::pidfd_of(test::parent_of(grandchild));
    process_of_process = shm::pidfd_of(grandchild);
    bystander = shm::pidfd_of(other);
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program() {
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
  }

  static void wait() {
    for (;;) ::pause();
  }

  [[noreturn]] static void live(const std::string& writer) {
    Process other(wait);
    other.start();
    test::tell(writer, std::to_string(other.pid()) + " ");
    Process child(
        [](const std::string& out) {
          Process grandchild(wait);
          grandchild.start();
          test::tell(out, std::to_string(::getpid()) + " " + std::to_string(grandchild.pid()) +
                              "\n");
          wait();
        },
        writer);
    child.start();
    for (;;) ::pause();
  }

  pid_t pid = 0;
  shm::UniqueFd keeper;
  shm::UniqueFd process;
  shm::UniqueFd keeper_of_process;
  shm::UniqueFd process_of_process;
  shm::UniqueFd bystander;
};

TEST_P(Death, OfTheOwnerEndsKeepersAndAllProcesses) {
  Program program;
  ::kill(program.pid, SIGKILL);
  await_end(program.keeper);
  await_end(program.process);
  await_end(program.keeper_of_process);
  await_end(program.process_of_process);
  await_end(program.bystander);
}

TEST_P(Death, OfAProcessEndsItsOwnProcessesAndNoOthers) {
  const Program program;
  shm::send_signal(program.process.get(), SIGKILL);
  await_end(program.process);
  await_end(program.process_of_process);
  EXPECT_FALSE(shm::has_ended(program.bystander.get()));
}

TEST_P(Death, OfAKeeperEndsAllItsProcessesAndTheirs) {
  const Program program;
  shm::send_signal(program.keeper.get(), SIGKILL);
  await_end(program.process);
  await_end(program.process_of_process);
}

TEST_P(Death, OfAThreadThatHasStartedAProcessIsNoneOfTheProcess) {
  const Pipe gate;
  Process child(wait_for, gate.reader());
  std::thread([&] { child.start(); }).join();
  EXPECT_FALSE(child.join(std::chrono::milliseconds(50)));
  gate.write("x");
  child.join();
  EXPECT_EQ(child.exitcode(), 0);
}

TEST_P(PlainFork, BothSidesGoOnHavingProcesses) {
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

TEST(ForkServer, OfAForkOfAProcessIsItsOwn) {
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

TEST_P(PlainFork, AProgramThatAwaitsAllItsChildrenIsNotHeldUp) {
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
