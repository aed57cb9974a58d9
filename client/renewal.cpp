#include <steward/client/renewal.hpp>

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>
#include <system_error>
#include <utility>

#include <steward/client/waiting.hpp>
#include <steward/core/errors.hpp>
#include <steward/core/own_threads.hpp>

namespace steward::client {

Renewal::Renewal(Tend tend)
    : tend_(std::move(tend)), end_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!end_) throw Overloaded("no descriptor is left for a remote session");
  try {
    thread_ = core::start_own_thread("steward-renewal", [this] { run(); });
  } catch (const std::system_error&) {
    throw Overloaded("no thread is left for a remote session");
  }
}

Renewal::~Renewal() {
  stop();
  thread_.join();
}

void Renewal::stop() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(end_.get(), &one, sizeof one);
}

void Renewal::run() const {
  core::Deadline next = now();
  while (next && !wait_readable(end_.get(), next)) next = tend_();
}

}  // namespace steward::client
