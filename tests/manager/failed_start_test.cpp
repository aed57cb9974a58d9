// Managers that do not come up: one clear sentence, and nothing is left of them.
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <steward/manager/manager.hpp>
#include <steward/manager/server_start.hpp>
#include <steward/tests/manager/scratch.hpp>

namespace steward::detail::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

std::size_t entries(const std::string& directory) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(directory), {}));
}

std::string failure(const std::function<void()>& start) {
  try {
    start();
  } catch (const Error& error) {
    return error.what();
  } catch (const std::exception& error) {
    return std::string("no Error: ") + error.what();
  }
  return "it started";
}

class FailedStart : public testing::Test {
 protected:
  FailedStart() {
    ::mkdir(run.c_str(), 0700);
    ::setenv("XDG_RUNTIME_DIR", run.c_str(), 1);
  }
  ~FailedStart() override { ::unsetenv("XDG_RUNTIME_DIR"); }

  // Fails as it must, again and again.
  void expect_nothing_left(const ManagerOptions& options, const std::string& why) {
    { const Manager first; }  // what the first one makes for good
    const std::size_t descriptors = entries("/proc/self/fd");
    for (int i = 0; i < 5; ++i) {
      EXPECT_THAT(failure([&] { const Manager manager(options); }), HasSubstr(why));
      EXPECT_THAT(failure([&] { Manager::serve(options); }), HasSubstr(why));
    }
    // ZeroMQ closes those of the first one in its own time.
    EXPECT_LE(entries("/proc/self/fd"), descriptors);
    EXPECT_TRUE(fs::is_empty(run));
    const Manager next;
    EXPECT_EQ(next.list<int>({1}).size(), 1U);
  }

  Scratch scratch;
  const std::string run = scratch.file("run");
};

TEST_F(FailedStart, OfATakenPortLeavesNothing) {
  const std::string elsewhere = scratch.file("elsewhere");
  ::mkdir(elsewhere.c_str(), 0700);
  ::setenv("XDG_RUNTIME_DIR", elsewhere.c_str(), 1);
  const Manager other(ManagerOptions{.address = "tcp://127.0.0.1:0"});
  ::setenv("XDG_RUNTIME_DIR", run.c_str(), 1);
  expect_nothing_left({.address = other.address()},
                      "cannot listen at " + other.address() + ": Address already in use");
}

TEST_F(FailedStart, OfAPathThatCannotBeLeavesNothing) {
  std::ofstream(scratch.file("file")) << "precious";
  expect_nothing_left({.address = "ipc://" + scratch.file("file")}, "is no socket");
  EXPECT_EQ(fs::file_size(scratch.file("file")), 8U);
  expect_nothing_left({.address = "ipc:///nowhere/a.sock"}, "No such file or directory");
  expect_nothing_left({.address = "ipc://" + scratch.file(std::string(100, 'x'))}, "too long");
}

// In a child, whose limits end with it.
int in_child(const std::function<int()>& run) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(run());
  int status = 0;
  if (::waitpid(child, &status, 0) != child) return -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

void limit(int resource, rlim_t most) {
  const rlimit both{most, most};
  ::setrlimit(static_cast<__rlimit_resource>(resource), &both);
}

TEST_F(FailedStart, WithoutDescriptorsSaysSo) {
  EXPECT_EQ(in_child([&] {
              limit(RLIMIT_NOFILE, 64);
              const std::string text = failure([] { manager::start_server({}); });
              return text.find("descriptors") != text.npos && fs::is_empty(run) ? 0 : 1;
            }),
            0);
}

// A user who has as many processes as he may.
TEST_F(FailedStart, WithoutThreadsSaysSo) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root becomes another user";
  constexpr uid_t kNobodyElse = 64999;
  ASSERT_EQ(::chown(run.c_str(), kNobodyElse, kNobodyElse), 0);
  ASSERT_EQ(::chmod(scratch.file("").c_str(), 0711), 0);
  EXPECT_EQ(in_child([&] {
              if (::setuid(kNobodyElse) != 0) return 2;
              limit(RLIMIT_NPROC, 1);
              const std::string text = failure([] { manager::start_server({}); });
              if (!text.starts_with("the manager's server cannot be started: cannot start a thread "
                                    "(look at `ulimit -u`")) {
                return 4;
              }
              return fs::is_empty(run) ? 0 : 5;
            }),
            0);
}

TEST_F(FailedStart, AKilledServersDirectoryIsSweptByItsStarter) {
  { const Manager first; }
  // As a server would that dies before it is up: locked by nobody, with its lock file there.
  const std::string left = run + "/steward-0123456789abcdef";
  ::mkdir(left.c_str(), 0700);
  std::ofstream(left + "/lock");
  { const Manager next; }
  EXPECT_FALSE(fs::exists(left));
}

TEST(ManagersPid, IsUnknownOfARemoteOne) {
  Manager owner(ManagerOptions{.address = "tcp://127.0.0.1:0"});
  EXPECT_GT(owner.pid(), 0);
  EXPECT_EQ(in_child([&] {
              return Manager::connect(owner.address()).pid() == 0 ? 0 : 1;
            }),
            0);
}

}  // namespace
}  // namespace steward::detail::test
