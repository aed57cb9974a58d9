#include <steward/process/process_of.hpp>

#include <fmt/format.h>

#include <steward/core/errors.hpp>
#include <steward/process/state.hpp>

namespace steward::detail::process {

NumbersKept::NumbersKept() : made_(ProcessState::get().processes_made()) {}

NumbersKept::~NumbersKept() { ProcessState::get().set_processes_made(made_); }

void check_class(const std::type_info& object, const std::type_info& wanted,
                 std::string_view process) {
  if (object == wanted) return;
  throw BadCall(fmt::format("Process {}.start: a class that is derived from one with ProcessOf as "
                            "its base cannot be started: derive it from ProcessOf itself",
                            process));
}

void refuse_members(std::string_view process, const char* why) {
  throw BadCall(fmt::format("{}: the members: {}", process, why));
}

}  // namespace steward::detail::process
