// FloodGuard: notices memory that goes into this process and never comes out as messages. ZeroMQ
// bounds each part of a message, but keeps any number of parts until the last one is there; so a
// stranger may fill all memory with one message that never ends, and nobody is told of it.
#pragma once

#include <cstddef>
#include <functional>

#include <steward/core/clock.hpp>

namespace steward::detail::server {

// Bytes of this process that are in memory.
std::size_t resident_bytes();

// Thread safety: none; the loop's thread only.
class FloodGuard {
 public:
  // `message_bytes`: what each client may have under way. `memory` as resident_bytes().
  explicit FloodGuard(std::size_t message_bytes,
                      std::function<std::size_t()> memory = resident_bytes);

  // Messages of so many bytes, in or out since the start: they explain why memory grows.
  void explain(std::size_t bytes_in_and_out) { moved_ = bytes_in_and_out; }

  // Looks if it is time. True: more has come in than `clients` may have under way; then all is
  // forgotten, since whoever asks cuts them all off.
  bool floods(core::Time now, std::size_t clients);
  core::Time next_look() const { return next_look_; }

 private:
  const std::size_t message_bytes_;
  const std::function<std::size_t()> memory_;
  std::size_t moved_ = 0;
  std::size_t moved_before_ = 0;  // at the last look, as the next two
  std::size_t resident_ = 0;
  std::size_t unexplained_ = 0;
  core::Time next_look_;
};

}  // namespace steward::detail::server
