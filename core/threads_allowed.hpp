// Threads that ZeroMQ starts end the whole process if they cannot be started: so that is tried
// before.
#pragma once

#include <steward/core/errors.hpp>

namespace steward::detail::core {

// That the system starts no thread, and where to look.
SystemError no_thread(int error);

// Throws SystemError unless three threads can be started now: ZeroMQ's two, and who starts them.
void check_threads_allowed();

}  // namespace steward::detail::core
