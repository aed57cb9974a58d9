// What a process has from the one that asked for it, as if that had forked it: its process server
// is older, and has what the program had at its birth. The kernel tells what the starter has now.
// What the starter says of itself would not do: a program may give up rights because it trusts
// itself no longer.
#pragma once

#include <sys/types.h>

namespace steward::detail::process {

// Who asked, by the kernel's word; the thread by its own, which is checked to be one of its.
struct Starter {
  pid_t pid = 0;
  pid_t thread = 0;
  uid_t user = 0;    // root, if it can become that, otherwise the real one
  gid_t group = 0;   // the real one
  uid_t acting = 0;  // its effective user, by its own word
};

// In a process that a process server has just made, of one thread: takes over root directory,
// resource limits, niceness, CPU affinity, umask and credentials of the starter. Where there is no
// /proc it must have the user and group of this process, and the rest stays as it is. Throws
// SystemError if something of it cannot be looked at, the process server has not the right to give
// it, the starter has entered another namespace, or nothing proves that it had such rights when it
// asked.
enum class Then { run, execute };  // what the process does next
void inherit(const Starter& starter, Then then);

}  // namespace steward::detail::process
