#include <steward/shm/pidfd.hpp>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include <gtest/gtest.h>

namespace steward::detail::shm {
namespace {

// A child that waits to be ended; reaped at the latest by the destructor.
class Sleeper {
 public:
  Sleeper() : pid_(::fork()) {
    while (pid_ == 0) ::pause();
  }
  Sleeper(const Sleeper&) = delete;
  Sleeper& operator=(const Sleeper&) = delete;
  ~Sleeper() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    reap();
  }

  pid_t pid() const { return pid_; }
  int reap() {
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = -1;
    return status;
  }

 private:
  pid_t pid_;
};

void await_end(int pidfd) {
  pollfd end{pidfd, POLLIN, 0};
  ASSERT_EQ(::poll(&end, 1, -1), 1);
}

TEST(Pidfd, NamesItsProcess) {
  EXPECT_EQ(pid_of(pidfd_of(::getpid()).get()), ::getpid());
  const Sleeper child;
  EXPECT_EQ(pid_of(pidfd_of(child.pid()).get()), child.pid());
}

TEST(Pidfd, IsCloseOnExec) {
  EXPECT_EQ(::fcntl(pidfd_of(::getpid()).get(), F_GETFD), FD_CLOEXEC);
}

TEST(Pidfd, BecomesReadableAtTheEnd) {
  Sleeper child;
  const UniqueFd pidfd = pidfd_of(child.pid());
  EXPECT_FALSE(has_ended(pidfd.get()));
  EXPECT_TRUE(send_signal(pidfd.get(), SIGTERM));
  await_end(pidfd.get());
  EXPECT_TRUE(has_ended(pidfd.get()));
  // Dead, yet not waited for: still there to be signalled.
  EXPECT_TRUE(send_signal(pidfd.get(), SIGTERM));
  EXPECT_EQ(WTERMSIG(child.reap()), SIGTERM);
}

TEST(Pidfd, AfterTheEndStandsForNobody) {
  Sleeper child;
  const UniqueFd pidfd = pidfd_of(child.pid());
  ::kill(child.pid(), SIGKILL);
  child.reap();
  EXPECT_TRUE(has_ended(pidfd.get()));
  EXPECT_FALSE(send_signal(pidfd.get(), SIGTERM));
  EXPECT_EQ(pid_of(pidfd.get()), std::nullopt);
}

TEST(Pidfd, OfNobodyIsAnError) {
  Sleeper child;
  const pid_t gone = child.pid();
  ::kill(gone, SIGKILL);
  child.reap();
  try {
    const UniqueFd pidfd = pidfd_of(gone);
    FAIL();
  } catch (const std::system_error& error) {
    EXPECT_EQ(error.code().value(), ESRCH);
  }
}

TEST(Pidfd, WhatSpeaksAgainstOneIsSaidInOneSentence) {
  const UniqueFd own = pidfd_of(::getpid());
  EXPECT_EQ(objection_to(own.get(), ::getpid(), "the caller", "the manager"), "");
  EXPECT_EQ(objection_to(own.get(), ::getppid(), "the caller", "the manager"),
            "the caller did not show its own pidfd");
  // So the kernel calls a process that has no number here.
  EXPECT_EQ(objection_to(own.get(), 0, "the caller", "the manager"),
            "the caller is in another pid namespace than the manager: use a tcp address");
}

TEST(Pidfd, AnotherKindOfFileHasNoPid) {
  const UniqueFd file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(pid_of(file.get()), std::nullopt);
  EXPECT_EQ(pid_of(-1), std::nullopt);
}

TEST(Pidfd, ADescriptorThatIsNotOpenIsAnErrorAndNoEnd) {
  const int closed = ::dup(STDERR_FILENO);
  ::close(closed);
  EXPECT_THROW(has_ended(closed), std::system_error);
  EXPECT_THROW(send_signal(closed, 0), std::system_error);
}

TEST(Pidfd, ASignalThatDoesNotExistIsAnError) {
  EXPECT_THROW(send_signal(pidfd_of(::getpid()).get(), 1000), std::system_error);
}

}  // namespace
}  // namespace steward::detail::shm
