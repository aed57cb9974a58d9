// Starts that fail while processes are born: one is stopped before its first instruction, or has no
// memory for something.
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <steward/core/errors.hpp>
#include <steward/process/child.hpp>
#include <steward/process/launch.hpp>
#include <steward/process/process_server.hpp>
#include <steward/process/state.hpp>
#include <steward/process/status.hpp>
#include <steward/process/threads.hpp>
#include <steward/shm/pidfd.hpp>
#include <steward/tests/process/methods.hpp>
#include <steward/tests/process/support.hpp>
#include <steward/tests/sanitized.hpp>
#include <steward/tests/shm/failing_new.hpp>

namespace steward::detail::process {
namespace {

// How often a process and those that it descends from have been forked since watch_births().
enum class Born { starter, step, process_server, process };
Born born = Born::starter;
std::function<void()> at_birth = [] {};

// From now on each process that is forked from here, or from such a one, calls this first.
void watch_births(std::function<void()> call) {
  ProcessState::get();  // its own preparations for a fork come before
  at_birth = std::move(call);
  ::pthread_atfork(nullptr, nullptr, [] {
    born = static_cast<Born>(static_cast<int>(born) + 1);
    at_birth();
  });
}

// Of one of them an allocation fails, up to the beginning of its work.
std::optional<test::FailingNew> failing;

Launch order_for(StartMethod method, std::string writer = {}) {
  Launch order;
  order.entry = [](ChildContext& context, std::string_view arguments) {
    const std::string pipe(arguments);
    context.confirm();
    failing.reset();
    if (!pipe.empty()) test::tell(pipe, "ran");
  };
  order.arguments = std::move(writer);
  order.name = "worker";
  order.method = method;
  return order;
}

// Those of which each start makes a copy of this program, so that its births can be watched.
class Birth : public testing::TestWithParam<StartMethod> {};
INSTANTIATE_TEST_SUITE_P(Every, Birth,
                         testing::Values(StartMethod::fork_server, StartMethod::fork),
                         test::method_name);

// What a start says whose step or process server is stopped at its birth, up to the pid.
std::string stopped_at_birth(StartMethod method, Born who) {
  watch_births([who] {
    if (born == who) ::raise(SIGSTOP);
  });
  try {
    launch(order_for(method));
  } catch (const WorkerDied& error) {
    return error.what();
  }
  return "nothing was thrown";
}

pid_t pid_in(const std::string& text) {
  const std::size_t at = text.find("(pid ");
  return at == text.npos ? 0 : static_cast<pid_t>(std::stol(text.substr(at + 5)));
}

bool says_stopped(const std::string& text) {
  return text.ends_with(") was stopped at its start");
}

TEST(BirthOfAStep, ThatIsStoppedIsNamedAfterItsPatienceAndEnded) {
  EXPECT_EQ(test::in_fork([] {
              const std::string text = stopped_at_birth(StartMethod::fork, Born::step);
              return says_stopped(text) && ::waitpid(-1, nullptr, 0) < 0 && errno == ECHILD ? 0 : 1;
            }),
            0);
}

TEST_P(Birth, OfAProcessServerThatIsStoppedIsNamedAfterItsPatienceAndServesNothingLater) {
  EXPECT_EQ(test::in_fork([] {
              const std::string text = stopped_at_birth(GetParam(), Born::process_server);
              if (!says_stopped(text)) return 1;
              const shm::UniqueFd server = shm::pidfd_of(pid_in(text));
              ::kill(pid_in(text), SIGCONT);
              return test::eventually([&] { return shm::has_ended(server.get()); }) ? 0 : 2;
            }),
            0);
}

enum Outcome : int { kCameUp = 10, kSaidWhyNot = 11, kOther = 12 };

// Of a start during which the n-th allocation fails of whoever is born so.
Outcome start_without_memory(StartMethod method, Born who, std::size_t n) {
  watch_births([who, n] {
    failing.reset();
    if (born == who) failing.emplace(n);
  });
  test::Pipe pipe;
  std::string why;
  try {
    const Child child = launch(order_for(method, pipe.writer()));
    const bool ended_well = child.wait() && child.exit_code() == 0;
    return ended_well && pipe.read_all() == "ran" ? kCameUp : kOther;
  } catch (const std::exception& error) {
    why = error.what();
  }
  // The making of a process server's copy is within its memory, and that copy may die of it.
  const bool aborted = who == Born::process && why.find("Aborted") != why.npos;
  // A process that nobody has let go would write in its own time, or hold the pipe.
  return !aborted && pipe.read_all().empty() ? kSaidWhyNot : kOther;
}

// For one place after the other where memory may end.
void expect_a_process_or_a_reason(StartMethod method, Born who) {
  constexpr int kBeyondTheLast = 20;  // some failures do no harm
  int came_up = 0;
  for (std::size_t n = 1; came_up < kBeyondTheLast; ++n) {
    const int outcome = test::in_fork([&] {
      ::alarm(60);
      return start_without_memory(method, who, n);
    });
    ASSERT_TRUE(outcome == kCameUp || outcome == kSaidWhyNot) << "allocation " << n << ": "
                                                              << outcome;
    came_up = outcome == kCameUp ? came_up + 1 : 0;
  }
}

TEST_P(Birth, OfAProcessServerThatLacksMemoryOnceEndsInAProcessOrAReason) {
  expect_a_process_or_a_reason(GetParam(), Born::process_server);
}

TEST_P(Birth, OfAProcessThatLacksMemoryOnceEndsInItOrAReason) {
  expect_a_process_or_a_reason(GetParam(), Born::process);
}

TEST(BirthWithFewDescriptors, BesideACopyOfTheProgramIsOneOrNamesTheLimit) {
  if (test::kSanitized) GTEST_SKIP() << "the sanitizer needs descriptors itself";
  EXPECT_EQ(test::in_fork([] {
              const rlimit few{64, 64};
              ::setrlimit(RLIMIT_NOFILE, &few);
              std::vector<shm::UniqueFd> taken;
              for (int fd; (fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0;) {
                taken.emplace_back(fd);
              }
              bool started = false;
              while (!started) {
                taken.pop_back();
                try {
                  started = launch(order_for(StartMethod::fork)).wait();
                } catch (const std::exception& error) {
                  const std::string why = error.what();
                  const bool named = why.find("Too many open files") != why.npos ||
                                     why.find("(ulimit -Hn is 64)") != why.npos;
                  if (!named) throw;
                }
              }
              return 0;
            }),
            0);
}

TEST(BirthWithFewDescriptors, OfAProcessServerForOneThatCouldNotTakeItsRequestItsEndIsNoNews) {
  const pid_t server = ::fork();
  if (server == 0) ::_exit(0);
  const auto link = std::make_shared<Link>(StartMethod::fork, shm::UniqueFd(),
                                           shm::pidfd_of(server), server);
  EXPECT_TRUE(test::eventually([&] { return shm::has_ended(link->pidfd.get()); }));
  shm::SocketPair channel = shm::seqpacket_pair();
  channel.b.reset();
  EXPECT_THROW(await_start(link, std::move(channel.a), "worker", -1), RequestNotTaken);
  EXPECT_EQ(::waitpid(server, nullptr, 0), server);
}

TEST(BirthWithoutMemory, TheLookForThreadsThrowsAndEndsNothing) {
  test::at_each_allocation([](std::size_t n) {
    const test::FailingNew failing(n);
    try {
      other_threads();
    } catch (const std::bad_alloc&) {
    }
    return failing.has_failed();
  });
}

TEST(BirthWithoutMemory, AStatusWithoutTextNeedsNone) {
  const shm::SocketPair pair = shm::seqpacket_pair();
  const test::FailingNew failing(1);
  send_status(pair.a.get(), StatusKind::started, 1, {}, pair.b.get());
  EXPECT_FALSE(failing.has_failed());
}

TEST(Go, IsNotAwaitedFromAStarterThatHasEndedThoughTheChannelIsHeldOpen) {
  const shm::SocketPair channel = shm::seqpacket_pair();
  const pid_t starter = ::fork();
  if (starter == 0) ::_exit(0);
  const shm::UniqueFd pidfd = shm::pidfd_of(starter);
  EXPECT_FALSE(await_go(channel.a.get(), pidfd.get()));
  // What it had said before holds.
  send_go(channel.b.get());
  EXPECT_TRUE(await_go(channel.a.get(), pidfd.get()));
  EXPECT_EQ(::waitpid(starter, nullptr, 0), starter);
}

}  // namespace
}  // namespace steward::detail::process
