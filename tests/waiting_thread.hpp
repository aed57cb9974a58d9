// WaitingThread: a thread that waits, and the certainty that it sleeps by now.
#pragma once

#include <unistd.h>

#include <atomic>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <utility>

#include <steward/tests/crash/eventually.hpp>

namespace steward::detail::test {

// Whether a thread of this process sleeps in a system call.
inline bool sleeps(pid_t thread) {
  std::ifstream file("/proc/self/task/" + std::to_string(thread) + "/stat");
  std::string text;
  std::getline(file, text);
  const std::size_t name_end = text.rfind(')');
  return name_end != std::string::npos && text.substr(name_end, 3) == ") S";
}

// Runs `wait` at once; joins at its end.
class WaitingThread {
 public:
  explicit WaitingThread(std::function<void()> wait)
      : thread_([this, wait = std::move(wait)] {
          id_ = ::gettid();
          wait();
        }) {}
  WaitingThread(const WaitingThread&) = delete;
  WaitingThread& operator=(const WaitingThread&) = delete;
  ~WaitingThread() {
    if (thread_.joinable()) thread_.join();
  }

  // False: it does not fall asleep.
  bool falls_asleep() const {
    return eventually([this] { return id_ != 0 && sleeps(id_); });
  }
  std::thread::native_handle_type handle() { return thread_.native_handle(); }
  void join() { thread_.join(); }

 private:
  std::atomic<pid_t> id_ = 0;
  std::thread thread_;  // the last: it uses what stands before
};

}  // namespace steward::detail::test
