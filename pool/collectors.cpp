#include <steward/pool/collectors.hpp>

#include <fmt/format.h>

#include <steward/core/errors.hpp>

namespace steward::detail::pool {

std::exception_ptr unreadable_result(const char* why) {
  return std::make_exception_ptr(BadCall(fmt::format("the result of a task: {}", why)));
}

}  // namespace steward::detail::pool
