// StartMethod::spawn: this program executed anew, once for the spawn server and once for each
// process. Both find their way by an argument of the command line, which child_entry() reads.
#pragma once

#include <memory>

#include <steward/process/bootstrap.hpp>
#include <steward/process/environment.hpp>
#include <steward/process/process_server.hpp>

namespace steward::detail::process {

// child_entry() must have run in this process. With this environment; nullptr: that of this process
// now. Throws SystemError, WorkerDied.
std::shared_ptr<Link> start_spawn_server(const Environment* environment);

// In the spawn server's forked child, which has become what it needs to be but for its program.
[[noreturn]] void execute(const Bootstrap& bootstrap);

}  // namespace steward::detail::process
