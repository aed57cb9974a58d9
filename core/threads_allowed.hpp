// Whether this process can start threads. ZeroMQ ends the whole process if it cannot start its own,
// so the library tries that first.
#pragma once

#include <steward/core/errors.hpp>

namespace steward::detail::core {

// The error for a thread that the system did not start; its text says where to look.
SystemError no_thread(int error);

// Throws SystemError unless three threads can be started now: ZeroMQ's two, and the one that starts
// them.
void check_threads_allowed();

}  // namespace steward::detail::core
