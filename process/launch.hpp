// Starts processes of this program: the primitive under Process, Pool and Manager.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <steward/process/child.hpp>
#include <steward/process/context.hpp>

namespace steward::process {

// What a new process runs, in the process itself. When it returns, the process ends with exit code
// 0; an exception that leaves it means exit code 1, and goes to the starter as its own before
// context.confirm(), to standard error after.
//
// A function of this program or of a library that was loaded before the fork server was started.
// `arguments` are what Launch gave; the view ends with context.confirm().
using Entry = void (*)(ChildContext& context, std::string_view arguments);

struct Launch {
  Entry entry = nullptr;
  std::string arguments;  // any size
  std::string name;       // as it stands in error texts
  bool daemon = false;
  // A server ignores SIGINT and SIGPIPE, reads nothing (its descriptor 0 is /dev/null) and ends by
  // itself once ChildContext::owner_pidfd() is readable. Other processes are killed when their
  // starter has ended.
  bool server = false;
  std::string numbers{};  // Identity::numbers, of a Process
  std::vector<int> files{};  // open here until launch() returns; in the process: its luggage()
};

// Starts a process and waits until it has confirmed. The child has this process's environment,
// working directory, standard descriptors and resource limits of the fork server, default signals,
// and no other descriptor.
//
// Throws what kept the child from coming up: the exception that left its entry (same type and text
// if it is an Error of ours), WorkerDied (it ended, or the fork server is gone), std::system_error.
// Thread safety: any thread.
Child launch(const Launch& order);

// Makes sure that the fork server is there, since it can only be forked while the program has no
// other threads. With some, a server forks it all the same: it runs none of the program's code.
// For a process that throws BadCall.
enum class For { process, server };
void prepare(For what);

// The fork server that this process uses; 0 if there is none yet.
pid_t fork_server_pid();

}  // namespace steward::process
