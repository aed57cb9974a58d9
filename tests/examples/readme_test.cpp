// What the README and the documents show as C++ is part of an example, word for word, so that it
// compiles and runs. The part stands between two comments there: // [name] and // [end]. Of a
// program of the tour it may also be all that stands behind its `using namespace`.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <steward/tests/examples/program.hpp>

namespace steward::detail::test {
namespace {

namespace fs = std::filesystem;

const fs::path kRoot = STEWARD_SOURCE_DIR;

std::vector<std::string> lines_of(const fs::path& path) {
  std::ifstream in(path);
  return lines({std::istreambuf_iterator<char>(in), {}});
}

std::string trimmed(const std::string& line) {
  const auto begin = line.find_first_not_of(' ');
  return begin == std::string::npos ? std::string() : line.substr(begin);
}

// As it stands where it is not indented.
std::string joined(const std::vector<std::string>& block, std::size_t indent) {
  std::string text;
  for (const std::string& line : block) text += line.substr(std::min(indent, line.size())) + '\n';
  return text;
}

struct Block {
  std::string place;
  std::string text;
};

std::vector<Block> cpp_blocks(const fs::path& document) {
  std::vector<Block> blocks;
  std::optional<std::vector<std::string>> open;
  std::size_t number = 0;
  std::size_t begin = 0;
  for (const std::string& line : lines_of(document)) {
    ++number;
    if (!open && line == "```cpp") {
      open.emplace();
      begin = number;
    } else if (open && line == "```") {
      blocks.push_back(
          {document.filename().string() + ":" + std::to_string(begin), joined(*open, 0)});
      open.reset();
    } else if (open) {
      open->push_back(line);
    }
  }
  EXPECT_FALSE(open) << document << " ends within a block";
  return blocks;
}

bool is_mark(const std::string& line) {
  return trimmed(line).starts_with("// [") && line.ends_with("]");
}

// What a program does, without its beginning.
std::string body(const fs::path& program) {
  std::vector<std::string> body;
  for (const std::string& line : lines_of(program)) {
    if (line.starts_with("using namespace ")) {
      body.clear();
    } else if (!is_mark(line) && !(body.empty() && line.empty())) {
      body.push_back(line);
    }
  }
  return joined(body, 0);
}

// Text of each marked region of the examples, and of what each program of the tour does -> where it
// stands.
std::map<std::string, std::string> regions() {
  std::map<std::string, std::string> found;
  for (const auto& entry : fs::recursive_directory_iterator(kRoot / "examples")) {
    if (entry.path().extension() != ".cpp") continue;
    std::optional<std::vector<std::string>> open;
    std::size_t indent = 0;
    for (const std::string& line : lines_of(entry.path())) {
      const std::string mark = trimmed(line);
      if (mark == "// [end]") {
        EXPECT_TRUE(open) << entry.path() << ": an end without a beginning";
        if (open) found.emplace(joined(*open, indent), entry.path().string());
        open.reset();
      } else if (is_mark(line)) {
        EXPECT_FALSE(open) << entry.path() << ": regions do not nest";
        open.emplace();
        indent = line.size() - mark.size();
      } else if (open) {
        open->push_back(line);
      }
    }
    EXPECT_FALSE(open) << entry.path() << " ends within a region";
    if (entry.path().parent_path().filename() == "tour") {
      found.emplace(body(entry.path()), entry.path().string());
    }
  }
  return found;
}

std::vector<fs::path> documents() {
  std::vector<fs::path> all{kRoot / "README.md"};
  for (const auto& entry : fs::directory_iterator(kRoot / "docs")) {
    if (entry.path().extension() == ".md") all.push_back(entry.path());
  }
  return all;
}

TEST(Readme, ShowsOnlyCodeOfTheExamples) {
  const auto known = regions();
  std::size_t count = 0;
  for (const fs::path& document : documents()) {
    for (const Block& block : cpp_blocks(document)) {
      ++count;
      EXPECT_TRUE(known.contains(block.text)) << block.place << ": no region of an example reads\n"
                                              << block.text;
    }
  }
  EXPECT_GT(count, 0U);
}

// The right column of the table beside Python, bit by bit.
TEST(Readme, ShowsBesidePythonOnlyWhatCompiles) {
  std::string program;
  for (const std::string& line : lines_of(kRoot / "examples/beside_python.cpp")) program += line;
  const std::vector<std::string> readme = lines_of(kRoot / "README.md");
  auto row = std::find(readme.begin(), readme.end(), "| Python | Steward |");
  ASSERT_NE(row, readme.end());
  std::size_t count = 0;
  for (row += 2; row != readme.end() && row->starts_with("|"); ++row) {
    const std::string cell = row->substr(row->find(" | ") + 3);
    for (auto at = cell.find('`'); at != std::string::npos;) {
      const auto end = cell.find('`', at + 1);
      ASSERT_NE(end, std::string::npos) << *row;
      const std::string code = cell.substr(at + 1, end - at - 1);
      EXPECT_NE(program.find(code), std::string::npos) << "beside_python.cpp lacks " << code;
      ++count;
      at = cell.find('`', end + 1);
    }
  }
  EXPECT_GT(count, 20U);
}

TEST(Readme, NamesOnlyFilesThatExist) {
  for (const fs::path& document : documents()) {
    bool code = false;  // where `[&](int x)` is no link
    for (const std::string& line : lines_of(document)) {
      if (line.starts_with("```")) code = !code;
      if (code) continue;
      for (auto at = line.find("]("); at != std::string::npos; at = line.find("](", at + 2)) {
        const std::string target = line.substr(at + 2, line.find(')', at) - at - 2);
        if (target.find("://") != std::string::npos || target.starts_with("#")) continue;
        const fs::path path = document.parent_path() / target.substr(0, target.find('#'));
        EXPECT_TRUE(fs::exists(path)) << document.filename() << " links to " << target;
      }
    }
  }
}

}  // namespace
}  // namespace steward::detail::test
