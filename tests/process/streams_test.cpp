// What a process says on standard error.
#include <gtest/gtest.h>

#include <steward/process/streams.hpp>

namespace steward::detail::process {
namespace {

TEST(WriteError, LetsNobodysWordsMoveTheCursorOrBeginALine) {
  testing::internal::CaptureStderr();
  write_error("work: Error: \x1b[2J\x1b]0;title\x07\nsteward: all is well\n");
  write_error("a word");
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "work: Error: \\x1b[2J\\x1b]0;title\\x07\\nsteward: all is well\na word");
}

}  // namespace
}  // namespace steward::detail::process
