// Randomness for tests that can be repeated: STEWARD_SEED=<number> gives the same run again.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <random>

namespace steward::detail::server::testing {

// Not std::uniform_int_distribution: its numbers differ between standard libraries.
class Random {
 public:
  Random() : seed_(choose()), engine_(seed_) {
    std::cout << "STEWARD_SEED=" << seed_ << std::endl;
  }

  // 0 ... count - 1
  std::size_t below(std::size_t count) { return static_cast<std::size_t>(engine_() % count); }
  std::int64_t between(std::int64_t least, std::int64_t most) {
    return least + static_cast<std::int64_t>(below(static_cast<std::size_t>(most - least + 1)));
  }
  bool once_in(std::size_t count) { return below(count) == 0; }

 private:
  static std::uint64_t choose() {
    const char* given = std::getenv("STEWARD_SEED");
    return given == nullptr ? std::random_device{}() : std::strtoull(given, nullptr, 10);
  }

  const std::uint64_t seed_;
  std::mt19937_64 engine_;
};

}  // namespace steward::detail::server::testing
