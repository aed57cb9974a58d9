// Ctrl-C and SIGTERM: who ends and who goes on. The table of docs/signals.md.
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <steward/shm/pidfd.hpp>
#include <steward/steward.hpp>

#include <steward/tests/process/support.hpp>

namespace steward {
namespace {

using detail::test::Pipe;

std::atomic<bool> asked = false;
void ask(int) { asked = true; }

// Without SA_RESTART: system calls of the program are interrupted.
void handle(int signal) {
  struct sigaction action{};
  action.sa_handler = ask;
  ::sigaction(signal, &action, nullptr);
}

void wait_for(const std::string& gate) { detail::test::hear(gate); }
void wait_unmoved(const std::string& ready, const std::string& gate) {
  ::signal(SIGINT, SIG_IGN);
  detail::test::tell(ready, "x");
  detail::test::hear(gate);
}
pid_t work(const std::string& ready, const std::string& gate) {
  detail::test::tell(ready, "x");
  detail::test::hear(gate);
  return ::getpid();
}

// As a terminal does it: to all of the foreground group, of which the program is the leader.
void press_ctrl_c() { ::kill(0, SIGINT); }

// In a fork: counts what is not so.
class Checks {
 public:
  void expect(bool so, const char* what) {
    if (so) return;
    std::cerr << "not so: " << what << std::endl;
    ++failed_;
  }
  int failed() const { return failed_; }

