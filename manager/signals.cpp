#include <steward/manager/signals.hpp>

#include <pthread.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>

#include <steward/core/errors.hpp>

namespace steward::detail::manager {

BlockedSignals::BlockedSignals(std::initializer_list<int> signals) {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : signals) ::sigaddset(&set, signal);
  fd_.reset(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd_) throw SystemError(errno, "cannot make a signalfd");
  const int error = ::pthread_sigmask(SIG_BLOCK, &set, &before_);
  if (error != 0) throw SystemError(error, "cannot block signals");
}

BlockedSignals::~BlockedSignals() {
  // One that is still pending would hit the program when it is unblocked.
  signalfd_siginfo info;
  while (::read(fd_.get(), &info, sizeof info) > 0) {
  }
  ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

}  // namespace steward::detail::manager
