// System calls that an old kernel or a filter (seccomp) does not know.
#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <iostream>
#include <string>

#include <gtest/gtest.h>

#include <steward/core/errors.hpp>
#include <steward/core/threads_allowed.hpp>
#include <steward/process/descriptors.hpp>
#include <steward/pool/pool.hpp>
#include <steward/process/process.hpp>
#include <steward/shm/pidfd.hpp>

#include <steward/tests/process/methods.hpp>
#include <steward/tests/process/support.hpp>
#include <steward/tests/refused_call.hpp>

namespace steward {
namespace {

using detail::test::Pipe;

void wait_for_a_signal() { ::pause(); }

TEST(RefusedCalls, WithoutCloseRangeNoDescriptorIsLeftOver) {
  const int code = detail::test::in_fork([] {
    const Pipe left;
    detail::test::refuse_call(SYS_close_range, ENOSYS);
    detail::process::close_all_except({0, 1, 2, left.writer_fd()});
    return detail::test::open_files(::getpid()) == 4 ? 0 : 1;
  });
  EXPECT_EQ(code, 0);
}

TEST(RefusedCalls, WithoutPidfdsTheTextNamesWhatTheyNeed) {
  const int code = detail::test::in_fork([] {
    detail::test::refuse_call(SYS_pidfd_open, EPERM);
    try {
      detail::shm::pidfd_of(::getpid());
    } catch (const SystemError& error) {
      const std::string text = error.what();
      if (text == "cannot open a pidfd (this needs Linux 5.9 and a seccomp filter that allows "
                  "pidfd_open): Operation not permitted") {
        return 0;
      }
      std::cerr << text << '\n';
    }
    return 1;
  });
  EXPECT_EQ(code, 0);
}

TEST(RefusedCalls, WithoutThreadsTheTextSaysWhatToLookAt) {
  const int code = detail::test::in_fork([] {
    detail::core::check_threads_allowed();
    detail::test::refuse_call(SYS_clone3, EPERM);
    try {
      detail::core::check_threads_allowed();
    } catch (const SystemError& error) {
      return std::string(error.what()).starts_with("cannot start a thread (look at ") ? 0 : 1;
    }
    return 2;
  });
  EXPECT_EQ(code, 0);
}

TEST(RefusedCalls, APoolWithoutThreadsSaysWhatToLookAt) {
  const int code = detail::test::in_fork([] {
    detail::test::refuse_call(SYS_clone3, EPERM);
    try {
      const Pool pool(1);
    } catch (const SystemError& error) {
      const std::string text = error.what();
      if (text.find("cannot start a thread (look at ") != text.npos) return 0;
      std::cerr << text << '\n';
    }
    return 1;
  });
  EXPECT_EQ(code, 0);
}

class RefusedSignals : public detail::test::ByMethod {};
INSTANTIATE_TEST_SUITE_P(Every, RefusedSignals, detail::test::methods_with_a_server(),
                         detail::test::method_name);

TEST_P(RefusedSignals, AreSentByTheProcessServer) {
  const int code = detail::test::in_fork([] {
    detail::test::refuse_call(SYS_pidfd_send_signal, EPERM);
    Process child({.daemon = true}, wait_for_a_signal);
    child.start();
    child.terminate();
    child.join();
    return child.exitcode() == -SIGTERM ? 0 : 1;
  });
  EXPECT_EQ(code, 0);
}

}  // namespace
}  // namespace steward
