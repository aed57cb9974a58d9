// The life of a new process from its first instruction: it becomes a process of its own, runs its
// entry, and ends without touching what it inherited.
#pragma once

#include <array>

#include <sys/resource.h>

#include <steward/process/inheritance.hpp>
#include <steward/process/request.hpp>
#include <steward/process/start_method.hpp>
#include <steward/shm/unique_fd.hpp>

namespace steward::process {

// What a keeper has changed in its copy of the program, for its processes to undo.
struct Origin {
  std::array<char, 16> thread_name{};
  rlimit open_files{};
};

// What a keeper gives a process besides the request.
struct Birth {
  StartMethod method = StartMethod::fork_server;
  IncomingRequest request;
  shm::UniqueFd link;      // the process's own connection to its keeper; none with fork
  int starter_pidfd = -1;  // these two belong to the keeper; the process duplicates them
  int keeper_pidfd = -1;
  pid_t keeper = 0;
  Origin origin;
  Starter starter{};
};

// In the copy that a keeper has forked. With StartMethod::spawn it executes the program. noexcept:
// nothing may unwind into the frames of the program that this is a copy of.
[[noreturn]] void live(Birth birth) noexcept;

// In the program, executed so.
[[noreturn]] void live_anew(Birth birth) noexcept;

}  // namespace steward::process
