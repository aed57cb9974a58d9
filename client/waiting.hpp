// Deadlines for poll, and how the program's interrupt check ends a wait.
#pragma once

#include <poll.h>

#include <chrono>
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

// As poll_once(). True: an entry is ready. False: the deadline passed, or a signal came.
bool poll_until(pollfd* entries, std::size_t count, core::Deadline deadline);

// Until the descriptor is as `events` of poll(2) say. False: the deadline passed. Throws
// Interrupted if the interrupt check says so, or a stop (core::StopScope).
bool wait_ready(int fd, short events, core::Deadline deadline);
inline bool wait_readable(int fd, core::Deadline deadline) {
  return wait_ready(fd, POLLIN, deadline);
}

}  // namespace steward::detail::client
