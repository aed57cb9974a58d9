// The arithmetic of the atomic `add` of lists, dicts, values and arrays.
#pragma once

#include <optional>

#include <steward/core/value.hpp>

namespace steward::detail::server {

// What the result may be: the range of the client's element type. Compared exactly, also across
// integers and reals.
struct Bounds {
  std::optional<Value> min;
  std::optional<Value> max;
};

// number + by. Integers give the exact integer, which has 64 bits, signed or unsigned; with a real
// on either side the sum is a real. Throws BadCall if one of the two is not a number, or if the sum
// lies outside the bounds or 64 bits.
Value add(const Value& number, const Value& by, const Bounds& bounds);

}  // namespace steward::detail::server
