#include <steward/client/reachable.hpp>

#include <cerrno>
#include <string>
#include <system_error>

#include <steward/client/tcp_socket.hpp>
#include <steward/core/errors.hpp>

namespace steward::detail::client {

void check_reachable(const core::TcpAddress& address, core::Deadline deadline) {
  int error = 0;
  if (connect_tcp(address, deadline, error)) return;
  throw Disconnected("cannot reach " + address.text() + ": " +
                     std::generic_category().message(error));
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
