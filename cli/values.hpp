// The JSON arguments of a command.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <steward/steward.hpp>

namespace steward::cli {

inline constexpr std::string_view kStandardInput = "-";

// Throws UsageError that names the argument by its number.
Value::List to_values(const std::vector<std::string>& arguments, const ConnectOptions& options);
// Likewise; "-", at most once, is the one value that standard input holds.
Value::List read_values(std::vector<std::string> arguments, const ConnectOptions& options);

}  // namespace steward::cli
