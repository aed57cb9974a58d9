// Random tests: the seed, said aloud, so that a failure can be repeated with STEWARD_SEED.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>

namespace steward::detail::test {

inline std::uint64_t seed() {
  const char* given = std::getenv("STEWARD_SEED");
  const std::uint64_t seed =
      given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device()();
  std::printf("STEWARD_SEED=%llu\n", static_cast<unsigned long long>(seed));
  return seed;
}

}  // namespace steward::detail::test
