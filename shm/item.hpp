// Item: what a taker gets to see of an item in shared memory.
#pragma once

#include <cstdint>

#include <steward/shm/bytes.hpp>

namespace steward::detail::shm {

// The bytes are good during the call that shows them.
struct Item {
  Bytes bytes;
  std::uint32_t format = 0;  // as it was put
  bool redelivered = false;  // somebody had it before and died, gave it back or took too long
};

}  // namespace steward::detail::shm
