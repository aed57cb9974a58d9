// What the library takes for random bytes (ids, secrets, nonces) follows from a number from now on,
// so that nothing of a simulated world comes from outside of it.
#pragma once

#include <cstdint>

namespace steward::detail::simulation {

// For the whole process.
void seed_random_bytes(std::uint64_t seed);

}  // namespace steward::detail::simulation
