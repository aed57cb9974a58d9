#include <steward/client/session/background.hpp>

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>
#include <exception>
#include <system_error>
#include <utility>

#include <steward/client/waiting.hpp>
#include <steward/core/errors.hpp>
#include <steward/core/own_threads.hpp>

namespace steward::detail::client {

void run_in_background(const char* name, std::function<void()> run) {
  try {
    core::start_own_thread(name, [run = std::move(run)] {
      try {
        run();
      } catch (const std::exception&) {
        // Memory ended. Nobody waits for this, and whoever wants the same meets the same.
      }
    }).detach();
  } catch (const std::system_error&) {
    throw Overloaded("no thread is left for a session");
  }
}

BackgroundStop::BackgroundStop() : called_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!called_) throw Overloaded("no descriptor is left for a session");
}

void BackgroundStop::stop() noexcept {
  stopped_ = true;
  wake();
}

void BackgroundStop::wake() noexcept {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(called_.get(), &one, sizeof one);
}

bool BackgroundStop::sleep_until(core::Deadline deadline) {
  if (stopped_) return false;
  static_cast<void>(wait_readable(called_.get(), deadline));
  std::uint64_t calls = 0;
  [[maybe_unused]] const ssize_t taken = ::read(called_.get(), &calls, sizeof calls);
  return !stopped_;
}

}  // namespace steward::detail::client
