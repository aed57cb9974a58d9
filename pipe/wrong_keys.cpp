#include <steward/pipe/wrong_keys.hpp>

#include <poll.h>
#include <unistd.h>

#include <chrono>
#include <new>

namespace steward::detail::pipe {

void WrongKeys::add(core::Time now) noexcept {
  ++count_;
  if (silent_until_ && now < *silent_until_) return;
  try {
    if (!say()) return;
  } catch (const std::bad_alloc&) {
    return;  // it has other worries
  }
  count_ = 0;
  silent_until_ = now + std::chrono::minutes(1);
}

// False: whoever reads standard error would hold up those who are greeted.
bool WrongKeys::say() const {
  pollfd error{STDERR_FILENO, POLLOUT, 0};
  if (::poll(&error, 1, 0) == 0) return false;
  const std::string line = "steward: the Listener at " + address_ + " has refused " +
                           std::to_string(count_) + (count_ == 1 ? " caller" : " callers") +
                           " without its key\n";
  // In one piece, between the lines of other threads and processes.
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
  return true;
}

}  // namespace steward::detail::pipe
