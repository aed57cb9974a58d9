// Keepers that are copies of this program: see keeper.hpp.
#pragma once

#include <memory>

#include <steward/process/keeper.hpp>

namespace steward::process {

// Neither keeper becomes a child of this process: a program that waits for all its children must
// not wait for ever. Both throw SystemError.
std::shared_ptr<Link> start_fork_server();

// A keeper for one process, which has the descriptors that this one has now, but with `keeps_files`
// false those of PassedFds.
std::shared_ptr<Link> fork_keeper(bool keeps_files);

}  // namespace steward::process
