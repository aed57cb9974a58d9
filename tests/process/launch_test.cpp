// launch(): what the other rooms start processes with.
#include <steward/process/launch.hpp>

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <system_error>

#include <gtest/gtest.h>

#include <steward/core/errors.hpp>
#include <steward/process/descriptors.hpp>
#include <steward/process/state.hpp>
#include <steward/shm/fd_passing.hpp>
#include <steward/shm/pidfd.hpp>

#include <steward/tests/process/support.hpp>

namespace steward::process {
namespace {

using namespace std::chrono_literals;
using test::Pipe;

void confirm_size_and_sum(ChildContext& context, std::string_view arguments) {
  unsigned sum = 0;
  for (const char byte : arguments) sum += static_cast<unsigned char>(byte);
  context.confirm(std::to_string(arguments.size()) + " " + std::to_string(sum));
}

void confirm_arguments(ChildContext& context, std::string_view arguments) {
  context.confirm(arguments);
}

void confirm_and_hear(ChildContext& context, std::string_view arguments) {
  const std::string gate(arguments);
  context.confirm();
  test::hear(gate);
}

template <class Exception>
void fail_before(ChildContext&, std::string_view arguments) {
  throw Exception(std::string(arguments));
}

Child launch_with(Entry entry, std::string arguments = {}, bool server = false) {
  Launch order;
  order.entry = entry;
  order.arguments = std::move(arguments);
  order.name = "worker";
  order.server = server;
  return launch(order);
}

TEST(Launch, HandsBackWhatTheChildConfirmed) {
  const Child child = launch_with(confirm_arguments, "tcp://127.0.0.1:9");
  EXPECT_EQ(child.confirmation(), "tcp://127.0.0.1:9");
  EXPECT_TRUE(child.wait());
  EXPECT_EQ(child.exit_code(), 0);
}

TEST(Launch, CarriesArgumentsOfAnySize) {
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{60U << 10U},
                                 std::size_t{64U << 10U}, std::size_t{65U << 10U},
                                 std::size_t{65U << 20U}}) {
    const Child child = launch_with(confirm_size_and_sum, std::string(size, '\3'));
    EXPECT_EQ(child.confirmation(), std::to_string(size) + " " + std::to_string(3 * size));
    child.wait();
  }
}

TEST(Launch, CarriesAConfirmationUpToTheLimit) {
  const Child child = launch_with(confirm_arguments, std::string(kStatusTextBytes, 'x'));
  EXPECT_EQ(child.confirmation().size(), kStatusTextBytes);
  EXPECT_THROW(launch_with(confirm_arguments, std::string(kStatusTextBytes + 1, 'x')), BadCall);
}

TEST(Launch, ThrowsWhatKeptTheChildFromComingUpAsItsOwnType) {
  try {
    launch_with(fail_before<AuthenticationError>, "no key");
    FAIL();
  } catch (const AuthenticationError& error) {
    EXPECT_STREQ(error.what(), "no key");
  }
  EXPECT_THROW(launch_with(fail_before<Disconnected>), Disconnected);
  EXPECT_THROW(launch_with(fail_before<WorkerDied>), WorkerDied);
  EXPECT_THROW(launch_with(fail_before<core::OutOfRange>), std::out_of_range);
  EXPECT_THROW(launch_with(fail_before<std::overflow_error>), std::overflow_error);
}

TEST(Launch, ThrowsARemoteErrorForAStrangersException) {
  class Odd : public std::runtime_error {
    using std::runtime_error::runtime_error;
  };
  try {
    launch_with([](ChildContext&, std::string_view) { throw Odd("odd"); });
    FAIL();
  } catch (const RemoteError& error) {
    EXPECT_STREQ(error.what(), "odd");
    EXPECT_NE(error.type_name().find("Odd"), std::string::npos);
  }
}

TEST(Launch, SaysHowAChildEndedThatNeverCameUp) {
  try {
    launch_with([](ChildContext&, std::string_view) { ::_exit(7); });
    FAIL();
  } catch (const WorkerDied& error) {
    EXPECT_STREQ(error.what(), "worker: ended before it was up (exit code 7)");
  }
  try {
    launch_with([](ChildContext&, std::string_view) { ::raise(SIGKILL); });
    FAIL();
  } catch (const WorkerDied& error) {
    EXPECT_STREQ(error.what(), "worker: ended before it was up (signal 9 (Killed))");
  }
  EXPECT_THROW(launch_with([](ChildContext&, std::string_view) {}), WorkerDied);
}

