// Waiting for a descriptor.
#pragma once

#include <poll.h>

#include <vector>

#include <steward/core/clock.hpp>

namespace steward::detail::shm {

// Waits until one of the entries is ready or hung up, which their `revents` say; false once the
// deadline has passed. Signals do not end it. Throws SystemError.
bool poll_until(std::vector<pollfd>& entries, core::Deadline deadline);

// Likewise for one descriptor: `events` as of poll(2).
bool poll_until(int fd, short events, core::Deadline deadline);

}  // namespace steward::detail::shm
