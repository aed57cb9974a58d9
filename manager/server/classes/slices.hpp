// Slices as Python resolves them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

namespace steward::detail::server {

// The items that a slice names: `count` of them, from `begin` on, each `step` further. Every
// begin + i * step with i < count is a valid position; with step 1, begin is one even if count is 0
// (or the size: the place behind the last).
struct Slice {
  std::size_t begin = 0;
  std::int64_t step = 1;
  std::size_t count = 0;

  std::size_t position(std::size_t i) const {
    return begin + static_cast<std::size_t>(static_cast<std::int64_t>(i) * step);
  }
};

// Throws BadCall if `step` is 0. The ends clamp to the size; nullopt is the end where the step
// begins or ends.
Slice resolve_slice(std::optional<std::int64_t> begin, std::optional<std::int64_t> end,
                    std::int64_t step, std::size_t size);

}  // namespace steward::detail::server
