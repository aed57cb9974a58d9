#include <steward/manager/server/poller.hpp>

#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <limits>
#include <utility>

#include <steward/core/errors.hpp>

namespace steward::detail::server {
namespace {

constexpr std::size_t kEventsPerWait = 256;

// Rounded up: a loop that wakes a little early would only wait again.
int poll_timeout(std::optional<core::Duration> longest) {
  if (!longest) return -1;
  const auto rounded = std::chrono::ceil<std::chrono::milliseconds>(*longest).count();
  constexpr std::int64_t kMost = std::numeric_limits<int>::max();
  return static_cast<int>(std::clamp<std::int64_t>(rounded, 0, kMost));
}

}  // namespace

Poller::Poller() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
  if (!epoll_) throw SystemError(errno, "cannot make an epoll");
}

void Poller::add(int fd, Ready ready) {
  const std::uint32_t generation = ++generation_;
  epoll_event event{};
  event.events = EPOLLIN | EPOLLRDHUP;
  event.data.u64 = (std::uint64_t{generation} << 32U) | static_cast<std::uint32_t>(fd);
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
    throw SystemError(errno, "cannot watch a descriptor");
  }
  entries_.insert_or_assign(fd, Entry{generation, std::make_shared<const Ready>(std::move(ready))});
}

void Poller::remove(int fd) {
  if (entries_.erase(fd) > 0) ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

void Poller::wait(std::optional<core::Duration> longest) {
  int timeout = poll_timeout(longest);
  // Everything that is ready now: whoever looks at liveness must not miss a death.
  for (std::size_t rounds = entries_.size() / kEventsPerWait + 1; rounds > 0; --rounds) {
    std::array<epoll_event, kEventsPerWait> events;
    const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()),
                                   timeout);
    if (count < 0 && errno != EINTR) {
      throw SystemError(errno, "cannot wait for descriptors");
    }
    for (int i = 0; i < count; ++i) {
      const std::uint64_t data = events[static_cast<std::size_t>(i)].data.u64;
      const auto entry = entries_.find(static_cast<int>(data & 0xffffffffU));
      if (entry == entries_.end() || entry->second.generation != data >> 32U) continue;
      const auto ready = entry->second.ready;
      (*ready)();
    }
    if (count < static_cast<int>(events.size())) return;
    timeout = 0;
  }
}

}  // namespace steward::detail::server
