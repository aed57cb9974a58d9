// Signals around a fork, and those that servers ignore.
#pragma once

#include <signal.h>

namespace steward::detail::process {

// What is meant for the program and not for what serves it: a terminal sends it to all of them. And
// what a system call that cannot be done says besides returning an error.
inline constexpr int kIgnoredByServers[] = {SIGINT, SIGHUP, SIGQUIT, SIGPIPE, SIGXFSZ};

// No handlers, nothing ignored.
inline void set_default_signals() {
  for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
}

inline void unblock_signals() {
  sigset_t none;
  ::sigemptyset(&none);
  ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
}

}  // namespace steward::detail::process
