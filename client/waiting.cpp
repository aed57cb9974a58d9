#include <steward/client/waiting.hpp>

#include <algorithm>
#include <cerrno>
#include <ctime>

#include <steward/client/state.hpp>
#include <steward/core/errors.hpp>
#include <steward/core/own_threads.hpp>

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

bool may_be_interrupted() {
  return State::current().interrupt_check() != nullptr && !core::on_own_thread();
}

void heed_interrupt() {
  const auto check = State::current().interrupt_check();
  if (check != nullptr && !core::on_own_thread() && check()) throw Interrupted("interrupted");
}

bool wait_ready(int fd, short events, core::Deadline deadline) {
  pollfd entry{fd, events, 0};
  for (;;) {
    const int ready = poll_once(&entry, 1, deadline);
    if (ready > 0) return true;
    if (ready < 0 && errno == EINTR) heed_interrupt();
    if (has_passed(deadline)) return false;
  }
}

}  // namespace steward::detail::client
