// Text as the bytes that libsodium takes.
#pragma once

#include <string>
#include <string_view>

namespace steward::detail::core {

inline const unsigned char* octets(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}
inline unsigned char* octets(std::string& text) {
  return reinterpret_cast<unsigned char*>(text.data());
}

}  // namespace steward::detail::core
