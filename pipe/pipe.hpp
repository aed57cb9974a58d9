// pipe: a connection within one process, one end of which usually goes to another.
#pragma once

#include <sys/socket.h>

#include <utility>

#include <steward/pipe/connection.hpp>

namespace steward {

// The two ends of a new connection: `auto [near, far] = pipe<std::string>();`. With `duplex` false
// the first only receives and the second only sends. Throws SystemError if descriptors run
// out.
template <class T>
std::pair<Connection<T>, Connection<T>> pipe(bool duplex = true) {
  using detail::pipe::ConnectionAccess;
  using detail::pipe::Direction;
  auto [near, far] = detail::process::PassedFd::socket_pair(SOCK_STREAM);
  if (duplex) {
    return {ConnectionAccess::over<T>(std::move(near)), ConnectionAccess::over<T>(std::move(far))};
  }
  ::shutdown(near.get(), SHUT_WR);
  return {ConnectionAccess::over<T>(std::move(near), Direction::receive),
          ConnectionAccess::over<T>(std::move(far), Direction::send)};
}

}  // namespace steward
