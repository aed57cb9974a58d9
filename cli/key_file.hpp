// Keys come from files, never from the command line: every process may read that.
#pragma once

#include <string>

namespace steward::cli {

// The key in this file, less a newline at its end. Throws UsageError unless it is a regular file of
// this user or root that nobody but its owner may read or write, with something in it.
std::string read_key(const std::string& path);

}  // namespace steward::cli
