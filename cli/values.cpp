#include <steward/cli/values.hpp>

#include <algorithm>
#include <optional>

#include <steward/cli/input.hpp>
#include <steward/cli/json.hpp>
#include <steward/cli/usage.hpp>

namespace steward::cli {
namespace {

Value to_value(const std::string& text, std::size_t number, const ConnectOptions& options) {
  return from_json(text, "argument " + std::to_string(number), options);
}

Value from_standard_input(const ConnectOptions& options) {
  return from_json(Input().all(), "standard input", options);
}

}  // namespace

Value::List to_values(const std::vector<std::string>& arguments, const ConnectOptions& options) {
  Value::List values;
  for (const std::string& text : arguments) {
    values.push_back(to_value(text, values.size() + 1, options));
  }
  return values;
}

Value::List read_values(std::vector<std::string> arguments, const ConnectOptions& options) {
  if (std::ranges::count(arguments, kStandardInput) > 1) {
    throw UsageError("- stands for standard input, which can be read once");
  }
  const auto place = std::ranges::find(arguments, kStandardInput);
  if (place == arguments.end()) return to_values(arguments, options);
  const auto index = place - arguments.begin();
  *place = "null";
  Value::List values = to_values(arguments, options);
  values[static_cast<std::size_t>(index)] = from_standard_input(options);
  return values;
}

}  // namespace steward::cli
