// Whether two processes are in the same namespaces: a process server cannot put a process into
// others.
#pragma once

#include <string>

#include <steward/process/credentials.hpp>

namespace steward::detail::process {

// Whether both files can be read, and have the same content. Of empty ones nobody can tell: the map
// of ids of a new user namespace is empty, whichever it is.
bool same_text(const std::string& one, const std::string& other);

// Throws SystemError if the process or thread of this directory in /proc is in another user, mount,
// network, IPC, UTS or cgroup namespace than this process, which has the credentials `own`; also if
// that cannot be told.
void check_namespaces(const std::string& directory, const Credentials& own);

}  // namespace steward::detail::process
