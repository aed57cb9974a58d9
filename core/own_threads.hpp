// The threads that the library starts, ZeroMQ's among them: how they are told from the program's.
#pragma once

#include <pthread.h>

#include <array>
#include <functional>
#include <latch>
#include <memory>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include <steward/core/signals_blocked.hpp>
#include <steward/core/threads_allowed.hpp>

namespace steward::detail::core {

// By their names Process knows the library's threads, which do not keep it from forking. A thread
// inherits the name of the one that starts it. So no thread of the program ever has such a name,
// not even while it starts one of ours, and one of ours has none while it runs the program's code.
inline constexpr std::string_view kOwnThread = "steward-";

namespace impl {
inline thread_local bool on_own_thread = false;
}

// Whether this is one of them, also while it runs the program's code.
inline bool on_own_thread() { return impl::on_own_thread; }

// Starts a thread that gets no signals, which are for the program's threads, and that has this name
// once it runs `body`, and once this function returns. The name begins with kOwnThread and has 15
// characters at most; it is of static storage. Throws SystemError.
template <class F>
std::thread start_own_thread(const char* name, F body) try {
  const SignalsBlocked blocked;
  const auto named = std::make_shared<std::latch>(1);
  std::thread thread([named, name, body = std::move(body)]() mutable {
    ::pthread_setname_np(::pthread_self(), name);
    impl::on_own_thread = true;
    named->count_down();
    body();
  });
  named->wait();
  return thread;
} catch (const std::system_error& refused) {
  throw no_thread(refused.code().value());
}

// Runs `body` on such a thread and waits for it. The threads that it starts have the name, and get
// no signals, from their first moment: for those of others, which cannot name themselves. Throws
// what `body` throws, and SystemError if there is no thread for it.
void run_on_own_thread(const char* name, const std::function<void()>& body);

// While it lives, this thread of ours runs code of the program, and has no name of ours: neither
// have the threads that the program starts there. Use on one thread.
class ProgramsCode {
 public:
  ProgramsCode() {
    ::pthread_getname_np(::pthread_self(), before_.data(), before_.size());
    ::pthread_setname_np(::pthread_self(), "callback");
  }
  ProgramsCode(const ProgramsCode&) = delete;
  ProgramsCode& operator=(const ProgramsCode&) = delete;
  ~ProgramsCode() { ::pthread_setname_np(::pthread_self(), before_.data()); }

 private:
  std::array<char, 16> before_{};
};

}  // namespace steward::detail::core
