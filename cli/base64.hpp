// Base64 with padding (RFC 4648), for bytes inside of JSON.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace steward::cli {

std::string to_base64(std::string_view bytes);
// nullopt: the text is no base64. The canonical form only: each text stands for other bytes.
std::optional<std::string> from_base64(std::string_view text);

}  // namespace steward::cli
