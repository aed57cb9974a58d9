// Waiting for descriptors.
#pragma once

#include <poll.h>

#include <cstddef>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include <steward/core/clock.hpp>
#include <steward/shm/unique_fd.hpp>

namespace steward::detail::shm {

// Waits until one of the entries is ready or hung up, which their `revents` say; false once the
// deadline has passed. Signals do not end it. Throws SystemError.
bool poll_until(std::vector<pollfd>& entries, core::Deadline deadline);

// Likewise for one descriptor: `events` as of poll(2).
bool poll_until(int fd, short events, core::Deadline deadline);

// Likewise for a wait that its caller may end: by a stop, or by the program's interrupt check when
// a signal has come. Both throw Interrupted. On the stack of one thread, for all the polls of its
// wait. Costs a descriptor only where a stop is possible, from the first until() on; where none is
// left, it is looked twenty times a second whether there is a stop.
class StoppablePoll {
 public:
  // Neither a stop nor the check ends it.
  StoppablePoll();
  // Throws Interrupted if the stop was requested already. `wait` names the wait in its text.
  StoppablePoll(std::stop_token stop, std::string_view wait);
  StoppablePoll(const StoppablePoll&) = delete;
  StoppablePoll& operator=(const StoppablePoll&) = delete;
  ~StoppablePoll();

  // As poll_until(). Throws Interrupted only while nothing is ready.
  bool until(std::vector<pollfd>& entries, core::Deadline deadline);
  bool until(int fd, short events, core::Deadline deadline);

  // Whether until() may throw Interrupted.
  bool may_be_interrupted() const;

 private:
  struct Wake {
    void operator()() const noexcept;
    int event;
  };
  bool poll(pollfd* entries, std::size_t count, core::Deadline deadline);
  int listen();

  std::stop_token stop_;
  std::string wait_;  // empty: nothing ends it
  UniqueFd event_;    // an eventfd
  std::optional<std::stop_callback<Wake>> wake_;
};

}  // namespace steward::detail::shm
