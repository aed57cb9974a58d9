#include <steward/shm/poll.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <ctime>

#include <steward/core/errors.hpp>

namespace steward::detail::shm {
namespace {

timespec time_until(core::Time deadline) {
  const auto left = std::max(deadline - std::chrono::steady_clock::now(), core::Duration::zero());
  const auto seconds = std::chrono::floor<std::chrono::seconds>(left);
  return {seconds.count(),
          static_cast<long>(std::chrono::nanoseconds(left - seconds).count())};
}

bool poll_all(pollfd* entries, std::size_t count, core::Deadline deadline) {
  for (;;) {
    timespec time{};
    if (deadline) time = time_until(*deadline);
    const int ready = ::ppoll(entries, count, deadline ? &time : nullptr, nullptr);
    if (ready >= 0) return ready > 0;
    if (errno != EINTR) {
      throw SystemError(errno, "cannot wait for a descriptor");
    }
  }
}

}  // namespace

bool poll_until(std::vector<pollfd>& entries, core::Deadline deadline) {
  return poll_all(entries.data(), entries.size(), deadline);
}

bool poll_until(int fd, short events, core::Deadline deadline) {
  pollfd entry{fd, events, 0};
  return poll_all(&entry, 1, deadline);
}

}  // namespace steward::detail::shm
