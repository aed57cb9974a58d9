// Threads that ZeroMQ starts end the whole process if they cannot be: so that is tried before.
#pragma once

namespace steward::core {

// Throws SystemError unless two threads can be started now.
void check_threads_allowed();

}  // namespace steward::core
