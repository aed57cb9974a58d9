// docs/from-python.md puts each program of the tour beside one in Python: both print the same.
#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <steward/tests/examples/program.hpp>
#include <steward/tests/examples/spawn.hpp>

namespace steward::detail::test {
namespace {

namespace fs = std::filesystem;

const fs::path kRoot = STEWARD_SOURCE_DIR;
constexpr const char* kScale = "0.02";

// What the page leaves out, for all programs. Waits are shorter, and lines whole, as ours are.
constexpr const char* kBeginning = R"(
import os, secrets, subprocess, sys, time
from multiprocessing import *
from multiprocessing.managers import BaseManager, DictProxy
from queue import Empty
sys.stdout.reconfigure(line_buffering=True, write_through=False)
sleep = time.sleep
time.sleep = lambda seconds: sleep(seconds * 0.02)
)";

// "01" -> the text in Python.
std::map<std::string, std::string> twins() {
  std::map<std::string, std::string> found;
  std::string number;
  bool open = false;
  for (const std::string& line : lines(read_file((kRoot / "docs/from-python.md").string()))) {
    std::smatch heading;
    const std::regex pattern("### (\\d+)\\. .*");
    if (std::regex_match(line, heading, pattern)) {
      number = heading[1].length() == 1 ? "0" + heading[1].str() : heading[1].str();
    } else if (line == "```python") {
      open = true;
      EXPECT_FALSE(found.contains(number)) << "a second program " << number;
      found[number];
    } else if (line == "```") {
      open = false;
    } else if (open) {
      found[number] += line + '\n';
    }
  }
  return found;
}

// The lines, in any order, without what differs from run to run or is spelled in another way.
std::vector<std::string> said(std::string text) {
  const std::vector<std::pair<std::string, std::string>> alike{
      {"Process-\\d+", "Process-N"},
      {"process (id )?\\d+", "process N"},
      {" at [^>]+>", " at N>"},
      {"total time: .+ units", "total time: N units"},
      {"'", "\""},
      {"False", "false"}};
  for (const auto& [pattern, with] : alike) {
    text = std::regex_replace(text, std::regex(pattern), with);
  }
  std::vector<std::string> all = lines(text);
  std::sort(all.begin(), all.end());
  return all;
}

class FromPython : public ExampleTest {};

TEST_F(FromPython, ShowsTheWholeTour) {
  const auto known = twins();
  std::size_t count = 0;
  for (const auto& entry : fs::directory_iterator(kRoot / "examples/tour")) {
    if (entry.path().extension() != ".cpp") continue;
    ++count;
    EXPECT_TRUE(known.contains(entry.path().filename().string().substr(0, 2))) << entry.path();
  }
  EXPECT_EQ(known.size(), count);
}

TEST_F(FromPython, BothPrintTheSame) {
  const auto known = twins();
  for (const auto& entry : fs::directory_iterator(kRoot / "examples/tour")) {
    if (entry.path().extension() != ".cpp") continue;
    const std::string name = entry.path().stem().string();
    SCOPED_TRACE(name);
    const auto twin = known.find(name.substr(0, 2));
    if (twin == known.end()) continue;
    const Ran theirs = run_python(write(name + ".py", kBeginning + twin->second));
    EXPECT_EQ(theirs.code, 0) << theirs.err;
    // Only some look at an argument; the last is another program with one.
    const bool scaled = read_file(entry.path().string()).find("std::atof") != std::string::npos;
    const Ran ours =
        run("tour/" + name, scaled ? std::vector<std::string>{kScale} : std::vector<std::string>{});
    EXPECT_EQ(ours.code, 0) << ours.err;
    EXPECT_EQ(said(ours.out), said(theirs.out));
    EXPECT_FALSE(ours.out.empty());
  }
}

}  // namespace
}  // namespace steward::detail::test
