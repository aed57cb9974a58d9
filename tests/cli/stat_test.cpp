// Statistics in their three formats.
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <steward/cli/json.hpp>
#include <steward/cli/prometheus.hpp>
#include <steward/tests/cli/shell.hpp>

namespace steward::detail::test {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class StatTest : public ManagerShellTest {
 protected:
  std::string stat(std::vector<std::string> arguments, Output output = Output::file) {
    arguments.insert(arguments.begin(), {"stat", address()});
    const Ran ran = steward(std::move(arguments), {"NO_COLOR=1"}, output);
    EXPECT_EQ(ran.code, 0) << ran.err;
    return ran.out;
  }

  const List<int> list = manager.list<int>(named("l"), {1});
};

TEST_F(StatTest, IsATableForPeople) {
  list.append(2);
  const std::string fields = stat({});
  EXPECT_THAT(fields, StartsWith("pid\t" + std::to_string(manager.pid()) + "\nuptime\t"));
  EXPECT_THAT(fields, HasSubstr("\nobjects.list\t1\n"));
  EXPECT_THAT(fields, HasSubstr("\ncalls.list.append.calls\t1\n"));
  const std::string table = stat({}, Output::terminal);
  EXPECT_THAT(table, HasSubstr("\r\nobjects.list "));
  EXPECT_EQ(table.find('\t'), std::string::npos);
  EXPECT_EQ(stat({"--format", "table"}).substr(0, 4), "pid\t");
}

TEST_F(StatTest, IsJsonForPrograms) {
  const std::string text = stat({"--format", "json"});
  const Value value = cli::from_json(text, "the output");
  std::set<std::string> keys;
  for (const auto& [key, entry] : value.map()) keys.insert(key.string());
  EXPECT_EQ(keys, (std::set<std::string>{"pid", "uptime", "cpu", "memory", "sessions",
                                         "parked_calls", "names", "objects", "received", "sent",
                                         "calls", "incidents", "limits", "rings"}));
}

// The text format, line by line: each metric is introduced once, by help and type, and all its
// samples follow at once.
TEST_F(StatTest, IsTextForPrometheus) {
  list.append(2);
  EXPECT_THROW(list.pop(9), std::out_of_range);
  const std::string text = stat({"--format", "prometheus"});
  ASSERT_TRUE(text.ends_with('\n'));
  const std::regex help(R"(# HELP ([a-z_]+) \S.*)");
  const std::regex type(R"(# TYPE ([a-z_]+) (gauge|counter))");
  const std::regex sample(
      R"rx(([a-z_]+)(\{[a-z_]+="[^"\\]*"(?:,[a-z_]+="[^"\\]*")*\})? ([0-9.eE+-]+))rx");
  std::map<std::string, double> samples;
  std::map<std::string, std::string> types;
  std::set<std::string> helped;
  std::string current;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    std::smatch match;
    if (std::regex_match(line, match, help)) {
      EXPECT_TRUE(helped.insert(match[1]).second) << line;
      current = match[1];
    } else if (std::regex_match(line, match, type)) {
      EXPECT_EQ(match[1], current) << line;
      EXPECT_TRUE(types.emplace(match[1], match[2]).second) << line;
    } else {
      ASSERT_TRUE(std::regex_match(line, match, sample)) << line;
      EXPECT_EQ(match[1], current) << line;
      EXPECT_TRUE(types.contains(match[1])) << line;
      EXPECT_TRUE(samples.emplace(match[1].str() + match[2].str(), std::stod(match[3])).second)
          << line;
    }
  }
  for (const auto& [name, kind] : types) {
    EXPECT_TRUE(name.starts_with("steward_")) << name;
    EXPECT_EQ(kind == "counter", name.ends_with("_total")) << name;
  }
  EXPECT_EQ(samples.at("steward_sessions"), 2) << "the test and the program";
  EXPECT_EQ(samples.at("steward_objects{class=\"list\"}"), 1);
  EXPECT_EQ(samples.at("steward_calls_total{class=\"list\",method=\"append\"}"), 1);
  EXPECT_EQ(samples.at("steward_call_errors_total{class=\"list\",method=\"pop\"}"), 1);
  EXPECT_EQ(samples.at("steward_incidents_total{kind=\"malformed\"}"), 0);
  EXPECT_EQ(samples.at("steward_limit{of=\"objects\"}"), 10'000'000);
  EXPECT_GT(samples.at("steward_resident_memory_bytes"), 1e6);
  EXPECT_GT(samples.at("steward_received_bytes_total"), 0);
  EXPECT_GT(samples.at("steward_uptime_seconds"), 0);
}

TEST(Prometheus, NothingInALabelEndsItsLineOrMovesACursor) {
  std::ostringstream out;
  cli::print_prometheus(out,
                        Value::of_map({{"objects", Value::of_map({{"a\"\\\n\x1b[2J\xff", 1}})}}));
  EXPECT_THAT(out.str(),
              HasSubstr("\nsteward_objects{class=\"a\\\"\\\\\\\\n\\\\x1b[2J\\\\xff\"} 1\n"));
}

}  // namespace
}  // namespace steward::detail::test
