// Many connections of one process.
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>

namespace steward::bench {

// A server bounds how many may be about to come in, so they come in groups: `begin` for each of a
// group, then `finish` for each.
inline void connect_in_groups(std::size_t count, const std::function<void(std::size_t)>& begin,
                              const std::function<void(std::size_t)>& finish) {
  constexpr std::size_t kGroup = 64;
  for (std::size_t first = 0; first < count; first += kGroup) {
    const std::size_t end = std::min(count, first + kGroup);
    for (std::size_t i = first; i < end; ++i) begin(i);
    for (std::size_t i = first; i < end; ++i) finish(i);
  }
}

// Lets this process open as many descriptors as it may ever.
void raise_descriptor_limit();

}  // namespace steward::bench
