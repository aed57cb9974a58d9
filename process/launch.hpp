// Starts processes of this program: the primitive under Process, Pool and Manager.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <steward/process/child.hpp>
#include <steward/process/context.hpp>
#include <steward/process/entry.hpp>
#include <steward/process/environment.hpp>
#include <steward/process/start_method.hpp>

namespace steward::detail::process {

struct Launch {
  Entry entry = nullptr;
  std::string arguments;  // any size
  std::string name;       // as it stands in error texts
  bool daemon = false;
  // A server ignores kIgnoredByServers, reads nothing (its descriptor 0 is /dev/null) and ends by
  // itself once ChildContext::owner_pidfd() is readable. Other processes are killed when their
  // starter has ended.
  bool server = false;
  std::string numbers{};  // Identity::numbers, of a Process
  std::vector<int> files{};  // must stay open until launch() returns; the process takes them from
                             // ChildContext::passed_files()
  std::optional<StartMethod> method{};  // empty: what prepare() returns
  int give_up = -1;  // a descriptor: launch() throws Closed once it is readable
  bool keeps_files = false;  // with StartMethod::fork: of the PassedFds of this process, too
  // What the program's own threads have in hand. False: this is none of them. What standard streams
  // hold back is left to the program then, and forgotten in a copy of it.
  bool on_programs_thread = true;
  const Environment* environment = nullptr;  // nullptr: that of this process now
};

// Starts a process and waits until it has confirmed. If this throws, the entry does not get past
// ChildContext::confirm(). The child has this process's environment,
// working directory, standard descriptors and all that inherit() takes over, default signals but
// for SIGHUP where this one ignores it, and no other descriptor but with StartMethod::fork.
//
// Throws what kept the child from coming up: the exception that left its entry (same type and text
// if it is an Error of ours), WorkerDied (it ended, or its process server is gone or has been
// stopped for Child::kServerTime), SystemError.
// Thread safety: any thread.
Child launch(const Launch& order);

// The method by which a process would be started now: `wish` if there is one; else, for a process,
// that of set_start_method(); else fork_server, or spawn if no fork server runs yet and there are
// other threads. Starts the fork server or the spawn server if that is it; the latter in
// `environment`.
//
// Throws BadCall for a process that cannot be started so: other threads and no fork server, a fork
// server that was started beside threads, for a server; no child_entry() for spawn. A server is
// forked beside whatever threads: it runs none of the program's code.
enum class For { process, server };
StartMethod prepare(For what, std::optional<StartMethod> wish = {},
                    const Environment* environment = nullptr);

// The fork server that this process uses; 0 if there is none yet.
pid_t fork_server_pid();

}  // namespace steward::detail::process
