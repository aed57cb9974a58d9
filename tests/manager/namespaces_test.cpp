// Managers and clients in different pid namespaces that share a directory.
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <iostream>
#include <string>

#include <gtest/gtest.h>

#include <steward/steward.hpp>

#include <steward/tests/process/support.hpp>

namespace steward {
namespace {

class PidNamespaces : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "only root can make a pid namespace";
  }

  // Runs `body` as the first process of a new pid namespace; what it returns is the exit code.
  template <class F>
  static pid_t run_inside(F body) {
    if (::unshare(CLONE_NEWPID) != 0) std::abort();
    detail::process::flush_streams();
    const pid_t pid = ::fork();
    if (pid == 0) ::_exit(body());
    return pid;
  }

  static int code_of(pid_t pid) {
    int status = 0;
    ::waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 99;
  }

  static int connect_and_expect(const std::string& address, const std::string& text) {
    try {
      Manager::connect(address);
    } catch (const Disconnected& error) {
      if (std::string(error.what()).find(text) != std::string::npos) return 0;
      std::cerr << error.what() << std::endl;
    }
    return 1;
  }
};

TEST_F(PidNamespaces, AClientInsideIsToldToUseTcp) {
  const int code = detail::test::in_fork([] {
    const Manager manager;
    const std::string address = manager.address();
    return code_of(run_inside([&] {
      return connect_and_expect(
          address, "is in another pid namespace than this process: use a tcp address");
    }));
  });
  EXPECT_EQ(code, 0);
}

TEST_F(PidNamespaces, AClientOfAManagerInsideIsToldToUseTcp) {
  const int code = detail::test::in_fork([] {
    const detail::test::Pipe ready;
    const pid_t manager = run_inside([&] {
      Manager::serve({}, [&](const std::string& address) { ready.write(address + '\n'); });
      return 0;
    });
    std::string address = ready.read_line();
    address.pop_back();
    const int outcome = connect_and_expect(
        address, "the caller is in another pid namespace than the manager: use a tcp address");
    ::kill(manager, SIGTERM);
    return outcome + code_of(manager);
  });
  EXPECT_EQ(code, 0);
}

}  // namespace
}  // namespace steward
