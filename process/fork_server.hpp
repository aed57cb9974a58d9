// The fork server: the one process from which all others of a program are forked.
//
// It is a copy of the program made while that had one thread, so every function of the program has
// the same address in it and in the processes that it forks: any function can be a target. It keeps
// nothing else of the program: no descriptors, no signal handlers, no working directory. It waits
// for requests from the program that owns it (its owner) and from the processes that it has forked,
// tells each starter how its processes end, kills the processes of a starter that is gone, and ends
// when its owner has ended.
#pragma once

#include <memory>
#include <string>

#include <sys/types.h>

#include <steward/shm/unique_fd.hpp>

namespace steward::process {

// One process's way to its fork server. Immutable; any thread may send requests, each of which is
// one message.
struct Link {
  shm::UniqueFd socket;
  shm::UniqueFd pidfd;
  pid_t pid = 0;
};

// Forks a fork server that is owned by this process. It becomes no child of this process: a program
// that waits for all its children must not wait for ever. Throws std::system_error.
std::shared_ptr<Link> start_fork_server();

[[noreturn]] void throw_fork_server_ended(const std::string& name, const Link& link);

}  // namespace steward::process
