// BlockedSignals: signals as something that a loop can poll.
#pragma once

#include <signal.h>

#include <initializer_list>

#include <steward/shm/unique_fd.hpp>

namespace steward::detail::manager {

// While it lives, this thread (and threads that it starts) do not get these signals: they make fd()
// readable instead. The destructor takes those that came, and restores what was blocked before. Use
// on one thread.
class BlockedSignals {
 public:
  // Throws SystemError.
  explicit BlockedSignals(std::initializer_list<int> signals);
  BlockedSignals(const BlockedSignals&) = delete;
  BlockedSignals& operator=(const BlockedSignals&) = delete;
  ~BlockedSignals();

  int fd() const { return fd_.get(); }

 private:
  sigset_t before_;
  shm::UniqueFd fd_;
};

}  // namespace steward::detail::manager
