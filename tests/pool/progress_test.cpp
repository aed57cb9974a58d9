// What a pool tells of its progress, and the bar that shows it.
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <functional>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <steward/pool/pool.hpp>
#include <steward/tests/process/support.hpp>

namespace steward::detail::test {
namespace {

int cube(int x) { return x * x * x; }
std::vector<int> up_to(int n) {
  std::vector<int> numbers(static_cast<std::size_t>(n));
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}

TEST(Pool, TellsOfProgressBeforeTheResultsAreThere) {
  std::vector<std::pair<std::size_t, std::size_t>> told;
  Pool pool({.processes = 2, .on_progress = [&](std::size_t done, std::size_t total) {
               told.emplace_back(done, total);
             }});
  pool.map(cube, up_to(100), 10);
  ASSERT_FALSE(told.empty());
  EXPECT_EQ(told.back(), (std::pair<std::size_t, std::size_t>{100, 100}));
  for (std::size_t i = 1; i < told.size(); ++i) EXPECT_LT(told[i - 1].first, told[i].first);
  const std::size_t before = told.size();
  pool.apply(cube, 1);
  EXPECT_EQ(told.size(), before) << "a single call has no progress";
  Pipe gate;
  gate.write("1");
  for (const std::string& heard :
       pool.imap_unordered(hear, std::vector<std::string>(1000, gate.reader()))) {
    EXPECT_EQ(heard, "1") << "one call passes before the loop is left";
    break;
  }
  gate.close_writer();
  pool.map(cube, up_to(10));
  EXPECT_EQ(std::count(told.begin(), told.end(), std::pair<std::size_t, std::size_t>{1000, 1000}),
            0)
      << "what was cancelled is not done";
}

TEST(ProgressBar, ShowsPartsAndTime) {
  EXPECT_EQ(pool::progress_line("x", 50, 100, 2, 60),
            "x [" + std::string(15, '#') + std::string(16, ' ') + "]  50 %  50/100  2 s left");
  EXPECT_EQ(pool::progress_line("", 0, 10, 0, 30),
            "[" + std::string(15, ' ') + "]   0 %  0/10");
  EXPECT_EQ(pool::progress_line("", 10, 10, 75, 80),
            "[" + std::string(40, '#') + "] 100 %  10/10  1:15 min");
  EXPECT_LT(pool::progress_line("a long label", 1, 2, 9999, 10).size(), 10U);
}

// What is written to a terminal of this width, up to the end of the line.
std::string drawn(unsigned short columns, const std::function<void(int terminal)>& draw) {
  const shm::UniqueFd reader(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  EXPECT_EQ(::grantpt(reader.get()), 0);
  EXPECT_EQ(::unlockpt(reader.get()), 0);
  const shm::UniqueFd terminal(::open(::ptsname(reader.get()), O_RDWR | O_NOCTTY | O_CLOEXEC));
  winsize size{};
  size.ws_col = columns;
  EXPECT_EQ(::ioctl(terminal.get(), TIOCSWINSZ, &size), 0);
  draw(terminal.get());
  std::string line;
  for (std::string next; !line.ends_with('\n'); line += next) {
    next = read_from(reader.get(), 1);
    if (next.empty()) break;
  }
  return line;
}

TEST(ProgressBar, IsDrawnOverItselfOnATerminalAndEndsItsLine) {
  const std::string text = drawn(50, [](int terminal) {
    const auto bar = progress_bar("cubes", terminal);
    bar(1, 4);
    bar(4, 4);
  });
  EXPECT_TRUE(text.starts_with("\rcubes [")) << text;
  EXPECT_NE(text.find("]  25 %  1/4"), std::string::npos) << text;
  EXPECT_NE(text.find("\x1b[K\rcubes [#"), std::string::npos) << text;
  EXPECT_NE(text.find("] 100 %  4/4"), std::string::npos) << text;
  EXPECT_TRUE(text.ends_with("\n")) << text;
}

TEST(ProgressBar, IsNotDrawnWhereThereIsNoTerminal) {
  Pipe pipe;
  const auto bar = progress_bar("cubes", pipe.writer_fd());
  bar(1, 2);
  bar(2, 2);
  EXPECT_EQ(pipe.read_all(), "");
}

}  // namespace
}  // namespace steward::detail::test
