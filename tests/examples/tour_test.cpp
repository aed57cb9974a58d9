// Each program of the tour prints exactly what it should; where processes run side by side, in any
// order.
#include <sched.h>

#include <algorithm>
#include <cstdlib>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <steward/tests/examples/program.hpp>

namespace steward::detail::test {
namespace {

using testing::ElementsAre;
using testing::UnorderedElementsAre;
using Lines = std::vector<std::string>;

class Tour : public ExampleTest {
 protected:
  // Runs it and expects that all goes well.
  Ran tour(const std::string& program, std::vector<std::string> arguments = {}) {
    Ran ran = run("tour/" + program, std::move(arguments));
    EXPECT_EQ(ran.code, 0);
    EXPECT_EQ(ran.err, "");
    return ran;
  }
  Lines printed(const std::string& program) { return lines(tour(program).out); }
};

Lines part(const Lines& all, std::size_t begin, std::size_t count) {
  Lines out;
  for (std::size_t i = begin; i < all.size() && i < begin + count; ++i) out.push_back(all[i]);
  return out;
}

std::string first_match(const std::string& text, const std::string& pattern) {
  std::smatch found;
  return std::regex_match(text, found, std::regex(pattern)) ? found[1].str() : "no match: " + text;
}

TEST_F(Tour, Hello) { EXPECT_EQ(tour("01_hello").out, "Hello !! Welcome to the Steward tour\n"); }

TEST_F(Tour, Arguments) {
  const Lines out = printed("02_arguments");
  ASSERT_EQ(out.size(), 3U);
  EXPECT_THAT(part(out, 0, 2), UnorderedElementsAre("The Square is: 25", "The Cube is: 125"));
  EXPECT_EQ(out[2], "Both processes are finished");
}

TEST_F(Tour, CpuCount) {
  cpu_set_t set;
  ASSERT_EQ(::sched_getaffinity(0, sizeof set, &set), 0);
  EXPECT_EQ(tour("03_cpu_count").out, "The number of CPU currently working in system :  " +
                                          std::to_string(CPU_COUNT(&set)) + "\n");
}

TEST_F(Tour, Queue) {
  EXPECT_EQ(tour("04_queue").out,
            "pushing items to the queue:\n"
            "item no:  1   Apple\n"
            "item no:  2   Orange\n"
            "item no:  3   Mango\n"
            "item no:  4   Grape\n"
            "item no:  5   Banana\n"
            "popping items from the queue:\n"
            "item no:  0   Apple\n"
            "item no:  1   Orange\n"
            "item no:  2   Mango\n"
            "item no:  3   Grape\n"
            "item no:  4   Banana\n");
}

TEST_F(Tour, Tasks) {
  const Ran ran = tour("05_tasks", {"0.04"});
  const Lines out = lines(ran.out);
  ASSERT_EQ(out.size(), 16U) << ran.out;
  Lines tasks = part(out, 0, 8);
  std::sort(tasks.begin(), tasks.end());
  Lines done = part(out, 8, 8);
  std::sort(done.begin(), done.end());
  for (std::size_t i = 0; i < 8; ++i) {
    const std::string task = "Task no " + std::to_string(i);
    EXPECT_EQ(tasks[i], task);
    EXPECT_EQ(first_match(done[i], "(" + task + ") is done by Process-[123]"), task);
  }
  // One of the three has had three of the eight, each 0.04 of half a second.
  EXPECT_GE(ran.time.count(), 3 * 0.04 * 0.5);
}

TEST_F(Tour, Pool) {
  const Ran ran = tour("06_pool", {"0.04"});
  Lines out = lines(ran.out);
  ASSERT_EQ(out.size(), 8U) << ran.out;
  const auto place = [&](const std::string& line) {
    return std::find(out.begin(), out.end(), line);
  };
  for (const std::string job : {"V 5", "X 2", "Y 1", "Z 3"}) {
    const std::string name = job.substr(0, 1);
    const auto begun =
        place("Process name is " + name + " waiting time is " + job.substr(2) + " seconds");
    const auto executed = place("Process " + name + " Executed.");
    EXPECT_LT(begun, executed) << ran.out;
    EXPECT_NE(executed, out.end()) << ran.out;
  }
  // Two at a time cannot do 11 seconds in less, each of them 0.04.
  EXPECT_GE(ran.time.count(), 5.5 * 0.04);
}

TEST_F(Tour, Cubes) { EXPECT_EQ(tour("07_cubes").out, "[1, 8, 27]\n"); }

TEST_F(Tour, List) {
  const Lines out = printed("08_list");
  ASSERT_EQ(out.size(), 4U);
  EXPECT_EQ(out[0], "[0, 1, 4, 9, 16, 25, 36, 49, 64, 81]");
  EXPECT_EQ(first_match(out[1], "(<ListProxy object, typeid 'list' at) .+>"),
            "<ListProxy object, typeid 'list' at");
  EXPECT_EQ(out[2], "16");
  EXPECT_EQ(out[3], "[4, 9, 16]");
}

TEST_F(Tour, Join) {
  EXPECT_THAT(printed("09_join"),
              ElementsAre("starting main", "starting fun", "finishing fun", "finishing main"));
}

TEST_F(Tour, AtTheSameTime) {
  // Whether it took 3 units or 6 is plain unless the machine has something else to do: then the
  // units grow.
  double units = 6;
  for (const double unit : {0.1, 0.5, 2.5}) {
    const Ran ran = tour("10_at_the_same_time", {std::to_string(unit)});
    const Lines out = lines(ran.out);
    ASSERT_EQ(out.size(), 2U) << ran.out;
    units = std::atof(first_match(out[0], "total time: (.+) units").c_str());
    EXPECT_EQ(out[1], "finished main");
    EXPECT_GE(units, 3);
    EXPECT_GE(ran.time.count(), 3 * unit);
    if (units < 4.5) return;
  }
  ADD_FAILURE() << "three processes that wait 3, 2 and 1 units took " << units;
}

TEST_F(Tour, IsAlive) { EXPECT_EQ(tour("11_is_alive").out, "Process p is alive: false\n"); }

TEST_F(Tour, ProcessIds) {
  const Lines out = printed("12_process_ids");
  ASSERT_EQ(out.size(), 2U);
  std::set<std::string> names;
  std::set<std::string> parents;
  std::set<std::string> own;
  for (const std::string& line : out) {
    std::smatch found;
    const std::regex pattern("(Process-[12]): parent process (\\d+), process id (\\d+)");
    ASSERT_TRUE(std::regex_match(line, found, pattern)) << line;
    names.insert(found[1]);
    parents.insert(found[2]);
    own.insert(found[3]);
  }
  EXPECT_EQ(names.size(), 2U);
  EXPECT_EQ(parents.size(), 1U);
  EXPECT_EQ(own.size(), 2U);
  EXPECT_FALSE(own.contains(*parents.begin()));
}

TEST_F(Tour, Pipe) {
  EXPECT_THAT(printed("13_pipe"), UnorderedElementsAre("child received: hello, child",
                                                       "parent received: hello, parent"));
}

TEST_F(Tour, Lock) { EXPECT_EQ(tour("14_lock").out, "2000\n"); }

TEST_F(Tour, Nested) {
  EXPECT_EQ(tour("15_nested").out,
            "{\"name\": \"Ada\", \"city\": \"London\", \"seen\": \"yes\"}\n"
            "{\"name\": \"Bob\", \"seen\": \"yes\"}\n");
}

TEST_F(Tour, RemoteClient) {
  EXPECT_EQ(tour("16_remote_client").out,
            "The second program sees {\"ada\": 36}\n"
            "The first program sees {\"ada\": 36, \"bob\": 41}\n");
}

}  // namespace
}  // namespace steward::detail::test
