// launch(): what the other rooms start processes with.
#include <steward/process/launch.hpp>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <steward/core/errors.hpp>
#include <steward/process/descriptors.hpp>
#include <steward/process/module.hpp>
#include <steward/process/request.hpp>
#include <steward/process/state.hpp>
#include <steward/process/status.hpp>
#include <steward/shm/fd_passing.hpp>
#include <steward/shm/pidfd.hpp>

#include <steward/tests/process/methods.hpp>
#include <steward/tests/process/support.hpp>
#include <steward/tests/refused_call.hpp>
#include <steward/tests/sanitized.hpp>

namespace steward::detail::process {
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

Launch order_for(Entry entry, std::string arguments = {}) {
  Launch order;
  order.entry = entry;
  order.arguments = std::move(arguments);
  order.name = "worker";
  return order;
}

Child launch_with(Entry entry, std::string arguments = {}) {
  return launch(order_for(entry, std::move(arguments)));
}

Child launch_server(StartMethod method, Entry entry, std::string arguments = {}) {
  Launch order = order_for(entry, std::move(arguments));
  order.server = true;
  order.method = method;
  return launch(order);
}

class LaunchTest : public test::ByMethod {};
INSTANTIATE_TEST_SUITE_P(Every, LaunchTest, test::every_method(), test::method_name);

// Where one process server serves the whole program.
class ServerTest : public test::ByMethod {};
INSTANTIATE_TEST_SUITE_P(Every, ServerTest, test::methods_with_a_server(), test::method_name);

pid_t server_pid() {
  const Pipe gate;
  const Child probe = launch_with(confirm_and_hear, gate.reader());
  const pid_t process_server = test::parent_of(probe.pid());
  gate.write("x");
  probe.wait();
  return process_server;
}

TEST_P(LaunchTest, HandsBackWhatTheChildConfirmed) {
  const Child child = launch_with(confirm_arguments, "tcp://127.0.0.1:9");
  EXPECT_EQ(child.confirmation(), "tcp://127.0.0.1:9");
  EXPECT_TRUE(child.wait());
  EXPECT_EQ(child.exit_code(), 0);
}

TEST_P(LaunchTest, CarriesArgumentsOfAnySize) {
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{60U << 10U},
                                 std::size_t{64U << 10U}, std::size_t{65U << 10U},
                                 std::size_t{65U << 20U}}) {
    const Child child = launch_with(confirm_size_and_sum, std::string(size, '\3'));
    EXPECT_EQ(child.confirmation(), std::to_string(size) + " " + std::to_string(3 * size));
    child.wait();
  }
}

TEST_P(LaunchTest, CarriesAConfirmationUpToTheLimit) {
  const Child child = launch_with(confirm_arguments, std::string(kStatusTextBytes, 'x'));
  EXPECT_EQ(child.confirmation().size(), kStatusTextBytes);
  EXPECT_THROW(launch_with(confirm_arguments, std::string(kStatusTextBytes + 1, 'x')), BadCall);
}

