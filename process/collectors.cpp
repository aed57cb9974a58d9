#include <steward/process/collectors.hpp>

#include <fmt/format.h>

#include <steward/core/errors.hpp>

namespace steward::process {

std::exception_ptr unreadable_result(const char* why) {
  return std::make_exception_ptr(BadCall(fmt::format("the result of a task: {}", why)));
}

}  // namespace steward::process
