// What a process takes over from its starter at start(): environment, directory, descriptors 0-2.
#include <steward/process/process.hpp>

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <string>

#include <gtest/gtest.h>

#include <steward/tests/process/methods.hpp>
#include <steward/tests/process/support.hpp>

namespace steward {
namespace {

using detail::test::Pipe;

class Starter : public detail::test::ByMethod {};
INSTANTIATE_TEST_SUITE_P(Every, Starter, detail::test::every_method(), detail::test::method_name);

template <class F, class... Args>
std::string output_of(F f, Args... args) {
  Pipe pipe;
  {
    const detail::test::Redirected output(STDOUT_FILENO, pipe.writer_fd());
    Process child(f, args...);
    child.start();
    child.join();
  }
  return pipe.read_all();
}

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "(unset)";
}

TEST_P(Starter, TheEnvironmentAtStartIsTaken) {
  Process first([] {});  // the fork server is there before the change
  const auto show = [] {
    std::cout << variable("STEWARD_TEST") << " " << (std::getenv("PATH") != nullptr);
  };
  ::setenv("STEWARD_TEST", "one", 1);
  EXPECT_EQ(output_of(show), "one 1");
  ::setenv("STEWARD_TEST", "two = three", 1);
  EXPECT_EQ(output_of(show), "two = three 1");
  ::unsetenv("STEWARD_TEST");
  EXPECT_EQ(output_of(show), "(unset) 1");
}

TEST_P(Starter, AProcessMayChangeItsEnvironment) {
  ::setenv("STEWARD_TEST", "one", 1);
  EXPECT_EQ(output_of([] {
              ::setenv("STEWARD_TEST", "changed", 1);
              ::setenv("STEWARD_NEW", "new", 1);
              std::cout << variable("STEWARD_TEST") << variable("STEWARD_NEW");
              ::clearenv();
              std::cout << variable("STEWARD_TEST");
            }),
            "changednew(unset)");
  EXPECT_EQ(variable("STEWARD_TEST"), "one");
  ::unsetenv("STEWARD_TEST");
}

TEST_P(Starter, AnEmptyAndAHugeEnvironmentTravel) {
  const auto count = [] {
    std::size_t variables = 0;
    for (char** each = environ; *each != nullptr; ++each) ++variables;
    std::cout << variables;
  };
  const int code = detail::test::in_fork([&] {
    for (int i = 0; i < 100; ++i) {
      ::setenv(("STEWARD_" + std::to_string(i)).c_str(), std::string(5000, 'x').c_str(), 1);
    }
    const bool huge = std::stoul(output_of(count)) >= 100;
    ::clearenv();
    return huge && output_of(count) == "0" ? 0 : 1;
  });
  EXPECT_EQ(code, 0);
}

TEST_P(Starter, TheDirectoryAtStartIsTaken) {
  Process first([] {});
  const auto before = std::filesystem::current_path();
  const auto show = [] { std::cout << std::filesystem::current_path().string(); };
  EXPECT_EQ(output_of(show), before.string());
  std::filesystem::current_path("/usr/lib");
  EXPECT_EQ(output_of(show), "/usr/lib");
  std::filesystem::current_path(before);
}

TEST_P(Starter, StandardInputIsTaken) {
  const Pipe input;
  const detail::test::Redirected standard_input(STDIN_FILENO, input.reader_fd());
  input.write("a line\n");
  EXPECT_EQ(output_of([] {
              std::string line;
              std::getline(std::cin, line);
              std::cout << line;
            }),
            "a line");
}

TEST_P(Starter, InputThatTheProgramHadReadIsNotSeenAgain) {
  const Pipe input;
  const detail::test::Redirected standard_input(STDIN_FILENO, input.reader_fd());
  input.write("first\nsecond\n");
  Pipe output;
  const int code = detail::test::in_fork([&] {
    std::string line;
    std::getline(std::cin, line);  // reads ahead
    const detail::test::Redirected standard_output(STDOUT_FILENO, output.writer_fd());
    Process child([] {
      std::string mine;
      std::getline(std::cin, mine);
      std::cout << "child: " << mine;
    });
    input.write("third\n");
    child.start();
    child.join();
    return line == "first" ? 0 : 1;
  });
  EXPECT_EQ(code, 0);
  EXPECT_EQ(output.read_all(), "child: third");
}

TEST_P(Starter, AProgramAtTheEndOfItsInputHasProcessesThatRead) {
  Pipe input;
  input.close_writer();
  const Pipe more;
  more.write("more\n");
  Pipe output;
  const int code = detail::test::in_fork([&] {
    {
      const detail::test::Redirected standard_input(STDIN_FILENO, input.reader_fd());
      std::string line;
      while (std::getline(std::cin, line)) {
      }
      Process first([] {});
    }
    const detail::test::Redirected standard_input(STDIN_FILENO, more.reader_fd());
    const detail::test::Redirected standard_output(STDOUT_FILENO, output.writer_fd());
    Process child([] {
      std::string line;
      std::getline(std::cin, line);
      std::cout << line;
    });
    child.start();
    child.join();
    return 0;
  });
  EXPECT_EQ(code, 0);
  EXPECT_EQ(output.read_all(), "more");
}

TEST_P(Starter, AClosedDescriptorIsNothingToReadOrToWriteTo) {
  Pipe answer;
  {
    const detail::test::Redirected no_input(STDIN_FILENO, -1);
    const detail::test::Redirected no_output(STDOUT_FILENO, -1);
    Process child([](const std::string& writer) {
      std::cout << "lost" << std::flush;
      detail::test::tell(writer, std::cin.get() == EOF && std::cout ? "fine" : "broken");
    }, answer.writer());
    child.start();
    child.join();
  }
  EXPECT_EQ(answer.read_all(), "fine");
}

}  // namespace
}  // namespace steward
