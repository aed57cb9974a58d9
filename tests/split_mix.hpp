// Random numbers for tests that begin many random runs: all of a run follows from one number.
#pragma once

#include <cstdint>

namespace steward::detail::test {

// Cheap to begin, as each run begins one (SplitMix64).
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27U)) * 0x94d049bb133111eb;
    return z ^ (z >> 31U);
  }
  unsigned below(unsigned end) { return static_cast<unsigned>(next() % end); }
  bool one_in(unsigned n) { return below(n) == 0; }

 private:
  std::uint64_t state_;
};

}  // namespace steward::detail::test
