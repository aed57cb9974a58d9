// The environment variables that a new process gets.
#pragma once

#include <string>
#include <vector>

namespace steward::detail::process {

// "NAME=value", each.
using Environment = std::vector<std::string>;

// Those of this process as they are now. Only on a thread of the program: what setenv() does
// meanwhile in another one is a race that nobody but the program can rule out.
Environment current_environment();

}  // namespace steward::detail::process
