// What was sent arrives, although its sender has closed, or ended, and did not wait for that.
#include <grp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <steward/core/auth_key.hpp>
#include <steward/core/errors.hpp>
#include <steward/core/tcp_address.hpp>
#include <steward/pipe/closing.hpp>
#include <steward/pipe/listener.hpp>
#include <steward/process/process.hpp>
#include <steward/process/streams.hpp>
#include <steward/tests/client/forked.hpp>
#include <steward/tests/crash/eventually.hpp>
#include <steward/tests/pipe/placed_calls.hpp>
#include <steward/tests/process/methods.hpp>
#include <steward/tests/process/support.hpp>

namespace steward {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

// More than a socket holds that nobody reads from, and less than both sides together.
constexpr int kMessages = 200;
const std::string kMessage(1000, 'x');
// Nothing waits for the network: far less than it takes until somebody gives up.
constexpr auto kAtOnce = 500ms;

// Over tcp without a key, and with one.
class Closing : public testing::TestWithParam<bool> {
 protected:
  using Ends = std::pair<Connection<std::string>, Connection<std::string>>;
  Ends connected() {
    auto near = Connection<std::string>::connect(listener.address(), {.key = key});
    return {std::move(near), listener.accept<std::string>()};
  }

  const std::string key = GetParam() ? generate_key() : std::string();
  Listener listener{"tcp://127.0.0.1:0", {.key = key}};
};
INSTANTIATE_TEST_SUITE_P(With, Closing, testing::Bool(),
                         [](const auto& which) { return which.param ? "AKey" : "NoKey"; });

void send_all(Connection<std::string>& end) {
  for (int i = 0; i < kMessages; ++i) end.send_bytes(kMessage);
}
void expect_all(Connection<std::string>& end) {
  for (int i = 0; i < kMessages; ++i) ASSERT_EQ(end.recv_bytes(), kMessage) << i;
  EXPECT_THROW(end.recv_bytes(), Closed);
}

// Something comes that is never read: the kernel forgets what a socket that is closed then has not
// sent yet.
void await_unread(const Connection<std::string>& end) {
  pollfd entry{end.fileno(), POLLIN, 0};
  ::poll(&entry, 1, 10'000);
}

// Until the other side does not take it any more, and never long.
void say_on(Connection<std::string>& end, int times) {
  try {
    for (int i = 0; i < times; ++i) end.send_bytes("still working");
  } catch (const Closed&) {
  }
}

TEST_P(Closing, DoesNotWaitAndLosesNothingOfWhatASlowReaderHasStillToRead) {
  auto [near, far] = connected();
  say_on(near, 10);  // never read
  send_all(far);
  const auto start = Clock::now();
  far.close();
  EXPECT_LT(Clock::now() - start, kAtOnce);
  say_on(near, 200);
  expect_all(near);
}

// More than both sides together hold that do not read. Then all that was sent is there.
void send_and_expect_all(Connection<std::string>& end) {
  const auto start = Clock::now();
  try {
    end.send_bytes(std::string(20'000'000, 'x'));
  } catch (const Closed&) {
    // It may be told as soon as all has arrived.
  }
  expect_all(end);
  EXPECT_LT(Clock::now() - start, detail::pipe::kClosingTime / 2);
}

TEST_P(Closing, APeerThatSendsBeforeItReadsIsNotLeftWaiting) {
  auto [near, far] = connected();
  send_all(far);
  far.close();
  send_and_expect_all(near);
}

TEST_P(Closing, APeerThatSendsIsNotLeftWaitingByOneWhoHasStartedAProcessSince) {
  detail::test::Forked child([this](int out) {
    auto near = Connection<std::string>::connect(listener.address(), {.key = key});
    for (const StartMethod method :
         {StartMethod::fork_server, StartMethod::spawn, StartMethod::fork}) {
      Process process({.start_method = method}, [] {});
      process.start();
      process.join();
    }
    send_all(near);
    near.close();
    ::dprintf(out, "closed\n");
    ::pause();
    return 0;
  });
  auto far = listener.accept<std::string>();
  ASSERT_EQ(child.line(), "closed");
  send_and_expect_all(far);
}

class ClosingInAProcess : public detail::test::ByMethod {
 protected:
  const std::string key = generate_key();
  Listener listener{"tcp://127.0.0.1:0", {.key = key}};
};
INSTANTIATE_TEST_SUITE_P(Every, ClosingInAProcess, detail::test::every_method(),
                         detail::test::method_name);

void answer(Connection<std::string> end) { send_all(end); }

TEST_P(ClosingInAProcess, APeerThatSendsIsNotLeftWaitingByOneThatWasGivenTheEnd) {
  auto near = Connection<std::string>::connect(listener.address(), {.key = key});
  Process process(answer, listener.accept<std::string>());
  process.start();
  send_and_expect_all(near);
  process.join();
}

// What still arrives is its starter's, who keeps the end.
TEST_P(ClosingInAProcess, OneThatDoesNotComeUpEndsNothing) {
  Listener plain("tcp://127.0.0.1:0");
  auto near = Connection<std::string>::connect(plain.address());
  auto far = plain.accept<std::string>();
  const int socket = far.fileno();
  send_all(far);
  Process process([](Connection<std::string>, detail::test::OneWay) {}, std::move(far),
                  detail::test::OneWay{});
  EXPECT_THROW(process.start(), BadCall);
  EXPECT_EQ(::send(socket, "", 1, MSG_NOSIGNAL), 1) << "still open in this direction";
  for (int i = 0; i < kMessages; ++i) ASSERT_EQ(near.recv_bytes(), kMessage) << i;
}

void connect_and_send(const std::string& address, const std::string& key) {
  auto near = Connection<std::string>::connect(address, {.key = key});
  await_unread(near);
  send_all(near);
}

TEST_P(ClosingInAProcess, ALastWordArrivesAlthoughItsStarterHasClosedOneBefore) {
  {
    auto near = Connection<std::string>::connect(listener.address(), {.key = key});
    auto far = listener.accept<std::string>();
    say_on(near, 10);  // never read
    send_all(far);
    far.close();
    expect_all(near);
  }
  Process process(connect_and_send, listener.address(), key);
  process.start();
  auto far = listener.accept<std::string>();
  far.send_bytes("unheard");
  process.join(100ms);  // what would be lost is lost by then
  expect_all(far);
  process.join();
}

TEST_P(Closing, ManyThatDoNotReadHoldUpNobody) {
  std::vector<Connection<std::string>> silent;
  const auto start = Clock::now();
  for (int i = 0; i < 20; ++i) {
    auto [near, far] = connected();
    send_all(far);
    silent.push_back(std::move(near));
  }
  EXPECT_LT(Clock::now() - start, 20 * kAtOnce);
}

// ---- At the end of a process ----

enum class Last { closed, open, late };

// What would be lost is lost by then.
void let_end(pid_t process) {
  siginfo_t info{};
  for (int i = 0; i < 100 && info.si_pid == 0; ++i) {
    ::waitid(P_PID, static_cast<id_t>(process), &info, WEXITED | WNOHANG | WNOWAIT);
    ::poll(nullptr, 0, 1);
  }
}

// One that an object of static storage closes, behind all that this program does at its end.
void send_late(Connection<std::string> end) {
  static Connection<std::string> kept;
  kept = std::move(end);
  send_all(kept);
}

TEST_P(Closing, ALastWordArrivesBeforeTheEndOfItsProcess) {
  for (const Last how : {Last::closed, Last::open, Last::late}) {
    SCOPED_TRACE(static_cast<int>(how));
    detail::test::Forked child([this, how](int) {
      detail::process::flush_streams();
      const auto address = listener.address();
      const auto connect = [&] {
        auto near = Connection<std::string>::connect(address, {.key = key});
        await_unread(near);
        return near;
      };
      auto near = connect();
      if (how == Last::late) {
        send_late(std::move(near));
        near = connect();
      }
      send_all(near);
      if (how != Last::open) near.close();
      std::exit(0);  // as main() that returns
      return 1;
    });
    auto far = listener.accept<std::string>();
    far.send_bytes("unheard");
    if (how == Last::late) {
      auto second = listener.accept<std::string>();
      second.send_bytes("unheard");
      expect_all(second);
    }
    let_end(child.pid());
    expect_all(far);
    EXPECT_EQ(child.join(), 0);
  }
}

TEST_P(Closing, APeerThatSendsIsNotLeftWaitingByAProcessThatEnds) {
  detail::test::Forked child([this](int out) {
    detail::process::flush_streams();
    auto near = Connection<std::string>::connect(listener.address(), {.key = key});
    send_all(near);
    ::dprintf(out, "sent\n");
    std::exit(0);
    return 1;
  });
  auto far = listener.accept<std::string>();
  send_and_expect_all(far);
  EXPECT_EQ(child.join(), 0);
}

// ---- A reader that is slow, at the end of the one who has sent ----

// The test lets time pass there, so that nothing depends on how fast the machine is.
class ClosingBeforeASlowReader : public Closing {
 protected:
  // Less than the child's first second without anything that arrives.
  static constexpr auto kStep = 900ms;

  ClosingBeforeASlowReader() {
    void* const memory = ::mmap(nullptr, sizeof *clock, PROT_READ | PROT_WRITE,
                                MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    clock = ::new (memory) detail::test::PlacedClock;
    clock->now = Clock::now().time_since_epoch();
    child.emplace([this](int out) {
      detail::process::flush_streams();
      Connection<std::string> near;  // stays open: exit() destroys no locals
      {
        Listener listener("tcp://127.0.0.1:0", {.key = key});
        ::dprintf(out, "%s\n", listener.address().c_str());
        near = listener.accept<std::string>();
      }
      send_all(near);
      ::dprintf(out, "sent\n");
      detail::test::steady_clock = clock;
      std::exit(0);
      return 1;
    });
    const std::string address = child->line();
    detail::test::receive_buffer = 4096;  // little at a time
    far = Connection<std::string>::connect(address, {.key = key});
    detail::test::receive_buffer = 0;
    sockaddr_in own{};
    socklen_t size = sizeof own;
    ::getsockname(far.fileno(), reinterpret_cast<sockaddr*>(&own), &size);
    route = fmt::format(":{:04X} 0100007F:{:04X} ", detail::core::parse_tcp(address)->port,
                        ntohs(own.sin_port));
    child->line();
  }
  ~ClosingBeforeASlowReader() override { ::munmap(clock, sizeof *clock); }

  bool has_ended() const {
    siginfo_t info{};
    ::waitid(P_PID, static_cast<id_t>(child->pid()), &info, WEXITED | WNOHANG | WNOWAIT);
    return info.si_pid != 0;
  }
  // What the child has sent, and the kernel here does not have. 0: it has no such socket.
  std::size_t under_way() const {
    std::ifstream sockets("/proc/net/tcp");
    for (std::string line; std::getline(sockets, line);) {
      const std::size_t at = line.find(route);
      if (at == std::string::npos) continue;
      return std::stoul(line.substr(at + route.size() + 3), nullptr, 16);  // behind the state
    }
    return 0;
  }
  void read_one() {
    ASSERT_EQ(far.recv_bytes(), kMessage);
    ++read;
  }
  // Reads until more has arrived.
  void read_slowly() {
    const std::size_t before = under_way();
    while (read < kMessages && under_way() == before) ASSERT_NO_FATAL_FAILURE(read_one());
    ASSERT_NO_FATAL_FAILURE(say_and_let_pass());
  }
  // The child sees what has happened, and then its time goes on.
  void say_and_let_pass() {
    say_on(far, 1);
    const int looks = clock->looks + 4;
    ASSERT_TRUE(detail::test::eventually([&] { return clock->looks >= looks || has_ended(); }));
    clock->now = clock->now.load() + kStep;
    passed += kStep;
  }

  detail::test::PlacedClock* clock = nullptr;
  std::optional<detail::test::Forked> child;
  Connection<std::string> far;
  std::string route;  // as the kernel writes it
  int read = 0;
  std::chrono::milliseconds passed{0};
};
INSTANTIATE_TEST_SUITE_P(With, ClosingBeforeASlowReader, testing::Bool(),
                         [](const auto& which) { return which.param ? "AKey" : "NoKey"; });

TEST_P(ClosingBeforeASlowReader, AProcessWaitsWhileSomethingArrives) {
  while (passed < 5 * detail::pipe::kClosingAtExit) {
    ASSERT_GT(under_way(), 0U);
    ASSERT_NO_FATAL_FAILURE(read_slowly());
    ASSERT_FALSE(has_ended());
  }
  while (read < kMessages) ASSERT_NO_FATAL_FAILURE(read_one());
  EXPECT_THROW(far.recv_bytes(), Closed);
  EXPECT_EQ(child->join(), 0);
}

TEST_P(ClosingBeforeASlowReader, AProcessWaitsWhileThatOneSends) {
  while (passed < 5 * detail::pipe::kClosingAtExit) {
    ASSERT_GT(under_way(), 0U);
    ASSERT_NO_FATAL_FAILURE(say_and_let_pass());
    ASSERT_FALSE(has_ended());
  }
  while (read < kMessages) ASSERT_NO_FATAL_FAILURE(read_one());
  EXPECT_THROW(far.recv_bytes(), Closed);
  EXPECT_EQ(child->join(), 0);
}

TEST_P(ClosingBeforeASlowReader, AProcessWaitsTenSecondsAtMost) {
  while (!has_ended()) {
    ASSERT_GT(under_way(), 0U);
    ASSERT_NO_FATAL_FAILURE(read_slowly());
    ASSERT_LE(passed, 2 * detail::pipe::kClosingAtExitMost);
    if (passed >= detail::pipe::kClosingAtExitMost + kStep) break;
  }
  EXPECT_GE(passed, detail::pipe::kClosingAtExitMost);
  EXPECT_LT(read, kMessages);
  EXPECT_EQ(child->join(), 0);
}

// A user of this test alone, so that nobody else's processes count.
constexpr uid_t kNobodyElse = 54'322;

TEST_P(Closing, WithoutAThreadForItNothingIsLost) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to become a user without other processes";
  detail::test::Forked child([this](int out) {
    detail::process::flush_streams();
    if (::setgroups(0, nullptr) != 0 || ::setuid(kNobodyElse) != 0) return 2;
    const rlimit one{1, 1};
    ::setrlimit(RLIMIT_NPROC, &one);
    auto near = Connection<std::string>::connect(listener.address(), {.key = key});
    await_unread(near);
    send_all(near);
    near.close();
    ::dprintf(out, "closed\n");
    std::exit(0);
    return 1;
  });
  auto far = listener.accept<std::string>();
  far.send_bytes("unheard");
  ASSERT_EQ(child.line(), "closed");
  let_end(child.pid());
  expect_all(far);
  EXPECT_EQ(child.join(), 0);
}

// The end of the process takes no bytes out of a message of its.
TEST_P(Closing, AThreadThatReceivesAtTheEndOfItsProcessReceivesWhatWasSent) {
  detail::test::Forked child([this](int) {
    detail::process::flush_streams();
    auto near = Connection<std::string>::connect(listener.address(), {.key = key});
    near.recv_bytes();
    std::thread([&near, expected = kMessage] {
      try {
        while (near.recv_bytes() == expected) {
        }
        ::_exit(7);
      } catch (const Closed&) {
      }
      ::pause();
    }).detach();
    send_all(near);
    std::exit(0);
    return 1;
  });
  auto far = listener.accept<std::string>();
  try {
    for (int i = 0; i < 20'000; ++i) far.send_bytes(kMessage);
  } catch (const Closed&) {
  }
  EXPECT_EQ(child.join(), 0);
}

TEST_P(Closing, ACopyOfAForkedProcessGoesOn) {
  auto [near, far] = connected();
  detail::test::Forked child([&near = near, &far = far](int) {
    far.close();
    if (near.recv_bytes() != "go") return 1;
    near.send_bytes("from the copy");
    return near.recv_bytes() == "on" ? 0 : 2;
  });
  near.close();
  far.send_bytes("go");
  EXPECT_EQ(far.recv_bytes(), "from the copy");
  far.send_bytes("on");
  EXPECT_EQ(child.join(), 0);
}

std::ptrdiff_t number_of_threads() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/task"), {});
}

// It is the parent's to wait for its reader: no thread has it here.
TEST_P(Closing, ACopyOfAForkedProcessThatIsNotUsedIsJustClosed) {
  auto [near, far] = connected();
  const std::string block(1U << 16U, 'x');
  while (::send(near.fileno(), block.data(), block.size(), MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
  }
  for (const bool explicitly : {false, true}) {
    SCOPED_TRACE(explicitly);
    detail::test::Forked child([&near = near, explicitly](int) {
      const auto before = number_of_threads();
      {
        auto copy = std::move(near);
        if (explicitly) copy.close();
      }
      return number_of_threads() == before ? 0 : 1;
    });
    EXPECT_EQ(child.join(), 0);
  }
}

// Which has sent, and not all of it has arrived.
TEST_P(Closing, ACopyOfAForkedProcessGoesOnBehindWhatWasSent) {
  auto [near, far] = connected();
  const std::string go = "go";
  detail::test::Forked child([&near = near, &far = far](int) {
    far.close();
    return near.recv_bytes() == "on" ? 0 : 2;
  });
  send_all(near);
  near.close();
  far.send_bytes("on");
  EXPECT_EQ(child.join(), 0);
  expect_all(far);
}

}  // namespace
}  // namespace steward
