// Signals around a fork.
#pragma once

#include <signal.h>

namespace steward::process {

// No handlers, nothing ignored.
inline void set_default_signals() {
  for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
}

inline void unblock_signals() {
  sigset_t none;
  ::sigemptyset(&none);
  ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
}

}  // namespace steward::process