TEST(Launch, WaitStopsAtItsDeadlineAndLaterTellsTheEnd) {
  Pipe gate;
  const Child child = launch_with(confirm_and_hear, gate.reader());
  EXPECT_FALSE(child.wait(core::deadline_after(0ms)));
  EXPECT_FALSE(child.wait(core::deadline_after(20ms)));
  EXPECT_TRUE(child.running());
  EXPECT_EQ(child.exit_code(), std::nullopt);
  gate.write("x");
  EXPECT_TRUE(child.wait());
  EXPECT_TRUE(shm::has_ended(child.pidfd()));
  EXPECT_FALSE(child.running());
  EXPECT_FALSE(child.signal(SIGTERM));
}

TEST(Launch, WaitReturningMeansThatThePidfdIsReadable) {
  for (int round = 0; round < 50; ++round) {
    const Child child = launch_with(confirm_arguments);
    ASSERT_TRUE(child.wait(core::deadline_after(1min)));
    ASSERT_TRUE(shm::has_ended(child.pidfd()));
    ASSERT_EQ(child.exit_code(), 0);
  }
}

TEST(Launch, SeveralThreadsMayAwaitOneChild) {
  Pipe gate;
  const Child child = launch_with(confirm_and_hear, gate.reader());
  std::vector<std::thread> waiting;
  std::atomic<int> seen = 0;
  for (int i = 0; i < 4; ++i) {
    waiting.emplace_back([&] { seen += child.wait() && child.exit_code() == 0 ? 1 : 0; });
  }
  gate.write("x");
  for (std::thread& thread : waiting) thread.join();
  EXPECT_EQ(seen, 4);
}

TEST(Launch, EndTerminatesAndKillsWhatDoesNotListen) {
  Pipe gate;
  const Child polite = launch_with(confirm_and_hear, gate.reader());
  polite.end(1min);
  EXPECT_EQ(polite.exit_code(), -SIGTERM);
  const Child deaf = launch_with(
      [](ChildContext& context, std::string_view arguments) {
        ::signal(SIGTERM, SIG_IGN);
        confirm_and_hear(context, arguments);
      },
      gate.reader());
  deaf.end(1ms);
  EXPECT_EQ(deaf.exit_code(), -SIGKILL);
}

TEST(Launch, DroppingAChildLeavesTheProcessAlone) {
  Pipe gate;
  Pipe answer;
  {
    launch_with(
        [](ChildContext& context, std::string_view arguments) {
          const std::string gates(arguments);
          context.confirm();
          test::hear(gates.substr(0, gates.find(' ')));
          test::tell(gates.substr(gates.find(' ') + 1), "still here");
        },
        gate.reader() + " " + answer.writer());
  }
  gate.write("x");
  EXPECT_EQ(answer.read(10), "still here");
}

TEST(Launch, TheChildHasNoDescriptorsButItsOwn) {
  const Pipe mine;  // must not be there
  const Child child = launch_with([](ChildContext& context, std::string_view) {
    // Standard ones, the fork server's connection and pidfd, the starter's pidfd, and until it has
    // confirmed its status channel.
    context.confirm(std::to_string(test::open_files(::getpid())));
  });
  EXPECT_EQ(child.confirmation(), "7");
}

TEST(Launch, TheChildGetsLimitAndNameOfTheProgram) {
  const Child child = launch_with([](ChildContext& context, std::string_view) {
    context.confirm(std::to_string(::sysconf(_SC_OPEN_MAX)) +
                    test::status_field(::getpid(), "Name"));
  });
  EXPECT_EQ(child.confirmation(), std::to_string(::sysconf(_SC_OPEN_MAX)) +
                                      test::status_field(::getpid(), "Name"));
}

std::string dispositions() {
  std::string text;
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGCHLD, SIGUSR1}) {
    struct sigaction action{};
    ::sigaction(number, nullptr, &action);
    text += action.sa_handler == SIG_DFL ? 'd' : action.sa_handler == SIG_IGN ? 'i' : 'h';
  }
  sigset_t blocked;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
  return text + (::sigisemptyset(&blocked) != 0 ? " none blocked" : " some blocked");
}

void confirm_dispositions(ChildContext& context, std::string_view) {
  context.confirm(dispositions());
}

TEST(Launch, TheChildStartsWithDefaultSignals) {
  // The program's own may be anything.
  struct sigaction before{};
  struct sigaction handler{};
  handler.sa_handler = [](int) {};
  ::sigaction(SIGUSR1, &handler, &before);
  EXPECT_EQ(launch_with(confirm_dispositions).confirmation(), "dddddd none blocked");
  ::sigaction(SIGUSR1, &before, nullptr);
}

