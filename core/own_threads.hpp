// OwnThreads: for the threads that the library starts, ZeroMQ's among them.
#pragma once

#include <pthread.h>

#include <array>

#include <steward/core/signals_blocked.hpp>

namespace steward::core {

// While it lives, this thread and the threads that it starts get no signals and have this name.
// Signals are for the program's threads. By their names Process knows the library's threads, which
// do not keep it from forking. A thread inherits the name: one that named itself could be seen
// before. Use on one thread. The name begins with kOwnThread and has 15 characters at most.
class OwnThreads {
 public:
  explicit OwnThreads(const char* name) {
    ::pthread_getname_np(::pthread_self(), before_.data(), before_.size());
    ::pthread_setname_np(::pthread_self(), name);
  }
  OwnThreads(const OwnThreads&) = delete;
  OwnThreads& operator=(const OwnThreads&) = delete;
  ~OwnThreads() { ::pthread_setname_np(::pthread_self(), before_.data()); }

 private:
  SignalsBlocked blocked_;
  std::array<char, 16> before_{};
};

inline constexpr const char* kOwnThread = "steward-";

}  // namespace steward::core
