#include <steward/cli/input.hpp>

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>
#include <string_view>
#include <system_error>

namespace steward::cli {

bool Input::line(std::string& line) {
  line.clear();
  too_long_ = false;
  bool any = false;
  while (next_ < size_ || fill()) {
    any = true;
    const std::string_view rest(block_.data() + next_, size_ - next_);
    const std::size_t length = std::min(rest.find('\n'), rest.size());
    const std::size_t room = kInputBytes - line.size();
    too_long_ = too_long_ || length > room;
    line.append(rest.substr(0, std::min(length, room)));
    const bool ended = length < rest.size();
    next_ += length + (ended ? 1 : 0);
    if (ended) break;
  }
  return any;
}

std::string Input::all() {
  std::string text;
  while (next_ < size_ || fill()) {
    if (size_ - next_ > kInputBytes - text.size()) {
      throw std::length_error("standard input has more than " + std::to_string(kInputBytes) +
                              " bytes, eight times the limit of a message");
    }
    text.append(block_.data() + next_, size_ - next_);
    next_ = size_;
  }
  return text;
}

bool Input::fill() {
  ssize_t size = 0;
  do {
    size = ::read(STDIN_FILENO, block_.data(), block_.size());
  } while (size < 0 && errno == EINTR);
  if (size < 0) {
    throw std::system_error(errno, std::generic_category(), "cannot read standard input");
  }
  next_ = 0;
  size_ = static_cast<std::size_t>(size);
  return size > 0;
}

}  // namespace steward::cli