TEST(Launch, AServerIgnoresInterruptsAndBrokenPipes) {
  EXPECT_EQ(launch_with(confirm_dispositions, {}, true).confirmation(), "iddidd none blocked");
}

TEST(Launch, AServerReadsNothingFromTheStartersInput) {
  const Pipe input;
  const test::Redirected standard_input(STDIN_FILENO, input.reader_fd());
  input.write("for the program");
  const Entry entry = [](ChildContext& context, std::string_view) {
    context.confirm(test::read_from(STDIN_FILENO, 15));
  };
  EXPECT_EQ(launch_with(entry, {}, true).confirmation(), "");
  EXPECT_EQ(launch_with(entry, {}, false).confirmation(), "for the program");
}

TEST(Launch, AServerOutlivesItsForkServerAndSeesItsOwnerEnd) {
  Pipe report;
  Pipe server_end;
  const int code = test::in_fork([&] {
    const Child server = launch_with(
        [](ChildContext& context, std::string_view arguments) {
          const std::string writer(arguments);
          const shm::UniqueFd end(::open(writer.c_str(), O_WRONLY | O_CLOEXEC));
          context.confirm();
          pollfd owner{context.owner_pidfd(), POLLIN, 0};
          ::poll(&owner, 1, -1);
          test::write_to(end.get(), "owner gone");
        },
        server_end.writer(), true);
    const shm::UniqueFd fork_server = shm::pidfd_of(fork_server_pid());
    ::kill(fork_server_pid(), SIGKILL);
    pollfd gone{fork_server.get(), POLLIN, 0};
    ::poll(&gone, 1, -1);
    return server.running() ? 0 : 1;
  });
  EXPECT_EQ(code, 0);
  EXPECT_EQ(server_end.read_all(), "owner gone");
}

TEST(ForkServer, CarriesItsNameAndNothingOfTheProgram) {
  const Pipe mine;
  const Child child = launch_with(confirm_arguments);
  child.wait();
  const pid_t pid = fork_server_pid();
  ASSERT_NE(pid, 0);
  EXPECT_EQ(test::status_field(pid, "Name"), "steward-fork");
  // 0 to 2, its own pidfd, its owner's, and the connection.
  EXPECT_TRUE(test::eventually([&] { return test::open_files(pid) == 6; }));
}

TEST(ForkServer, IsNoChildOfTheProgram) {
  const int code = test::in_fork([] {
    prepare(For::process);
    const bool childless = ::waitpid(-1, nullptr, 0) < 0 && errno == ECHILD;
    return childless && fork_server_pid() != 0 ? 0 : 1;
  });
  EXPECT_EQ(code, 0);
}

TEST(ForkServer, EndsWithAnOrderlyOwner) {
  Pipe pids;
  const Pipe gate;
  const std::string gate_name = gate.reader();
  std::thread watcher([&] {
    const shm::UniqueFd server = shm::pidfd_of(static_cast<pid_t>(std::stol(pids.read_line())));
    EXPECT_FALSE(shm::has_ended(server.get()));
    gate.write("x");
    EXPECT_TRUE(wait_readable({server.get()}, core::deadline_after(1min)));
  });
  test::in_fork([&] {
    prepare(For::server);
    pids.write(std::to_string(fork_server_pid()) + "\n");
    test::hear(gate_name);
    return 0;
  });
  watcher.join();
}

TEST(ForkServer, LeavesEndingTheProgramToTheProgram) {
  const Child before = launch_with(confirm_arguments);
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) ::kill(fork_server_pid(), number);
  EXPECT_EQ(launch_with(confirm_arguments, "up").confirmation(), "up");
}

TEST(ForkServer, SurvivesARequestThatItCannotRead) {
  const Child before = launch_with(confirm_arguments);
  shm::send_with_fds(State::get().link()->socket.get(), "?");
  EXPECT_EQ(launch_with(confirm_arguments, "up").confirmation(), "up");
}

TEST(ForkServer, StartsWhereStandardDescriptorsAreClosed) {
  for (const int closed : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    const int code = test::in_fork([&] {
      const test::Redirected gone(closed, -1);
      const Child child = launch_with([](ChildContext& context, std::string_view) {
        context.confirm(std::to_string(test::open_files(::getpid())));
      });
      return child.confirmation() == "7" && child.pidfd() > 2 ? 0 : 1;
    });
    EXPECT_EQ(code, 0);
  }
}

}  // namespace
}  // namespace steward::process
