// StartMethod::spawn: this program executed anew, once for the spawn server and once for each
// process. An argument on the command line, which child_entry() reads, tells both what they are.
#pragma once

#include <memory>

#include <steward/process/bootstrap.hpp>
#include <steward/process/environment.hpp>
#include <steward/process/process_server.hpp>

namespace steward::detail::process {

// child_entry() must have run in this process. With this environment; nullptr: that of this process
// now. Throws SystemError, WorkerDied.
std::shared_ptr<Link> start_spawn_server(const Environment* environment);

// Executes the program. Called in the child that the spawn server has forked, after everything else
// about it is set.
[[noreturn]] void execute(const Bootstrap& bootstrap);

}  // namespace steward::detail::process
