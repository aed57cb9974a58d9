// Connects TCP sockets by address.
#pragma once

#include <netdb.h>

#include <memory>

#include <steward/core/clock.hpp>
#include <steward/core/tcp_address.hpp>
#include <steward/shm/unique_fd.hpp>

namespace steward::detail::client {

using HostAddresses = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

// Names stand for IPv4 addresses, as for ZeroMQ; IPv6 ones are in brackets. `flags`: for
// getaddrinfo(), such as AI_PASSIVE. Throws Disconnected if the host is unknown.
HostAddresses resolve(const core::TcpAddress& address, int flags = 0);

// A non-blocking socket, connected to the first of these addresses where somebody answers, at the
// latest at the deadline: each has its share of the time, so that a silent one leaves some to those
// behind it. Empty: `error` says why not, of the last one. Throws
// Interrupted, Overloaded if there is no descriptor.
shm::UniqueFd connect_to_any(const addrinfo* addresses, core::Deadline deadline, int& error);

// Likewise to one of the host's addresses. Throws Disconnected if the host is unknown, or not
// resolved in time.
shm::UniqueFd connect_tcp(const core::TcpAddress& address, core::Deadline deadline, int& error);

}  // namespace steward::detail::client
