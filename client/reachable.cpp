#include <steward/client/reachable.hpp>

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>
#include <system_error>

#include <steward/client/tcp_socket.hpp>
#include <steward/core/errors.hpp>
#include <steward/shm/poll.hpp>

namespace steward::detail::client {

void check_reachable(const core::TcpAddress& address, core::Deadline deadline) {
  int error = 0;
  if (connect_tcp(address, deadline, error)) return;
  throw Disconnected("cannot reach " + address.text() + ": " +
                     std::generic_category().message(error));
}

bool takes_connections(const core::TcpAddress& address, core::Deadline deadline) {
  try {
    int error = 0;
    const shm::UniqueFd socket = connect_tcp(address, deadline, error);
    char letter = 0;
    return socket && shm::poll_until(socket.get(), POLLIN, deadline) &&
           ::recv(socket.get(), &letter, 1, 0) == 1;
  } catch (const Disconnected&) {
    return false;
  }
}

bool is_refused(const core::TcpAddress& address, core::Deadline deadline) {
  try {
    int error = 0;
    return !connect_tcp(address, deadline, error) && error == ECONNREFUSED;
  } catch (const Disconnected&) {
    return false;
  } catch (const Overloaded&) {
    return false;
  }
}

}  // namespace steward::detail::client
