#include <steward/shm/poll.hpp>

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <utility>

#include <steward/core/errors.hpp>
#include <steward/core/interrupt.hpp>

namespace steward::detail::shm {
namespace {

// So often a stop is looked for that has no event.
constexpr std::chrono::milliseconds kLook{50};

timespec time_until(core::Time deadline) {
  const auto left = std::max(deadline - std::chrono::steady_clock::now(), core::Duration::zero());
  const auto seconds = std::chrono::floor<std::chrono::seconds>(left);
  return {seconds.count(),
          static_cast<long>(std::chrono::nanoseconds(left - seconds).count())};
}

// Calls `interrupted()` when a signal has come in between.
template <class F>
bool poll_all(pollfd* entries, std::size_t count, core::Deadline deadline, F interrupted) {
  for (;;) {
    timespec time{};
    if (deadline) time = time_until(*deadline);
    const int ready = ::ppoll(entries, count, deadline ? &time : nullptr, nullptr);
    if (ready >= 0) return ready > 0;
    if (errno != EINTR) {
      throw SystemError(errno, "cannot wait for a descriptor");
    }
    interrupted();
  }
}

void go_on() {}

}  // namespace

bool poll_until(std::vector<pollfd>& entries, core::Deadline deadline) {
  return poll_all(entries.data(), entries.size(), deadline, go_on);
}

bool poll_until(int fd, short events, core::Deadline deadline) {
  pollfd entry{fd, events, 0};
  return poll_all(&entry, 1, deadline, go_on);
}

// ---- StoppablePoll ----

StoppablePoll::StoppablePoll() = default;
StoppablePoll::~StoppablePoll() = default;
StoppablePoll::StoppablePoll(std::stop_token stop, std::string_view wait)
    : stop_(std::move(stop)), wait_(wait) {
  core::heed_stop(stop_, wait_);
}

void StoppablePoll::Wake::operator()() const noexcept {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(event, &one, sizeof one);
}

bool StoppablePoll::may_be_interrupted() const {
  return !wait_.empty() && (stop_.stop_possible() || core::interrupt_check() != nullptr);
}

bool StoppablePoll::until(std::vector<pollfd>& entries, core::Deadline deadline) {
  if (!stop_.stop_possible()) return poll(entries.data(), entries.size(), deadline);
  std::vector<pollfd> all = entries;
  all.push_back({-1, POLLIN, 0});
  const bool ready = poll(all.data(), all.size(), deadline);
  std::copy_n(all.begin(), entries.size(), entries.begin());
  return ready;
}

bool StoppablePoll::until(int fd, short events, core::Deadline deadline) {
  std::array<pollfd, 2> entries{{{fd, events, 0}, {-1, POLLIN, 0}}};
  return poll(entries.data(), stop_.stop_possible() ? 2 : 1, deadline);
}

// Where a stop is possible the last entry is for the event.
bool StoppablePoll::poll(pollfd* entries, std::size_t count, core::Deadline deadline) {
  const auto heed_check = [this] {
    if (!wait_.empty()) core::heed_interrupt_check(wait_);
  };
  const bool stops = stop_.stop_possible();
  pollfd* const event = stops ? &entries[--count] : nullptr;
  const auto is_ready = [](const pollfd& entry) { return entry.revents != 0; };
  for (;;) {
    // A signal may come a moment before the sleep.
    core::Deadline until = wait_.empty() ? deadline : core::next_look(deadline);
    if (stops) {
      event->fd = listen();
      const core::Time look = std::chrono::steady_clock::now() + kLook;
      if (!event_) until = until ? std::min(*until, look) : look;
    }
    poll_all(entries, count + (stops ? 1 : 0), until, heed_check);
    if (std::any_of(entries, entries + count, is_ready)) return true;
    core::heed_stop(stop_, wait_);
    if (until == deadline) return false;
    heed_check();
  }
}

// The event; -1, by which poll(2) passes, if no descriptor is left for it.
int StoppablePoll::listen() {
  if (!event_) {
    event_ = UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (event_) wake_.emplace(stop_, Wake{event_.get()});
  }
  return event_.get();
}

}  // namespace steward::detail::shm
