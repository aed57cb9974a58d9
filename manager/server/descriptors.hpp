// How many descriptors this process may open: a server takes all that it can get, since every
// client costs three.
#pragma once

#include <cstddef>

namespace steward::detail::server {

inline constexpr std::size_t kDescriptorsPerSession =
    3;  // ZeroMQ's, the control socket's, the pidfd
inline constexpr std::size_t kDescriptorsPerRemoteSession = 1;  // ZeroMQ's
// Clients are turned away before they take the last ones: this process needs files too.
inline constexpr std::size_t kReservedDescriptors = 32;

// Raises the soft limit of this process to the hard one and returns it. Throws Overloaded if that
// is below `floor`.
std::size_t raise_descriptor_limit(std::size_t floor);

}  // namespace steward::detail::server
