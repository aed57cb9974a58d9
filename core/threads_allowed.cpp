#include <steward/core/threads_allowed.hpp>

#include <latch>
#include <system_error>
#include <thread>

#include <steward/core/signals_blocked.hpp>

namespace steward::detail::core {

SystemError no_thread(int error) {
  return {error, "cannot start a thread (look at `ulimit -u` and at filters of system calls, which "
                 "must allow clone3 or answer ENOSYS)"};
}

void check_threads_allowed() {
  const SignalsBlocked blocked;
  std::latch tried(1);
  const auto wait = [&tried] { tried.wait(); };
  int error = 0;
  {
    std::jthread first;
    std::jthread second;
    std::jthread third;
    try {
      first = std::jthread(wait);
      second = std::jthread(wait);
      third = std::jthread(wait);
    } catch (const std::system_error& refused) {
      error = refused.code().value();
    }
    tried.count_down();
  }
  if (error != 0) throw no_thread(error);
}

}  // namespace steward::detail::core
