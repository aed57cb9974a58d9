// Text as it leaves the library in messages: bounded, still UTF-8 if it was, and nothing that a
// terminal obeys.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace steward::detail::core {

inline bool begins_character(char byte) {
  return (static_cast<unsigned char>(byte) & 0xc0U) != 0x80U;
}

// The first `limit` bytes of `text`, less the part of a character that would remain at the end.
inline std::string_view cut(std::string_view text, std::size_t limit) {
  if (text.size() <= limit) return text;
  std::size_t size = limit;
  // A character has at most three bytes that continue it.
  for (int step = 0; step < 3 && size > 0 && !begins_character(text[size]); ++step) --size;
  return text.substr(0, begins_character(text[size]) ? size : limit);
}

// Control characters, bytes that are no UTF-8, and what turns the direction of writing, as \t, \n,
// \x1b: nobody's words move the cursor or end a field.
std::string visible(std::string_view text);

}  // namespace steward::detail::core
