// Process servers that are copies of this program: see process_server.hpp.
#pragma once

#include <memory>

#include <steward/process/process_server.hpp>

namespace steward::detail::process {

// Neither process server becomes a child of this process: a program that waits for all its children
// must not wait for ever. Both throw SystemError.

// `beside_threads`: the program has others, whose locks stay locked in the copy.
std::shared_ptr<Link> start_fork_server(bool beside_threads);

// A process server for one process, which has the descriptors that this one has now, but with
// `keeps_files` false those of PassedFds. `on_programs_thread`: see Launch.
std::shared_ptr<Link> fork_process_server(bool keeps_files, bool on_programs_thread);

}  // namespace steward::detail::process
