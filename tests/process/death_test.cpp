// kill -9 of process servers and of their owners, plain forks.
#include <steward/process/process.hpp>

#include <linux/sockios.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
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

using detail::test::Pipe;

void nothing() {}
void wait_for(const std::string& gate) { detail::test::hear(gate); }

void await_end(const detail::shm::UniqueFd& pidfd) {
  pollfd end{pidfd.get(), POLLIN, 0};
  ASSERT_EQ(::poll(&end, 1, 60'000), 1) << "the process does not end";
}

class Death : public detail::test::ByMethod {};
INSTANTIATE_TEST_SUITE_P(Every, Death, detail::test::every_method(), detail::test::method_name);

// Where one process server serves the whole program.
class DeathOfServer : public detail::test::ByMethod {};
INSTANTIATE_TEST_SUITE_P(Every, DeathOfServer, detail::test::methods_with_a_server(),
                         detail::test::method_name);

class PlainFork : public detail::test::ByMethod {};
INSTANTIATE_TEST_SUITE_P(Every, PlainFork, detail::test::every_method(), detail::test::method_name);

TEST_P(Death, OfTheProcessServerEndsItsProcessesAndNoJoinHangs) {
  const int code = detail::test::in_fork([] {
    const Pipe gate;
    Process child(wait_for, gate.reader());
    child.start();
    const pid_t process_server = detail::test::parent_of(child.pid());
    std::thread killer([process_server] { ::kill(process_server, SIGKILL); });
    child.join();
    killer.join();
    return child.exitcode() == detail::process::Child::kUnknownExitCode && !child.is_alive() ? 0
                                                                                             : 1;
  });
  EXPECT_EQ(code, 0);
}

pid_t server_pid() {
  const Pipe gate;
  Process probe(wait_for, gate.reader());
  probe.start();
  const pid_t process_server = detail::test::parent_of(probe.pid());
  gate.write("x");
  return process_server;
}

TEST(ForkServer, ItsDeathMakesStartsFailWithOneSentence) {
  const int code = detail::test::in_fork([] {
    Process first(nothing);
    const pid_t server = detail::process::fork_server_pid();
    const detail::shm::UniqueFd pidfd = detail::shm::pidfd_of(server);
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
  const int code = detail::test::in_fork([] {
    set_start_method(StartMethod::spawn);
    const pid_t server = server_pid();
    const detail::shm::UniqueFd pidfd = detail::shm::pidfd_of(server);
    ::kill(server, SIGKILL);
    await_end(pidfd);
    return server_pid() != server ? 0 : 1;
  });
  EXPECT_EQ(code, 0);
}

// Whether a child of the fork server kills that before it does anything else.
std::atomic<bool>& kills_its_server() {
  static std::atomic<bool> kills = false;
  return kills;
}

TEST(ForkServer, ItsDeathJustAfterItHasForkedEndsTheProcess) {
  const int code = detail::test::in_fork([] {
    Pipe pipe;
    kills_its_server() = true;
    ::pthread_atfork(nullptr, nullptr, [] {
      const pid_t server = ::getppid();
      if (!kills_its_server() || detail::test::status_field(server, "Name") != "steward-fork") {
        return;
      }
      ::kill(server, SIGKILL);
      while (::getppid() == server) ::sched_yield();
    });
    Process child([](const std::string& writer) { detail::test::tell(writer, "ran"); },
                  pipe.writer());
    try {
      child.start();
      return 1;
    } catch (const WorkerDied&) {
      return pipe.read_all().empty() ? 0 : 2;
    }
  });
  EXPECT_EQ(code, 0);
}

// Whether something lies in a socket that this process has written to.
bool something_is_unread() {
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    int bytes = 0;
    const int fd = std::stoi(entry.path().filename());
    if (::ioctl(fd, SIOCOUTQ, &bytes) == 0 && bytes > 0) return true;
  }
  return false;
}

TEST_P(DeathOfServer, BeforeItAnswersIsNoticed) {
  // Stopped, it takes the request and never reads it.
  const int code = detail::test::in_fork([] {
    const pid_t server = server_pid();
    Process child(nothing);
    ::kill(server, SIGSTOP);
    std::thread killer([&] {
      while (!something_is_unread()) ::sched_yield();
      ::kill(server, SIGKILL);
    });
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
    detail::process::flush_streams();
    pid = ::fork();
    if (pid == 0) live(writer);
    std::istringstream text(pids.read_line());
    pid_t child = 0;
    pid_t grandchild = 0;
    pid_t other = 0;
    text >> other >> child >> grandchild;
    process_server = detail::shm::pidfd_of(detail::test::parent_of(child));
    process = detail::shm::pidfd_of(child);
    server_of_process = detail::shm::pidfd_of(detail::test::parent_of(grandchild));
    process_of_process = detail::shm::pidfd_of(grandchild);
    bystander = detail::shm::pidfd_of(other);
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
    detail::test::tell(writer, std::to_string(other.pid()) + " ");
    Process child(
        [](const std::string& out) {
          Process grandchild(wait);
          grandchild.start();
          detail::test::tell(
              out, std::to_string(::getpid()) + " " + std::to_string(grandchild.pid()) + "\n");
          wait();
        },
        writer);
    child.start();
    for (;;) ::pause();
  }

  pid_t pid = 0;
  detail::shm::UniqueFd process_server;
  detail::shm::UniqueFd process;
  detail::shm::UniqueFd server_of_process;
  detail::shm::UniqueFd process_of_process;
  detail::shm::UniqueFd bystander;
};

TEST_P(Death, OfTheOwnerEndsProcessServersAndAllProcesses) {
  Program program;
  ::kill(program.pid, SIGKILL);
  await_end(program.process_server);
  await_end(program.process);
  await_end(program.server_of_process);
  await_end(program.process_of_process);
  await_end(program.bystander);
}

TEST_P(Death, OfAProcessEndsItsOwnProcessesAndNoOthers) {
  const Program program;
  detail::shm::send_signal(program.process.get(), SIGKILL);
  await_end(program.process);
  await_end(program.process_of_process);
  EXPECT_FALSE(detail::shm::has_ended(program.bystander.get()));
}

TEST_P(Death, OfAProcessServerEndsAllItsProcessesAndTheirs) {
  const Program program;
  detail::shm::send_signal(program.process_server.get(), SIGKILL);
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
  const int code = detail::test::in_fork([] {
    const bool fresh = detail::process::fork_server_pid() == 0 && active_children().empty();
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
    const pid_t inherited = detail::process::fork_server_pid();
    std::exit(detail::test::in_fork([inherited] {
      Process grandchild([] { std::exit(7); });
      grandchild.start();
      grandchild.join();
      return detail::process::fork_server_pid() != inherited ? grandchild.exitcode().value_or(99)
                                                             : 98;
    }));
  });
  child.start();
  child.join();
  EXPECT_EQ(child.exitcode(), 7);
}

TEST_P(PlainFork, AProgramThatAwaitsAllItsChildrenIsNotHeldUp) {
  const int code = detail::test::in_fork([] {
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
