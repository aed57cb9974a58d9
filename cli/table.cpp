#include <steward/cli/table.hpp>

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <ostream>
#include <utility>

namespace steward::cli {
namespace {

constexpr std::string_view kBold = "\x1b[1m";
constexpr std::string_view kColour = "\x1b[36m";
constexpr std::string_view kPlain = "\x1b[0m";
constexpr std::string_view kGap = "  ";

using detail::core::begins_character;

// In characters. (Those that are wider than one column are counted as one.)
std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, begins_character));
}

// The first characters, and "..." in place of the others.
std::string cut(std::string_view text, std::size_t columns) {
  constexpr std::string_view kMore = "...";
  if (width(text) <= columns) return std::string(text);
  if (columns <= kMore.size()) return std::string(kMore.substr(0, columns));
  std::size_t left = columns - kMore.size() + 1;
  std::size_t size = 0;
  while (size < text.size() && (!begins_character(text[size]) || --left > 0)) ++size;
  return std::string(text.substr(0, size)) + std::string(kMore);
}

}  // namespace

Screen standard_output() {
  Screen screen;
  screen.terminal = ::isatty(STDOUT_FILENO) == 1;
  if (!screen.terminal) return screen;
  const char* no_color = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  const bool dumb = term == nullptr || std::string_view(term) == "dumb";
  screen.colours = (no_color == nullptr || *no_color == '\0') && !dumb;
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
    screen.columns = size.ws_col;
  }
  return screen;
}

void Table::add(std::vector<std::string> fields) {
  for (std::string& field : fields) field = visible(field);
  rows_.push_back(std::move(fields));
}

void Table::print(std::ostream& out, const Screen& screen) const {
  if (!screen.terminal) {
    for (const auto& row : rows_) {
      std::string_view tab;
      for (const std::string& field : row) out << std::exchange(tab, "\t") << field;
      out << '\n';
    }
    return;
  }
  std::vector<std::size_t> widths(headers_.empty() && !rows_.empty() ? rows_[0].size()
                                                                     : headers_.size());
  const auto measure = [&](const std::vector<std::string>& row) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i]));
  };
  measure(headers_);
  for (const auto& row : rows_) measure(row);

  const auto print_row = [&](const std::vector<std::string>& row, std::string_view first,
                             std::string_view others) {
    std::size_t used = 0;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const bool last = i + 1 == row.size();
      const std::size_t left = screen.columns - std::min(screen.columns, used);
      const std::string text = last ? cut(row[i], left) : row[i];
      const std::string_view colour = !screen.colours ? "" : i == 0 ? first : others;
      out << colour << text << (colour.empty() ? "" : kPlain);
      if (!last) out << std::string(widths[i] - width(text), ' ') << kGap;
      used += widths[i] + kGap.size();
    }
    out << '\n';
  };
  if (!headers_.empty()) print_row(headers_, kBold, kBold);
  for (const auto& row : rows_) print_row(row, kColour, "");
}

}  // namespace steward::cli
