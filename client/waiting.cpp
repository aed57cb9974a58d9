#include <steward/client/waiting.hpp>

#include <algorithm>
#include <cerrno>
#include <ctime>

#include <steward/core/interrupt.hpp>

namespace steward::detail::client {

int poll_once(pollfd* entries, std::size_t count, core::Deadline deadline) {
  if (!deadline) return ::ppoll(entries, count, nullptr, nullptr);
  const auto left = std::max(core::Duration::zero(), *deadline - now());
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
  const timespec wait{static_cast<time_t>(seconds.count()),
                      static_cast<long>(std::chrono::nanoseconds(left - seconds).count())};
  return ::ppoll(entries, count, &wait, nullptr);
}

bool poll_until(pollfd* entries, std::size_t count, core::Deadline deadline) {
  return poll_once(entries, count, deadline) > 0;
}

bool wait_ready(int fd, short events, core::Deadline deadline) {
  pollfd entry{fd, events, 0};
  for (;;) {
    if (poll_once(&entry, 1, core::next_look(deadline)) > 0) return true;
    core::heed_interrupt_check("connecting");
    if (has_passed(deadline)) return false;
  }
}

}  // namespace steward::detail::client
