#include <steward/manager/server/classes/slices.hpp>

#include <algorithm>
#include <limits>

#include <steward/core/errors.hpp>

namespace steward::detail::server {

Slice resolve_slice(std::optional<std::int64_t> begin, std::optional<std::int64_t> end,
                    std::int64_t step, std::size_t size) {
  if (step == 0) throw BadCall("the step of a slice cannot be 0");
  // The most negative step has no positive counterpart; no list is so long that it matters.
  step = std::max(step, -std::numeric_limits<std::int64_t>::max());
  const auto length = static_cast<std::int64_t>(size);
  // Walking down, the place before the first item is an end: it is -1 here.
  const std::int64_t lowest = step < 0 ? -1 : 0;
  const std::int64_t highest = step < 0 ? length - 1 : length;
  const auto clamped = [&](std::int64_t index) {
    return std::clamp(index < 0 ? index + length : index, lowest, highest);
  };
  const std::int64_t from = begin ? clamped(*begin) : (step < 0 ? highest : lowest);
  const std::int64_t to = end ? clamped(*end) : (step < 0 ? lowest : highest);
  const std::int64_t distance = step < 0 ? from - to : to - from;
  const std::int64_t stride = step < 0 ? -step : step;
  const std::int64_t count = distance > 0 ? (distance - 1) / stride + 1 : 0;
  return {static_cast<std::size_t>(std::max<std::int64_t>(from, 0)), step,
          static_cast<std::size_t>(count)};
}

}  // namespace steward::detail::server
