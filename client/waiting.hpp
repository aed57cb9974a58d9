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

// ppoll until the deadline: at once if it has passed, for ever if there is none. False: nothing
// happened (or a signal came).
bool poll_until(pollfd* entries, std::size_t count, core::Deadline deadline);

// Whether the calling thread asks the interrupt check while it waits: there is one, and this is a
// thread of the program. (The host language knows nothing of the library's own.)
bool may_be_interrupted();
// Asks it, if it may. Throws Interrupted if the thread shall wait no longer.
void heed_interrupt();
// No signal wakes a thread from a condition variable: such a wait asks that often.
inline constexpr std::chrono::milliseconds kInterruptSlice{50};

// Until the descriptor is as `events` of poll(2) say. False: the deadline passed. Throws
// Interrupted if a signal came and the interrupt check says so.
bool wait_ready(int fd, short events, core::Deadline deadline);
inline bool wait_readable(int fd, core::Deadline deadline) {
  return wait_ready(fd, POLLIN, deadline);
}

}  // namespace steward::detail::client
