#include <steward/process/environment.hpp>

#include <unistd.h>

namespace steward::detail::process {

Environment current_environment() {
  Environment variables;
  for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable) {
    variables.emplace_back(*variable);
  }
  return variables;
}

}  // namespace steward::detail::process
