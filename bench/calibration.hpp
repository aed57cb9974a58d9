// What this machine can do at all: the yardsticks that every result is also measured in.
#pragma once

#include <memory>

#include <steward/bench/peer.hpp>
#include <steward/bench/scratch.hpp>

namespace steward::bench {

// Two processes, each on a CPU of its own, and a page between them. A resource.
class Calibration {
 public:
  explicit Calibration(const Scratch& scratch);

  // A round trip of one cache line, both sides spinning.
  Run line(std::size_t count) { return together("line", count); }
  // A round trip through two futexes, both sides sleeping.
  Run futex(std::size_t count) { return together("futex", count); }
  // Copies of kCopyBytes, from and to memory that no cache holds.
  Run copy(std::size_t count) { return near_.run("copy", count); }
  static constexpr std::size_t kCopyBytes = 32U << 20U;

 private:
  Run together(const std::string& what, std::size_t count);

  SharedPage page_;
  Peer near_;
  Peer far_;
};

}  // namespace steward::bench
