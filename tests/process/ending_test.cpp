// How a process ends: what runs, what is written, what is not.
#include <steward/process/process.hpp>

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <stdexcept>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include <steward/core/errors.hpp>

#include <steward/tests/process/methods.hpp>
#include <steward/tests/process/support.hpp>

namespace steward {
namespace {

using detail::test::Pipe;

class Ending : public detail::test::ByMethod {};
INSTANTIATE_TEST_SUITE_P(Every, Ending, detail::test::every_method(), detail::test::method_name);

struct Outcome {
  std::string text;
  std::optional<int> code;
};

// Runs the process with descriptor `fd` of both turned into a pipe.
Outcome run(int fd, Process child) {
  Pipe pipe;
  Outcome outcome;
  {
    const detail::test::Redirected redirected(fd, pipe.writer_fd());
    child.start();
    child.join();
    outcome.code = child.exitcode();
  }
  outcome.text = pipe.read_all();
  return outcome;
}

TEST_P(Ending, AnExceptionIsExitCodeOneAndOneLine) {
  const Outcome outcome = run(STDERR_FILENO, Process({.name = "Process-1"}, [] {
    throw detail::core::OutOfRange("list#3.at: index 7 is past the end");
  }));
  EXPECT_EQ(outcome.code, 1);
  EXPECT_EQ(outcome.text, "Process-1: std::out_of_range: list#3.at: index 7 is past the end\n");
}

TEST_P(Ending, ExceptionsAreNamedByTheirType) {
  EXPECT_EQ(run(STDERR_FILENO, Process({.name = "w"}, [] { throw BadCall("no"); })).text,
            "w: steward::BadCall: no\n");
  EXPECT_EQ(run(STDERR_FILENO, Process({.name = "w"}, [] { throw std::runtime_error("no"); })).text,
            "w: std::runtime_error: no\n");
  EXPECT_EQ(run(STDERR_FILENO, Process({.name = "w"}, [] {
              throw detail::core::RemoteThrown<std::runtime_error>("no", "bank::Overdrawn");
            })).text,
            "w: bank::Overdrawn: no\n");
  const Outcome number = run(STDERR_FILENO, Process({.name = "w"}, [] { throw 7; }));
  EXPECT_EQ(number.text, "w: int\n");
  EXPECT_EQ(number.code, 1);
}

TEST_P(Ending, OutputOfAllStreamsIsFlushedOnce) {
  std::cout << "parent ";  // stays in the buffer until the start
  const Outcome outcome = run(STDOUT_FILENO, Process([] {
    std::cout << "C++ ";
    std::printf("C ");
    std::wcout << L"wide ";
  }));
  EXPECT_EQ(outcome.text.find("parent"), std::string::npos);
  EXPECT_NE(outcome.text.find("C++ "), std::string::npos);
  EXPECT_NE(outcome.text.find("C "), std::string::npos);
  EXPECT_EQ(outcome.text.find("C++ "), outcome.text.rfind("C++ "));
}

TEST_P(Ending, WhatTheStarterHasWrittenComesFirst) {
  Pipe pipe;
  {
    const detail::test::Redirected output(STDOUT_FILENO, pipe.writer_fd());
    std::printf("starting main\n");
    std::cout << "starting fun\n";
    Process child([] { std::cout << "fun\n"; });
    child.start();
    child.join();
    std::printf("finishing main\n");
  }
  EXPECT_EQ(pipe.read_all(), "starting main\nstarting fun\nfun\nfinishing main\n");
}

TEST_P(Ending, OutputThatAnEarlierForkServerCopyHeldIsNotRepeated) {
  // The first process here: what is buffered when the program is copied must not come out of it.
  Pipe pipe;
  const int code = detail::test::in_fork([&] {
    const detail::test::Redirected output(STDOUT_FILENO, pipe.writer_fd());
    std::printf("C held ");
    std::cout << "C++ held ";
    for (int i = 0; i < 2; ++i) {
      Process child([] { std::cout << "child "; });
      child.start();
      child.join();
    }
    return 0;
  });
  EXPECT_EQ(code, 0);
  EXPECT_EQ(pipe.read_all(), "C held C++ held child child ");
}

TEST_P(Ending, ExitInsideDoesTheSameWithItsCode) {
  const Outcome outcome = run(STDOUT_FILENO, Process([] {
    std::cout << "before exit ";
    std::exit(5);
  }));
  EXPECT_EQ(outcome.code, 5);
  EXPECT_EQ(outcome.text, "before exit ");
}

TEST_P(Ending, HandlersOfTheProcessRunAndThoseOfTheProgramDoNot) {
  for (const bool by_exit : {false, true}) {
    Pipe pipe;
    const int code = detail::test::in_fork([&] {
      const detail::test::Redirected output(STDOUT_FILENO, pipe.writer_fd());
      // In the copy from which processes are forked, too.
      std::atexit([] { detail::test::write_to(STDOUT_FILENO, "program's handler "); });
      struct Static {
        ~Static() { detail::test::write_to(STDOUT_FILENO, "program's static "); }
      };
      static Static inherited;
      Process child([](bool exits) {
        std::atexit([] { std::cout << "own handler "; });
        struct Own {
          ~Own() { std::cout << "own static "; }
        };
        static Own own;
        if (exits) std::exit(0);
      }, by_exit);
      child.start();
      child.join();
      return child.exitcode().value_or(99);
    });
    EXPECT_EQ(code, 0);
    EXPECT_EQ(pipe.read_all(), "own static own handler ");
  }
}

TEST_P(Ending, ExitFromAHandlersPointOfViewComesAfterConfirmation) {
  // An exit while the process comes up is a death before it is up.
  struct Exits {
    int unused = 0;
    void msgpack_pack(msgpack::packer<detail::core::StringSink>& packer) const { packer.pack(1); }
    void msgpack_unpack(const msgpack::object&) { std::exit(3); }
  };
  Process child({.name = "w"}, [](Exits) {}, Exits{});
  try {
    child.start();
    FAIL();
  } catch (const WorkerDied& error) {
    EXPECT_STREQ(error.what(), "w: ended before it was up (exit code 3)");
  }
}

}  // namespace
}  // namespace steward
