// Poller: the one place where the server's loop waits, and what it calls for each descriptor.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>

#include <steward/core/clock.hpp>
#include <steward/shm/unique_fd.hpp>

namespace steward::detail::server {

// Where the loop gets the time from; tests bring their own.
using Clock = std::function<core::Time()>;

// Level-triggered epoll. Owns no descriptor but its own; a descriptor must be removed before it is
// closed. Thread safety: none; the loop's thread only.
class Poller {
 public:
  // Called while the descriptor is readable or hung up. May add and remove descriptors, its own
  // too.
  using Ready = std::function<void()>;

  Poller();

  void add(int fd, Ready ready);
  void remove(int fd);

  // Waits until something is ready, at most `longest` (nullopt: for ever), and calls what is. An
  // interrupted wait is a short one.
  void wait(std::optional<core::Duration> longest);

 private:
  struct Entry {
    std::uint32_t generation;
    std::shared_ptr<const Ready> ready;  // outlives its own removal
  };

  shm::UniqueFd epoll_;
  // A descriptor closed and opened again within one round of events is not the one that was ready.
  std::uint32_t generation_ = 0;
  std::unordered_map<int, Entry> entries_;
};

}  // namespace steward::detail::server
