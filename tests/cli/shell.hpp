// Runs the program `steward` as its user would.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <steward/steward.hpp>

namespace steward::detail::test {

struct Ran {
  int code = 0;  // negative: the signal that ended it
  std::string out;
  std::string err;
};

enum class Output { file, terminal };

class ShellTest : public testing::Test {
 protected:
  ShellTest();
  ~ShellTest() override;

  // `variables` change the environment: "NAME=value", or "NAME" to take it away.
  Ran steward(std::vector<std::string> arguments, const std::vector<std::string>& variables = {},
              Output output = Output::file);
  // Any other program, by its path.
  Ran run(std::vector<std::string> command, const std::vector<std::string>& variables = {},
          Output output = Output::file);

  // The result that `steward call` prints, or what it complains of.
  std::string call(std::vector<std::string> arguments);

  // A file with this text and mode; returns its path.
  std::string write(const std::string& name, const std::string& text, unsigned mode = 0600);
  const std::string& directory() const { return directory_; }

 private:
  std::string directory_;
};

// With a manager of the test's own.
class ManagerShellTest : public ShellTest {
 protected:
  const std::string& address() const { return manager.address(); }

  Manager manager;
};

// A `steward serve`, until it is told to end.
class Served {
 public:
  // `directory` is for its files, and its manager's directory.
  Served(const std::string& directory, std::vector<std::string> arguments = {});
  Served(const Served&) = delete;
  Served& operator=(const Served&) = delete;
  ~Served();

  // The first line that it printed.
  const std::string& address() const { return address_; }
  const std::string& runtime() const { return runtime_; }
  pid_t pid() const { return pid_; }
  // Sends the signal and waits for the end.
  Ran end(int signal);
  // Waits for its end.
  Ran wait();

 private:
  std::string runtime_;
  std::string err_;
  std::string address_;
  std::string rest_;  // of its output
  pid_t pid_ = 0;
  int out_ = -1;
};

}  // namespace steward::detail::test
