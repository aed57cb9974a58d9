// SignalsBlocked: for the library's own threads. They get no signals: those are for the program's.
#pragma once

#include <signal.h>

namespace steward::detail::core {

// While it lives, this thread, and threads that it starts, get no signals. Use on one thread.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;
  ~SignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
};

}  // namespace steward::detail::core
