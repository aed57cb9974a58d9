// The life of a forked child from its first instruction: it becomes a process of its own, runs its
// entry, and ends without touching what it inherited.
#pragma once

#include <array>

#include <sys/resource.h>

#include <steward/process/request.hpp>
#include <steward/shm/unique_fd.hpp>

namespace steward::process {

// What the fork server itself has changed in its copy of the program, for its children to undo.
struct Origin {
  std::array<char, 16> thread_name{};
  rlimit open_files{};
};

// What the fork server gives a child besides the request.
struct Birth {
  IncomingRequest request;
  shm::UniqueFd link;        // the child's own connection to the fork server
  int starter_pidfd = -1;    // these two belong to the fork server; the child duplicates them
  int fork_server_pidfd = -1;
  pid_t fork_server = 0;
  Origin origin;
};

// noexcept: nothing may unwind into the frames of the program that the fork server is a copy of.
[[noreturn]] void live(Birth birth) noexcept;

}  // namespace steward::process
