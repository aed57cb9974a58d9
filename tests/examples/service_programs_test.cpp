// The programs that show what a manager is for: a work queue that loses nothing when its workers
// die, and a dashboard of counters that several programs feed.
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <steward/tests/examples/program.hpp>

namespace steward::detail::test {
namespace {

using testing::ContainsRegex;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

class WorkQueue : public ExampleTest {
 protected:
  std::string ledger(std::vector<std::string> arguments) {
    const Ran ran = run("work_queue", std::move(arguments));
    EXPECT_EQ(ran.code, 0) << ran.out;
    EXPECT_EQ(ran.err, "");
    EXPECT_THAT(ran.out, EndsWith("Checked: each job is in the ledger, with the right number: "
                                  "nothing is lost.\n"));
    return ran.out;
  }
};

TEST_F(WorkQueue, LosesNothingWhenAWorkerIsKilled) {
  const std::string out = ledger({"--jobs", "6"});
  EXPECT_THAT(out, ContainsRegex("^Process-[123] was killed in the middle of job 5 "
                                 "\\(exit code -9\\)\n"));
  EXPECT_THAT(out, HasSubstr("  0     168  Process-"));
  EXPECT_THAT(out, ContainsRegex("  5     114  Process-[1-4]  \\(had another worker before\\)\n"));
  EXPECT_THAT(out, HasSubstr("6 jobs, 6 in the ledger, 1 begun a second time\n"));
}

TEST_F(WorkQueue, LosesNothingWhenEveryWorkerIsKilledAgainAndAgain) {
  const std::string out = ledger({"--jobs", "5", "--kills", "5", "--processes", "2"});
  EXPECT_THAT(out, HasSubstr("5 jobs, 5 in the ledger, 5 begun a second time\n"));
}

TEST_F(WorkQueue, HasOneWorkerAtLeast) {
  const std::string out = ledger({"--jobs", "3", "--kills", "1", "--processes", "1"});
  EXPECT_THAT(out, ContainsRegex("  2 +[0-9]+  Process-2  \\(had another worker before\\)"));
  EXPECT_EQ(run("work_queue", {"--processes", "0"}).code, 2);
  EXPECT_EQ(run("work_queue", {"--jobs", "1", "--kills", "2"}).code, 2);
}

TEST_F(WorkQueue, MayBeLeftAlone) {
  const std::string out = ledger({"--jobs", "4", "--kills", "0"});
  EXPECT_THAT(out, Not(HasSubstr("killed")));
  EXPECT_THAT(out, HasSubstr("4 jobs, 4 in the ledger, 0 begun a second time\n"));
}

class Dashboard : public ExampleTest {};

TEST_F(Dashboard, CountsEveryEventOfEveryProgram) {
  const Ran ran = run("dashboard", {"--feeders", "3", "--events", "40", "--pause", "0"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.err, "");
  const auto out = lines(ran.out);
  ASSERT_EQ(out.size(), 5U) << ran.out;
  EXPECT_EQ(out[0], "requests  " + std::string(40, '#') + "       120");
  EXPECT_THAT(out[1], ContainsRegex("^hits      #+ +[0-9]+$"));
  EXPECT_EQ(out[4], "Checked: 120 events of 3 programs, all counted.");
}

TEST_F(Dashboard, IsDrawnOverItselfOnATerminal) {
  const Ran ran =
      run("dashboard", {"--feeders", "2", "--events", "20", "--pause", "20"}, Output::terminal);
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("\x1b[4A"));
  EXPECT_THAT(ran.out, HasSubstr("requests  " + std::string(40, '#') + "        40"));
}

TEST_F(Dashboard, RefusesWhatItDoesNotKnow) {
  EXPECT_EQ(run("dashboard", {"--feeders", "0"}).code, 2);
  EXPECT_EQ(run("dashboard", {"--fed", "x"}).code, 2);
}

}  // namespace
}  // namespace steward::detail::test
