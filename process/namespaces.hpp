// Whether two processes are in the same namespaces: a keeper cannot put a process into others.
#pragma once

#include <string>

#include <steward/process/credentials.hpp>

namespace steward::process {

// Whether both files can be read, and have the same content.
bool same_text(const std::string& one, const std::string& other);

// Throws SystemError if the process or thread of this directory in /proc is in another user, mount,
// network, IPC, UTS or cgroup namespace than this process, which has the credentials `own`; also if
// that cannot be told.
void check_namespaces(const std::string& directory, const Credentials& own);

}  // namespace steward::process
