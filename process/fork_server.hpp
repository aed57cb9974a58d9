// Process servers that are copies of this program: see process_server.hpp.
#pragma once

#include <memory>

#include <steward/process/process_server.hpp>

namespace steward::detail::process {

// Starts the fork server. As with fork_process_server(), the server is no child of this process, or
// a program that waits for all its children would wait for ever. Both throw SystemError.

// `beside_threads`: the program has others, whose locks stay locked in the copy.
std::shared_ptr<Link> start_fork_server(bool beside_threads);

// Starts a process server for a single process. That one has the descriptors that this process has
// now; if `keeps_files` is false, without those of PassedFds. `on_programs_thread`: see Launch.
std::shared_ptr<Link> fork_process_server(bool keeps_files, bool on_programs_thread);

}  // namespace steward::detail::process
