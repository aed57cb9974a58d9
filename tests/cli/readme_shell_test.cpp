// What the README shows of a shell is what a shell shows.
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

#include <gtest/gtest.h>

#include <steward/tests/cli/shell.hpp>

namespace steward::detail::test {
namespace {

class ReadmeShell : public ShellTest {};

TEST_F(ReadmeShell, PrintsWhatTheReadmeShows) {
  std::ifstream readme(std::string(STEWARD_SOURCE_DIR) + "/README.md");
  std::string commands;
  std::string expected;
  bool inside = false;
  for (std::string line; std::getline(readme, line);) {
    if (line == "```console") {
      inside = true;
    } else if (line == "```") {
      inside = false;
    } else if (inside && line.starts_with("$ ")) {
      commands += line.substr(2) + '\n';
    } else if (inside) {
      expected += line + '\n';
    }
  }
  ASSERT_NE(commands.find("steward serve"), std::string::npos);
  ASSERT_FALSE(expected.empty());

  // A name that nobody else's manager has: names are the user's, not the test's.
  const std::string name = "readme-" + std::to_string(::getpid());
  for (auto at = commands.find(" work"); at != std::string::npos; at = commands.find(" work", at)) {
    commands.replace(at + 1, 4, name);
  }
  const std::string program = STEWARD_PROGRAM;
  const std::string path = "PATH=" + program.substr(0, program.rfind('/')) + ":/usr/bin:/bin";
  const Ran ran = run({"/bin/bash", "-c", "set -e\n" + commands},
                      {path, "XDG_RUNTIME_DIR=" + directory()});
  if (ran.code != 0) run({"/bin/bash", "-c", "steward stop " + name}, {path});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.out, expected) << ran.err;
}

}  // namespace
}  // namespace steward::detail::test
