// Forked: a function in a forked child, for tests.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <string>
#include <utility>

namespace steward::detail::test {

// Runs `body(out)` in a child, whose exit status is what it returns (255: it threw). What it writes
// to `out` is read by line(). The destructor kills and reaps.
class Forked {
 public:
  explicit Forked(const std::function<int(int out)>& body) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) std::abort();
    std::fflush(nullptr);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::close(ends[0]);
      int status = 255;
      try {
        status = body(ends[1]);
      } catch (const std::exception& exception) {
        std::fprintf(stderr, "child: %s\n", exception.what());
      }
      ::_exit(status);
    }
    ::close(ends[1]);
    in_ = ends[0];
  }
  Forked(const Forked&) = delete;
  Forked& operator=(const Forked&) = delete;
  ~Forked() {
    kill();
    ::close(in_);
  }

  pid_t pid() const { return pid_; }

  // Without its end.
  std::string line() {
    std::string text;
    char letter = 0;
    while (::read(in_, &letter, 1) == 1 && letter != '\n') text += letter;
    return text;
  }

  // The exit status; -1: a signal ended it.
  int join() {
    if (std::exchange(joined_, true)) return status_;
    int status = 0;
    if (::waitpid(pid_, &status, 0) != pid_) std::abort();
    status_ = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return status_;
  }

  void kill() {
    if (joined_) return;
    ::kill(pid_, SIGKILL);
    join();
  }

 private:
  pid_t pid_ = -1;
  int in_ = -1;
  bool joined_ = false;
  int status_ = 0;
};

}  // namespace steward::detail::test
