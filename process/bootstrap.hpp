// The life of a new process from its first instruction: it becomes a process of its own, runs its
// entry, and ends without touching what it inherited.
#pragma once

#include <array>

#include <sys/resource.h>

#include <steward/process/inheritance.hpp>
#include <steward/process/request.hpp>
#include <steward/process/start_method.hpp>
#include <steward/shm/unique_fd.hpp>

namespace steward::detail::process {

// What a process server has changed in its copy of the program, for its processes to undo.
struct Origin {
  std::array<char, 16> thread_name{};
  rlimit open_files{};
};

// What a process server gives a process besides the request.
struct Bootstrap {
  StartMethod method = StartMethod::fork_server;
  IncomingRequest request;
  shm::UniqueFd link;      // the process's own connection to its process server; none with fork
  int starter_pidfd = -1;  // these two belong to the process server; the process duplicates them
  int server_pidfd = -1;
  pid_t process_server = 0;
  Origin origin;
  Starter starter{};
};

// In the copy that a process server has forked. With StartMethod::spawn it executes the program.
// noexcept: nothing may unwind into the frames of the program that this is a copy of.
[[noreturn]] void run_child(Bootstrap bootstrap) noexcept;

// In the program, executed so.
[[noreturn]] void run_executed(Bootstrap bootstrap) noexcept;

}  // namespace steward::detail::process
