// Text as it leaves the library in messages: bounded, and still UTF-8 if it was.
#pragma once

#include <cstddef>
#include <string_view>

namespace steward::detail::core {

// The first `limit` bytes of `text`, less the part of a character that would remain at the end.
inline std::string_view cut(std::string_view text, std::size_t limit) {
  if (text.size() <= limit) return text;
  const auto continues = [](char byte) {
    return (static_cast<unsigned char>(byte) & 0xc0U) == 0x80U;
  };
  std::size_t size = limit;
  // A character has at most three bytes that continue it.
  for (int step = 0; step < 3 && size > 0 && continues(text[size]); ++step) --size;
  return text.substr(0, continues(text[size]) ? limit : size);
}

}  // namespace steward::detail::core
