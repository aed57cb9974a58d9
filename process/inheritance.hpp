// What a new process takes over from its starter, as if the starter had forked it. Its process
// server is older, and still has what the program had when the server was made; so the kernel is
// asked what the starter has now. The starter itself is not asked, since a program may give up
// rights because it no longer trusts itself.
#pragma once

#include <sys/types.h>

namespace steward::detail::process {

// The process that asked. The kernel says who it is; `thread` and `acting` it says itself, and
// `thread` is checked to be one of its threads.
struct Starter {
  pid_t pid = 0;
  pid_t thread = 0;
  uid_t user = 0;    // root, if it can become that, otherwise the real one
  gid_t group = 0;   // the real one
  uid_t acting = 0;  // the effective user, as the starter says
};

// In a process that a process server has just made, of one thread: takes over root directory,
// resource limits, niceness, CPU affinity, umask and credentials of the starter. Where there is no
// /proc it must have the user and group of this process, and the rest stays as it is. Throws
// SystemError if some of that cannot be read, if the process server has not the right to give it,
// the starter has entered another namespace, or nothing proves that it had such rights when it
// asked.
enum class Then { run, execute };  // what the process does next
void inherit(const Starter& starter, Then then);

}  // namespace steward::detail::process
