// How often a call enters the kernel on its caller's thread, counted by tracing that thread alone.
#include <gtest/gtest.h>

#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <string>

#include <steward/client/reference.hpp>
#include <steward/tests/client/fake_house.hpp>
#include <steward/tests/client/forked.hpp>

namespace steward::detail::test {
namespace {

constexpr int kCalls = 200;
// The first and the last of those that count are this one, which nothing else makes.
constexpr std::uint64_t kMark = SYS_getpgid;

int call_between_marks(const std::string& address) {
  const client::SessionPtr session = client::connect(address);
  const std::string args = arguments({encoded(std::int64_t{7})});
  client::CallOptions options;
  options.effect = client::Effect::read;
  const auto call = [&] { session->call(core::ObjectId{3}, "echo", args, options); };
  for (int i = 0; i < 20; ++i) call();
  if (::ptrace(PTRACE_TRACEME) != 0) return 1;
  ::raise(SIGSTOP);
  ::syscall(SYS_getpgid, 0);
  for (int i = 0; i < kCalls; ++i) call();
  ::syscall(SYS_getpgid, 0);
  return 0;
}

// How many system calls the child made between its marks; -1: it ended before.
int count_between_marks(pid_t child) {
  int status = 0;
  if (::waitpid(child, &status, 0) != child || !WIFSTOPPED(status)) return -1;
  ::ptrace(PTRACE_SETOPTIONS, child, nullptr, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
  int marks = 0;
  int count = 0;
  int signal = 0;
  while (marks < 2) {
    ::ptrace(PTRACE_SYSCALL, child, nullptr, signal);
    if (::waitpid(child, &status, 0) != child || !WIFSTOPPED(status)) return -1;
    const bool by_call = WSTOPSIG(status) == (SIGTRAP | 0x80);
    signal = by_call ? 0 : WSTOPSIG(status);
    if (!by_call) continue;
    __ptrace_syscall_info info{};
    if (::ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof info, &info) <= 0) return -1;
    if (info.op != PTRACE_SYSCALL_INFO_ENTRY) continue;
    if (info.entry.nr == kMark) {
      ++marks;
    } else if (marks == 1) {
      ++count;
    }
  }
  ::ptrace(PTRACE_DETACH, child, nullptr, nullptr);
  return count;
}

// ZeroMQ alone asks for the pid several times a call. Whoever sleeps makes more than who finds the
// reply.
TEST(SystemCalls, OfASmallCallAreTwelveAtMost) {
  Forked house([](int out) {
    FakeHouse served;
    const std::string address = served.address() + "\n";
    if (::write(out, address.data(), address.size()) < 0) return 1;
    for (;;) ::pause();
  });
  const std::string address = house.line();
  Forked caller([&](int) { return call_between_marks(address); });
  const int count = count_between_marks(caller.pid());
  EXPECT_EQ(caller.join(), 0);
  EXPECT_GT(count, kCalls);
  EXPECT_LE(count, 12 * kCalls);
  RecordProperty("system_calls", count);
  std::printf("%.2f system calls a call\n", static_cast<double>(count) / kCalls);
}

}  // namespace
}  // namespace steward::detail::test
