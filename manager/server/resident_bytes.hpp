// How much memory this process has.
#pragma once

#include <cstddef>

namespace steward::detail::server {

// Bytes of this process that are in memory; 0: not known.
std::size_t resident_bytes();

}  // namespace steward::detail::server
