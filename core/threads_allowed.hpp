// Threads that ZeroMQ starts end the whole process if they cannot be started: so that is tried
// before.
#pragma once

namespace steward::core {

// Throws SystemError unless three threads can be started now: ZeroMQ's two, and who starts them.
void check_threads_allowed();

}  // namespace steward::core
