// A process in the background, from whoever waits for its word.
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <steward/core/errors.hpp>
#include <steward/process/background.hpp>

namespace steward::detail::process {
namespace {

using namespace std::chrono_literals;
using testing::MatchesRegex;
using testing::StartsWith;

std::string failure(std::chrono::milliseconds patience,
                    const std::function<void(const Say& say)>& work) {
  try {
    return "it said " + run_in_background("", patience, work);
  } catch (const core::Failure& error) {
    return error.what();
  }
}

TEST(Background, WhatItSaysIsReturned) {
  const std::string said =
      run_in_background("", 1min, [](const Say& say) { say(std::to_string(::getpid())); });
  const pid_t pid = std::stoi(said);
  EXPECT_EQ(::waitpid(pid, nullptr, 0), pid) << said;
}

TEST(Background, OneThatSaysNothingInTimeIsKilledAndNamed) {
  const std::string text = failure(0ms, [](const Say&) {
    for (;;) ::pause();
  });
  const std::string begin =
      "the process in the background was not up after 0 ms, and was killed, pid ";
  ASSERT_THAT(text, StartsWith(begin));
  const pid_t pid = std::stoi(text.substr(begin.size()));
  int status = 0;
  ASSERT_EQ(::waitpid(pid, &status, 0), pid);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

TEST(Background, OneThatEndsWithoutAWordIsAFailure) {
  EXPECT_EQ(failure(1min, [](const Say&) { ::_exit(3); }),
            "the process in the background ended before it was up (exit code 3)");
}

TEST(Background, APipeThatNobodyReadsIsNoLog) {
  const std::string pipe = testing::TempDir() + "background-" + std::to_string(::getpid());
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_THROW(run_in_background(pipe, 1min, [](const Say& say) { say("up"); }), SystemError);
  ::unlink(pipe.c_str());
}

}  // namespace
}  // namespace steward::detail::process
