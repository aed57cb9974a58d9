// Directories that are this user's alone: what stands there, no other user has put there.
#pragma once

#include <string>

namespace steward::detail::client {

// Why it is none, as the end of a sentence that begins with its path; empty: it is, or it is not
// there. `there` says which. A symbolic link is none, whatever it leads to: who may change the
// directory around it may lead it elsewhere.
std::string objection_to_directory(const std::string& path, bool& there);

}  // namespace steward::detail::client
