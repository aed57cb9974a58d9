#include <steward/core/text.hpp>

#include <algorithm>

namespace steward::detail::core {
namespace {

// The bytes of the first character of UTF-8; 1, too, if a byte stands there that begins none.
std::size_t character_size(std::string_view text) {
  const auto first = static_cast<unsigned char>(text[0]);
  const std::size_t size = first >= 0xf0U ? 4 : first >= 0xe0U ? 3 : first >= 0xc2U ? 2 : 1;
  if (size > text.size() || first > 0xf4U) return 1;
  return std::ranges::none_of(text.substr(1, size - 1), begins_character) ? size : 1;
}

// Characters that print nothing and let a terminal show what follows in another order: U+061C,
// U+200E, U+200F, U+202A to U+202E, U+2066 to U+2069.
bool turns_direction(std::string_view character) {
  if (character == "\xd8\x9c") return true;
  if (character.size() != 3 || character[0] != '\xe2') return false;
  const auto last = static_cast<unsigned char>(character[2]);
  if (character[1] == '\x80') {
    return last == 0x8eU || last == 0x8fU || (last >= 0xaaU && last <= 0xaeU);
  }
  return character[1] == '\x81' && last >= 0xa6U && last <= 0xa9U;
}

}  // namespace

std::string visible(std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out;
  while (!text.empty()) {
    const std::size_t size = character_size(text);
    const auto first = static_cast<unsigned char>(text[0]);
    const auto last = static_cast<unsigned char>(text[size - 1]);
    const bool control = first < 0x20U || first == 0x7fU || (first == 0xc2U && last < 0xa0U);
    const bool no_character = size == 1 && first >= 0x80U;
    const bool turns = turns_direction(text.substr(0, size));
    if (first == '\t') {
      out += "\\t";
    } else if (first == '\n') {
      out += "\\n";
    } else if (control || no_character || turns) {
      for (const char byte : turns ? text.substr(0, size) : text.substr(size - 1, 1)) {
        out += "\\x";
        out += kHex[static_cast<unsigned char>(byte) >> 4U];
        out += kHex[static_cast<unsigned char>(byte) & 15U];
      }
    } else {
      out += text.substr(0, size);
    }
    text.remove_prefix(size);
  }
  return out;
}

}  // namespace steward::detail::core
