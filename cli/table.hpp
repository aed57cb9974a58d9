// Rows for people on a terminal, aligned and cut to its width; for programs, plain lines of fields
// that tabs separate.
#pragma once

#include <cstddef>
#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

#include <steward/core/text.hpp>

namespace steward::cli {

// What the program writes to.
struct Screen {
  bool terminal = false;
  bool colours = false;
  std::size_t columns = 80;
};
// Standard output. No colours if NO_COLOR is set, or on a dumb terminal.
Screen standard_output();

using detail::core::visible;

class Table {
 public:
  // The headers are for people only; without any, none are shown.
  explicit Table(std::vector<std::string> headers = {}) : headers_(std::move(headers)) {}

  // As many fields as there are headers, or as in the other rows.
  void add(std::vector<std::string> fields);
  void print(std::ostream& out, const Screen& screen) const;

 private:
  std::vector<std::string> headers_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace steward::cli
