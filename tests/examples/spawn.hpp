// Starts programs as a shell would, on files or on a terminal.
#pragma once

#include <sys/types.h>

#include <array>
#include <string>
#include <thread>
#include <vector>

namespace steward::detail::test {

[[noreturn]] void throw_errno(const char* what);

// This process's environment with these entries, "NAME=value", in place of its own. "NAME" alone
// takes it away.
std::vector<std::string> environment_with(const std::vector<std::string>& changes);

// `streams` are the files that descriptors 0 to 2 are opened on. Returns the pid.
pid_t spawn(std::vector<std::string> arguments, std::vector<std::string> variables,
            const std::array<std::string, 3>& streams);

std::string read_file(const std::string& path);

// The near end of a terminal, and what has been written to its far end.
class Terminal {
 public:
  Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;
  ~Terminal();

  const std::string& path() const { return path_; }
  // All that was written; nobody may have the far end open any more.
  const std::string& finish();

 private:
  int fd_;
  int holder_ = -1;
  std::string path_;
  std::string text_;
  std::thread reader_;
};

}  // namespace steward::detail::test
