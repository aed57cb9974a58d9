#include <steward/process/callable.hpp>

#include <fmt/format.h>

#include <steward/core/errors.hpp>

namespace steward::detail::process {

void refuse_argument(std::string_view process, std::size_t place, const char* why) {
  if (place == 0) throw BadCall(fmt::format("{}: the target: {}", process, why));
  throw BadCall(fmt::format("{}: argument {}: {}", process, place, why));
}

}  // namespace steward::detail::process
