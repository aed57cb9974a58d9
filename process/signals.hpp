// Signals around a fork, and those that servers ignore.
#pragma once

#include <signal.h>

namespace steward::detail::process {

// Signals that a terminal sends to the whole foreground group, but that are meant for the program
// alone (SIGINT, SIGHUP, SIGQUIT), and signals by which a system call fails, besides returning an
// error (SIGPIPE, SIGXFSZ).
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
