// The process server: the process that makes others on request and watches over them. It is the
// parent of each, tells each starter how its processes end, kills the processes of a starter that
// is gone, and ends when its owner, the process that made it, has ended. It has one thread, and
// nothing of the program that it came from: no descriptors, no signal handlers, no working
// directory.
//
// There is one kind for each start method.
// - The fork server is a copy of the program, made while that had one thread. It forks. Every
//   function of the program has the same address in it and in its processes.
// - The spawn server is the program executed anew, up to child_entry(). It executes the program
//   once more for each process.
// - For StartMethod::fork every process has a process server of its own, a copy of the program as
//   it stood: it forks once, and ends with that process.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <sys/types.h>

#include <steward/process/start_method.hpp>
#include <steward/shm/unique_fd.hpp>

namespace steward::detail::process {

// The connection of this process to one process server. Immutable; any thread may send requests,
// each of which is one message. In a forked copy of this process its destructor closes nothing,
// since the descriptor numbers may stand for other files there.
struct Link {
  Link(StartMethod kind, shm::UniqueFd connection, shm::UniqueFd server_pidfd,
       pid_t process_server);
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
std::string server_of(const Link& link);
[[noreturn]] void throw_server_ended(const std::string& name, const Link& link);
// What may have kept a process server from its work, for error texts.
std::string what_it_may_lack();
// Throws RequestNotTaken if a signal (or a debugger) has stopped it; one that is merely slow is
// waited for.
void throw_if_stopped(const std::string& name, const Link& link);

// What a process server is started with.
struct ServerArguments {
  StartMethod method = StartMethod::fork_server;
  shm::UniqueFd connection;
  shm::UniqueFd owner_pidfd;
  pid_t owner = 0;
  bool beside_threads = false;  // the program had others when this copy of it was made
};

// The end of the process between, which has forked the process server, or not (-1, and errno). Its
// word says which process is to be looked at, should the server not come up.
[[noreturn]] void end_step(int connection, pid_t process_server) noexcept;

// Becomes a process server. noexcept: nothing may unwind into the frames of the program that this
// is a copy of.
[[noreturn]] void serve_processes(ServerArguments arguments) noexcept;

// Called in the owner. Waits for the end of the process between them (`step`), so that the process
// server is no child of the owner, and then for the server's first message. Throws SystemError,
// WorkerDied, RequestNotTaken if the server ended, or one of the two has been stopped for
// Child::kServerTime; then it never serves.
std::shared_ptr<Link> await_server(StartMethod method, pid_t step, shm::UniqueFd connection);

}  // namespace steward::detail::process
