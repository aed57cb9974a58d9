// The keeper: the process that makes others on request and watches over them. It is the parent of
// each, tells each starter how its processes end, kills the processes of a starter that is gone,
// and ends when its owner, the process that made it, has ended. It has one thread, and nothing of
// the program that it came from: no descriptors, no signal handlers, no working directory.
//
// There is one kind for each start method.
// - The fork server is a copy of the program, made while that had one thread. It forks. Every
//   function of the program has the same address in it and in its processes.
// - The spawn server is the program executed anew, up to child_entry(). It executes the program
//   once more for each process.
// - For StartMethod::fork every process has a keeper of its own, a copy of the program as it stood:
//   it forks once, and ends with that process.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <sys/types.h>

#include <steward/process/start_method.hpp>
#include <steward/shm/unique_fd.hpp>

namespace steward::process {

// A process's way to a keeper. Immutable; any thread may send requests, each of which is one
// message. In a copy of the process it closes nothing by itself: there the numbers may stand for
// other files.
struct Link {
  Link(StartMethod kind, shm::UniqueFd connection, shm::UniqueFd keeper_pidfd, pid_t keeper);
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;
  ~Link();

  StartMethod method;
  shm::UniqueFd socket;
  shm::UniqueFd pidfd;
  pid_t pid;
  pid_t creator;
};

// "the fork server (pid 17)"
std::string keeper_of(const Link& link);
[[noreturn]] void throw_keeper_ended(const std::string& name, const Link& link);

// What a keeper knows of its owner, and what it was made for.
struct Keeping {
  StartMethod method = StartMethod::fork_server;
  shm::UniqueFd connection;
  shm::UniqueFd owner_pidfd;
  pid_t owner = 0;
};

// Becomes a keeper. noexcept: nothing may unwind into the frames of the program that this is a copy
// of.
[[noreturn]] void keep(Keeping keeping) noexcept;

// In the owner: awaits the end of the step between it and the keeper, which thereby has no parent
// here, and then the keeper's greeting. Throws SystemError, WorkerDied.
std::shared_ptr<Link> await_keeper(StartMethod method, pid_t step, shm::UniqueFd connection);

}  // namespace steward::process
