// Deadlines for poll.
#pragma once

#include <poll.h>

#include <optional>

#include <steward/core/clock.hpp>

namespace steward::detail::client {

inline core::Time now() { return std::chrono::steady_clock::now(); }

inline bool has_passed(core::Deadline deadline) { return deadline && now() >= *deadline; }

inline core::Deadline earliest(core::Deadline a, core::Deadline b) {
  if (!a || !b) return a ? a : b;
  return *a < *b ? a : b;
}

// As poll(2), but until the deadline: at once if it has passed, for ever if there is none.
int poll_once(pollfd* entries, std::size_t count, core::Deadline deadline);

// ppoll until the deadline: at once if it has passed, for ever if there is none. False: nothing
// happened (or a signal came).
bool poll_until(pollfd* entries, std::size_t count, core::Deadline deadline);

// False: the deadline passed.
bool wait_readable(int fd, core::Deadline deadline);

}  // namespace steward::detail::client
