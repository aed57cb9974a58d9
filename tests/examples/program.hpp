// Runs an example as its user would, in a runtime directory of its own, and looks for what it
// leaves behind: processes and directories.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace steward::detail::test {

struct Ran {
  int code = 0;  // negative: the signal that ended it
  std::string out;
  std::string err;
  std::chrono::duration<double> time{};
};

enum class Output { file, terminal };

class ExampleTest : public testing::Test {
 protected:
  ExampleTest();
  ~ExampleTest() override;

  // `program` as the build calls it: "tour/01_hello", "word_count". What descends from it must have
  // ended soon after it, and its runtime directory must be empty then: a failure if not.
  Ran run(const std::string& program, std::vector<std::string> arguments = {},
          Output output = Output::file);
  // The same of a script.
  Ran run_python(const std::string& path, std::vector<std::string> arguments = {});

  // A file for the program to read; returns its path.
  std::string write(const std::string& name, const std::string& text) const;
  const std::string& directory() const { return directory_; }

 private:
  // The first of the words is a program's path.
  Ran run_command(std::vector<std::string> words, Output output);

  std::string directory_;
};

// The lines of a text; a rest without a line end is a line too.
std::vector<std::string> lines(const std::string& text);

}  // namespace steward::detail::test
