// Whether threads can be had. ZeroMQ ends the process if it does not get its own.
#pragma once

namespace steward::shm {

// Whether this process may start so many threads now. (Another may take them a moment later.)
bool has_room_for_threads(int count);

}  // namespace steward::shm
