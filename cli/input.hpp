// Standard input, in blocks and within bounds: no endless line or value makes the program grow.
#pragma once

#include <array>
#include <cstddef>
#include <string>

#include <steward/steward.hpp>

namespace steward::cli {

// Whatever fits a manager's message is read. A byte of it is up to six characters of a text
// (\u0000), and seven of a list ("false, "). (Only the smallest of what JSON has no word for take
// more: {"$text": "/w=="} is two bytes.)
inline constexpr std::size_t kInputBytes = 8 * decltype(ManagerOptions::limits)().message_bytes;

// Thread safety: none.
class Input {
 public:
  // The next line, without its end. False: there is none. One that is longer than kInputBytes is
  // read to its end and comes out cut, and is_too_long(). Throws std::system_error if it cannot be
  // read.
  bool line(std::string& line);
  bool is_too_long() const { return too_long_; }

  // What is left. Throws std::length_error past kInputBytes, and as line().
  std::string all();

 private:
  bool fill();

  std::array<char, std::size_t{1} << 16U> block_{};
  std::size_t next_ = 0;
  std::size_t size_ = 0;
  bool too_long_ = false;
};

}  // namespace steward::cli