TEST_P(LaunchTest, ThrowsWhatKeptTheChildFromComingUpAsItsOwnType) {
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

TEST_P(LaunchTest, ThrowsARemoteErrorForAStrangersException) {
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

TEST_P(LaunchTest, SaysHowAChildEndedThatNeverCameUp) {
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

TEST_P(LaunchTest, WaitStopsAtItsDeadlineAndLaterTellsTheEnd) {
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

TEST_P(LaunchTest, WaitReturningMeansThatThePidfdIsReadable) {
  for (int round = 0; round < 50; ++round) {
    const Child child = launch_with(confirm_arguments);
    ASSERT_TRUE(child.wait(core::deadline_after(1min)));
    ASSERT_TRUE(shm::has_ended(child.pidfd()));
    ASSERT_EQ(child.exit_code(), 0);
  }
}

TEST_P(LaunchTest, SeveralThreadsMayAwaitOneChild) {
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

TEST_P(LaunchTest, EndTerminatesAndKillsWhatDoesNotListen) {
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

TEST_P(LaunchTest, DroppingAChildLeavesTheProcessAlone) {
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

TEST_P(ServerTest, TheChildHasNoDescriptorsButItsOwn) {
  const Pipe mine;  // must not be there
  const Child child = launch_with([](ChildContext& context, std::string_view) {
    // Standard ones, the fork server's connection and pidfd, the starter's pidfd, and until it has
    // confirmed its status channel.
    context.confirm(std::to_string(test::open_files(::getpid())));
  });
  EXPECT_EQ(child.confirmation(), "7");
}

TEST_P(LaunchTest, TheChildGetsLimitAndNameOfTheProgram) {
  const Child child = launch_with([](ChildContext& context, std::string_view) {
    context.confirm(std::to_string(::sysconf(_SC_OPEN_MAX)) +
                    test::status_field(::getpid(), "Name"));
  });
  EXPECT_EQ(child.confirmation(), std::to_string(::sysconf(_SC_OPEN_MAX)) +
                                      test::status_field(::getpid(), "Name"));
}

std::string dispositions() {
  std::string text;
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGXFSZ, SIGCHLD, SIGUSR1}) {
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

TEST_P(LaunchTest, TheChildStartsWithDefaultSignals) {
  // The program's own may be anything.
  struct sigaction before{};
  struct sigaction handler{};
  handler.sa_handler = [](int) {};
  ::sigaction(SIGUSR1, &handler, &before);
  EXPECT_EQ(launch_with(confirm_dispositions).confirmation(), "dddddddd none blocked");
  ::sigaction(SIGUSR1, &before, nullptr);
}

TEST_P(LaunchTest, TheChildOfOneThatIgnoresHangUpsDoesSoToo) {
  ::signal(SIGHUP, SIG_IGN);
  const std::string found = launch_with(confirm_dispositions).confirmation();
  ::signal(SIGHUP, SIG_DFL);
  EXPECT_EQ(found, "ddiddddd none blocked");
}

TEST_P(LaunchTest, AServerIgnoresWhatIsMeantForTheProgramAndBrokenPipes) {
  EXPECT_EQ(launch_server(GetParam(), confirm_dispositions).confirmation(),
            "idiiiidd none blocked");
}

TEST_P(LaunchTest, AServerReadsNothingFromTheStartersInput) {
  const Pipe input;
  const test::Redirected standard_input(STDIN_FILENO, input.reader_fd());
  input.write("for the program");
  const Entry entry = [](ChildContext& context, std::string_view) {
    context.confirm(test::read_from(STDIN_FILENO, 15));
  };
  EXPECT_EQ(launch_server(GetParam(), entry).confirmation(), "");
  EXPECT_EQ(launch_with(entry).confirmation(), "for the program");
}

TEST_P(LaunchTest, AServerOutlivesItsProcessServerAndSeesItsOwnerEnd) {
  Pipe server_end;
  const int code = test::in_fork([&] {
    const Child server = launch_server(
        GetParam(),
        [](ChildContext& context, std::string_view arguments) {
          const std::string writer(arguments);
          const shm::UniqueFd end(::open(writer.c_str(), O_WRONLY | O_CLOEXEC));
          context.confirm();
          pollfd owner{context.owner_pidfd(), POLLIN, 0};
          ::poll(&owner, 1, -1);
          test::write_to(end.get(), "owner gone");
        },
        server_end.writer());
    const pid_t process_server = test::parent_of(server.pid());
    const shm::UniqueFd pidfd = shm::pidfd_of(process_server);
    ::kill(process_server, SIGKILL);
    pollfd gone{pidfd.get(), POLLIN, 0};
    ::poll(&gone, 1, -1);
    return server.running() ? 0 : 1;
  });
  EXPECT_EQ(code, 0);
  EXPECT_EQ(server_end.read_all(), "owner gone");
}

TEST_P(ServerTest, CarriesItsNameAndNothingOfTheProgram) {
  const Pipe mine;
  const pid_t pid = server_pid();
  EXPECT_EQ(test::status_field(pid, "Name"),
            GetParam() == StartMethod::spawn ? "steward-spawn" : "steward-fork");
  // 0 to 2, its own pidfd, its owner's, and the connection.
  EXPECT_TRUE(test::eventually([&] { return test::open_files(pid) == 6; }));
}

TEST_P(LaunchTest, AProcessServerOfOneProcessHasNothingOfTheProgramEither) {
  if (GetParam() != StartMethod::fork) return;
  const Pipe gate;
  const Pipe mine;
  const Child child = launch_with(confirm_and_hear, gate.reader());
  const pid_t pid = test::parent_of(child.pid());
  EXPECT_EQ(test::status_field(pid, "Name"), "steward-parent");
  // 0 to 2, its own pidfd, its owner's, the process's, and that one's status channel.
  EXPECT_TRUE(test::eventually([&] { return test::open_files(pid) == 7; }));
  gate.write("x");
  child.wait();  // it opens the gate by a number that the next test may use
}

TEST_P(LaunchTest, NoProcessServerIsAChildOfTheProgram) {
  const int code = test::in_fork([] {
    const Pipe gate;
    const Child child = launch_with(confirm_and_hear, gate.reader());
    const bool childless = ::waitpid(-1, nullptr, 0) < 0 && errno == ECHILD;
    gate.write("x");
    return childless ? 0 : 1;
  });
  EXPECT_EQ(code, 0);
}

TEST_P(ServerTest, EndsWithAnOrderlyOwner) {
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
    if (GetParam() == StartMethod::fork_server) prepare(For::server);
    pids.write(std::to_string(server_pid()) + "\n");
    test::hear(gate_name);
    return 0;
  });
  watcher.join();
}

TEST_P(ServerTest, LeavesEndingTheProgramToTheProgram) {
  const pid_t server = server_pid();
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) ::kill(server, number);
  EXPECT_EQ(launch_with(confirm_arguments, "up").confirmation(), "up");
  EXPECT_EQ(server_pid(), server);
}

TEST(ForkServer, SurvivesARequestThatItCannotRead) {
  const Child before = launch_with(confirm_arguments);
  shm::send_with_fds(ProcessState::get().fork_server()->socket.get(), "?");
  EXPECT_EQ(launch_with(confirm_arguments, "up").confirmation(), "up");
}

TEST_P(ServerTest, StartsWhereStandardDescriptorsAreClosed) {
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

TEST(ForkServer, IsNotHaltedByAStatusChannelThatIsFull) {
  const Child before = launch_with(confirm_arguments);
  const shm::SocketPair channel = shm::seqpacket_pair();
  const std::string block(1000, 'x');
  while (::send(channel.b.get(), block.data(), block.size(), MSG_DONTWAIT) > 0) {
  }
  Request request;
  request.entry = locate(reinterpret_cast<const void*>(static_cast<Entry>(confirm_arguments)));
  request.identity = {"w", "1", false, ProcessInfo("main", ::getpid(), false)};
  send_request(ProcessState::get().fork_server()->socket.get(), request, channel.b.get(),
               Encoding::by_size);
  EXPECT_EQ(launch_with(confirm_arguments, "up").confirmation(), "up");
}

// Starts while its process server is stopped, up to the wait for an answer.
class StartBefore {
 public:
  StartBefore(pid_t server, Entry entry, std::string arguments) : server_(server) {
    ::kill(server_, SIGSTOP);
    const std::size_t before = test::open_files(::getpid());
    thread_ = std::thread([this, entry, arguments = std::move(arguments)] {
      thread_number_ = ::gettid();
      try {
        launch_with(entry, arguments);
      } catch (const Error& error) {
        outcome_ = error.what();
      }
    });
    // Of the request no descriptor is left but the channel, and the answer is waited for.
    if (!test::eventually([&] {
          return test::open_files(::getpid()) == before + 1 && thread_number_ != 0 &&
                 test::status_field(thread_number_, "State").starts_with("S");
        })) {
      std::abort();
    }
  }
  StartBefore(const StartBefore&) = delete;
  StartBefore& operator=(const StartBefore&) = delete;
  ~StartBefore() {
    if (thread_.joinable()) outcome();
  }

  // What it threw.
  std::string outcome() {
    ::kill(server_, SIGCONT);
    thread_.join();
    return outcome_;
  }

 private:
  pid_t server_;
  std::atomic<pid_t> thread_number_{0};
  std::string outcome_ = "nothing was thrown";
  std::thread thread_;
};

void confirms_and_tells(ChildContext& context, std::string_view arguments) {
  const std::string writer(arguments);
  context.confirm();
  test::tell(writer, "ran");
}

// In a process of few descriptors: takes all that there are.
std::vector<shm::UniqueFd> take_all_descriptors() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_cur, 256);
  ::setrlimit(RLIMIT_NOFILE, &limit);
  std::vector<shm::UniqueFd> taken;
  for (int fd; (fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0;) taken.emplace_back(fd);
  return taken;
}

// Requests are taken in their order: what was asked for before has been started by then, and ends.
bool nothing_ran(pid_t server, Pipe& pipe) {
  return launch_with(confirm_arguments, "up").confirmation() == "up" &&
         test::eventually([&] { return test::children_of(server).empty(); }) &&
         pipe.read_all().empty();
}

TEST_P(ServerTest, WhoseAnswerFindsNoDescriptorLeftStartsNothing) {
  if (test::kSanitized) GTEST_SKIP() << "the sanitizer needs descriptors itself";
  const int code = test::in_fork([] {
    const pid_t server = server_pid();
    test::Pipe pipe;
    StartBefore start(server, confirms_and_tells, pipe.writer());
    std::vector<shm::UniqueFd> taken = take_all_descriptors();
    const std::string outcome = start.outcome();
    taken.clear();
    if (outcome.find("no room for the descriptors of a message") == outcome.npos) return 1;
    return nothing_ran(server, pipe) ? 0 : 2;
  });
  EXPECT_EQ(code, 0);
}

TEST_P(ServerTest, ThatIsStoppedIsNamedAfterItsPatienceAndStartsNothingLater) {
  const int code = test::in_fork([] {
    const pid_t server = server_pid();
    test::Pipe pipe;
    ::kill(server, SIGSTOP);
    std::string outcome;
    try {
      launch_with(confirms_and_tells, pipe.writer());
    } catch (const WorkerDied& error) {
      outcome = error.what();
    }
    ::kill(server, SIGCONT);
    const std::string number = std::to_string(server);
    if (outcome.find("(pid " + number + ") is stopped and takes no requests (kill -CONT " + number +
                     " lets it go on)") == outcome.npos) {
      return 1;
    }
    return nothing_ran(server, pipe) ? 0 : 2;
  });
  EXPECT_EQ(code, 0);
}

TEST_P(LaunchTest, WhoseProcessEndsBeforeItIsUpFailsThoughItsProcessServerStandsStill) {
  launch_with(confirm_arguments).wait();
  const Pipe pids;
  pid_t server = 0;
  std::thread killer([&] {
    const auto pid = static_cast<pid_t>(std::stol(pids.read_line()));
    server = test::parent_of(pid);
    // It has told of the process and waits.
    EXPECT_TRUE(
        test::eventually([&] { return test::status_field(server, "State").starts_with("S"); }));
    ::kill(server, SIGSTOP);
    ::kill(pid, SIGKILL);
  });
  const Entry entry = [](ChildContext&, std::string_view arguments) {
    test::tell(std::string(arguments), std::to_string(::getpid()) + "\n");
    ::pause();
  };
  try {
    launch_with(entry, pids.writer());
    ADD_FAILURE() << "nothing was thrown";
  } catch (const WorkerDied& error) {
    EXPECT_STREQ(error.what(), "worker: ended before it was up (exit code 255)");
  }
  killer.join();
  ::kill(server, SIGCONT);
}

TEST_P(ServerTest, ThatIsStoppedAndFullOfRequestsKeepsNoSignalForEver) {
  const int code = test::in_fork([] {
    const Child child = launch_with([](ChildContext& context, std::string_view) {
      context.confirm();
      ::pause();
    });
    const pid_t server = test::parent_of(child.pid());
    ::kill(server, SIGSTOP);
    // Only a process server may send signals then.
    test::refuse_call(SYS_pidfd_send_signal, ENOSYS);
    bool refused = false;
    for (int i = 0; i < 10'000 && !refused; ++i) {
      try {
        child.signal(0);
      } catch (const SystemError& error) {
        refused = error.code().value() == EAGAIN;
      }
    }
    ::kill(server, SIGCONT);
    child.signal(SIGKILL);
    return refused && child.wait() && child.exit_code() == -SIGKILL ? 0 : 1;
  });
  EXPECT_EQ(code, 0);
}

TEST_P(ServerTest, ThatStandsStillKeepsNoWaitBeyondItsDeadline) {
  const Child child = launch_with([](ChildContext& context, std::string_view) {
    context.confirm();
    ::pause();
  });
  const pid_t server = test::parent_of(child.pid());
  ::kill(server, SIGSTOP);
  ::kill(child.pid(), SIGKILL);
  EXPECT_TRUE(wait_readable({child.pidfd()}, core::deadline_after(1min)));
  EXPECT_FALSE(child.wait(core::deadline_after(1ms)));
  ::kill(server, SIGCONT);
  EXPECT_TRUE(child.wait(core::deadline_after(1min)));
  EXPECT_EQ(child.exit_code(), -SIGKILL);
}

}  // namespace
}  // namespace steward::detail::process