 private:
  int failed_ = 0;
};

int control_c_with_a_handler() {
  ::setsid();
  handle(SIGINT);
  const Pipe gate;
  const Pipe ready;
  const Manager manager;
  auto list = manager.list<int>({1});
  Pool pool(1);
  auto result = pool.apply_async(work, ready.writer(), gate.reader());
  Process plain(wait_for, gate.reader());
  Process unmoved(wait_unmoved, ready.writer(), gate.reader());
  plain.start();
  unmoved.start();
  ready.read(2);
  press_ctrl_c();
  Checks checks;
  checks.expect(asked, "the handler of the program has run");
  plain.join();
  checks.expect(plain.exitcode() == -SIGINT, "a process ends by SIGINT");
  checks.expect(unmoved.is_alive(), "a process that ignores SIGINT goes on");
  list.append(2);
  checks.expect(list.size() == 2, "the manager goes on");
  gate.write("xx");
  checks.expect(result.get() > 0, "the task of a pool goes on");
  unmoved.join();
  Process later(+[] {});
  later.start();
  later.join();
  checks.expect(later.exitcode() == 0, "processes can still be started");
  return checks.failed();
}

// Whether the thread whose `stat` this is waits for something.
bool sleeps(const std::string& stat) {
  std::ifstream file(stat);
  std::string text;
  std::getline(file, text);
  const std::size_t name_ends = text.rfind(')');
  return name_ends != std::string::npos && text.compare(name_ends, 3, ") S") == 0;
}

// As under nohup, when the terminal goes away.
int hang_up_that_is_ignored() {
  ::setsid();
  ::signal(SIGHUP, SIG_IGN);
  const Pipe gate;
  const Pipe ready;
  const Manager manager;
  auto list = manager.list<int>({1});
  Pool pool(1);
  auto result = pool.apply_async(work, ready.writer(), gate.reader());
  Process child(wait_for, gate.reader());
  child.start();
  ready.read(1);
  ::kill(0, SIGHUP);
  ::kill(manager.pid(), SIGQUIT);
  Checks checks;
  list.append(2);
  checks.expect(list.size() == 2, "the manager goes on");
  gate.write("xx");
  checks.expect(result.get() > 0, "the task of a pool goes on");
  child.join();
  checks.expect(child.exitcode() == 0, "a process goes on");
  return checks.failed();
}

int serve_within_a_limit_of_file_sizes(const std::string& path) {
  ::signal(SIGXFSZ, SIG_DFL);
  const rlimit none{0, 0};
  if (::setrlimit(RLIMIT_FSIZE, &none) != 0) return 2;
  try {
    Manager::serve({.address = "ipc://" + path});
  } catch (const std::exception&) {
    return 0;
  }
  return 1;
}

int blocked_call() {
  ::setsid();
  handle(SIGINT);
  Manager manager;
  auto queue = manager.queue<int>();
  const std::string state = "/proc/self/task/" + std::to_string(::gettid()) + "/stat";
  std::atomic<bool> slept = false;
  std::thread other([&] {
    sigset_t all;  // the signal is for the thread that waits
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, nullptr);
    slept = detail::test::eventually([&] { return sleeps(state); });
    press_ctrl_c();
    while (!asked) std::this_thread::yield();
    queue.close();
  });
  bool closed = false;
  try {
    queue.get();
  } catch (const Closed&) {
    closed = true;
  }
  other.join();
  return closed && slept ? 0 : 1;
}

void await_end(const detail::shm::UniqueFd& pidfd) {
  pollfd end{pidfd.get(), POLLIN, 0};
  ASSERT_EQ(::poll(&end, 1, 60'000), 1) << "a process goes on";
}

// A program that does nothing about signals, with a manager, a pool and a process. It tells their
// pids and waits.
[[noreturn]] void be_a_program(const std::string& told, const std::string& gate) {
  ::setsid();
  Manager manager;
  Pool pool(1);
  const pid_t worker = pool.apply(+[](int) { return ::getpid(); }, 0);
  Process child(wait_for, gate);
  child.start();
  detail::test::tell(told, std::to_string(manager.pid()) + ' ' + std::to_string(worker) + ' ' +
                       std::to_string(child.pid()) + '\n');
  child.join();
  ::_exit(0);
}

class EndOfAProgram : public testing::TestWithParam<int> {
 protected:
  // Starts it, and sends the signal to `whole` its group or to it alone.
  static void end_by(int signal, bool whole) {
    const Pipe told;
    const Pipe gate;
    detail::process::flush_streams();
    const pid_t program = ::fork();
    if (program == 0) be_a_program(told.writer(), gate.reader());
    std::istringstream pids(told.read_line());
    std::vector<detail::shm::UniqueFd> others;
    for (pid_t pid = 0; pids >> pid;) others.push_back(detail::shm::pidfd_of(pid));
    EXPECT_EQ(others.size(), 3U);
    ::kill(whole ? -program : program, signal);
    int status = 0;
    ::waitpid(program, &status, 0);
    EXPECT_EQ(WTERMSIG(status), signal);
    for (const detail::shm::UniqueFd& each : others) await_end(each);
  }
};
INSTANTIATE_TEST_SUITE_P(By, EndOfAProgram, testing::Values(SIGINT, SIGTERM, SIGKILL));

TEST(ControlC, OfAProgramWithAHandlerEndsOnlyProcessesThatDoNothingAboutIt) {
  EXPECT_EQ(detail::test::in_fork(control_c_with_a_handler), 0);
}

TEST(HangUp, OfAProgramThatIgnoresItEndsNothing) {
  EXPECT_EQ(detail::test::in_fork(hang_up_that_is_ignored), 0);
}

TEST(FileSizes, LimitedToNothingAreAnErrorOfServeThatLeavesNothing) {
  const std::string path = testing::TempDir() + "steward-limit-" + std::to_string(::getpid());
  EXPECT_EQ(detail::test::in_fork([&] { return serve_within_a_limit_of_file_sizes(path); }), 0);
  EXPECT_NE(::access(path.c_str(), F_OK), 0);
  EXPECT_NE(::access((path + ".lock").c_str(), F_OK), 0);
}

TEST(ControlC, LeavesABlockedCallBlockedUntilAnotherThreadClosesTheQueue) {
  EXPECT_EQ(detail::test::in_fork(blocked_call), 0);
}

TEST_P(EndOfAProgram, EndsItsManagerWorkersAndProcesses) {
  end_by(GetParam(), false);
}

TEST_P(EndOfAProgram, EndsThemTooWhenAllGetTheSignal) {
  end_by(GetParam(), true);
}

}  // namespace
}  // namespace steward
