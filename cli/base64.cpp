#include <steward/cli/base64.hpp>

#include <cstddef>
#include <cstdint>

namespace steward::cli {
namespace {

constexpr std::string_view kDigits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr char kPadding = '=';

}  // namespace

std::string to_base64(std::string_view bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::string_view group = bytes.substr(i, 3);
    std::uint32_t bits = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      bits = bits << 8U | (k < group.size() ? static_cast<unsigned char>(group[k]) : 0U);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      text += k <= group.size() ? kDigits[bits >> (18U - 6U * k) & 63U] : kPadding;
    }
  }
  return text;
}

std::optional<std::string> from_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::string bytes;
  std::uint32_t bits = 0;
  std::size_t digits = 0;
  std::size_t size = text.size();
  while (size > 0 && text.size() - size < 2 && text[size - 1] == kPadding) --size;
  for (const char letter : text.substr(0, size)) {
    const auto digit = kDigits.find(letter);
    if (digit == std::string_view::npos) return std::nullopt;
    bits = bits << 6U | static_cast<std::uint32_t>(digit);
    if (++digits % 4 != 0) continue;
    for (const unsigned shift : {16U, 8U, 0U}) bytes += static_cast<char>(bits >> shift & 255U);
    bits = 0;
  }
  switch (digits % 4) {
    case 0: break;
    case 2: bytes += static_cast<char>(bits >> 4U & 255U); break;
    case 3:
      bytes += static_cast<char>(bits >> 10U & 255U);
      bytes += static_cast<char>(bits >> 2U & 255U);
      break;
    default: return std::nullopt;
  }
  // What the bits left over say must be nothing.
  if (to_base64(bytes) != text) return std::nullopt;
  return bytes;
}

}  // namespace steward::cli
