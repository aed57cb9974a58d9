// SignalStorm: ten thousand signals a second to each thread that takes part, with a handler that
// does nothing: what every program with timers, profilers or children lives with.
#pragma once

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <sys/syscall.h>

#include <cstddef>

namespace steward::detail::test {

// While it lives, the process has the handler. Threads take part by a Thread of their own.
class SignalStorm {
 public:
  // `flags`: SA_RESTART or 0.
  explicit SignalStorm(int flags) {
    struct sigaction action {};
    action.sa_handler = [](int) {};
    action.sa_flags = flags;
    ::sigaction(SIGUSR2, &action, &before_);
  }
  SignalStorm(const SignalStorm&) = delete;
  SignalStorm& operator=(const SignalStorm&) = delete;
  ~SignalStorm() { ::sigaction(SIGUSR2, &before_, nullptr); }

  // The calling thread's share, until its end.
  class Thread {
   public:
    Thread() {
      sigevent event{};
      event.sigev_notify = SIGEV_THREAD_ID;
      event.sigev_signo = SIGUSR2;
      event._sigev_un._tid = static_cast<pid_t>(::syscall(SYS_gettid));
      ::timer_create(CLOCK_MONOTONIC, &event, &timer_);
      const itimerspec often{{0, kNanoseconds}, {0, kNanoseconds}};
      ::timer_settime(timer_, 0, &often, nullptr);
    }
    Thread(const Thread&) = delete;
    Thread& operator=(const Thread&) = delete;
    ~Thread() { ::timer_delete(timer_); }

   private:
    static constexpr long kNanoseconds = 100'000;
    timer_t timer_{};
  };

 private:
  struct sigaction before_ {};
};

}  // namespace steward::detail::test
