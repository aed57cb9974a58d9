#include <steward/client/unix_socket.hpp>

#include <poll.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include <steward/client/waiting.hpp>
#include <steward/core/errors.hpp>
#include <steward/shm/standard_descriptors.hpp>

namespace steward::detail::client {

std::optional<sockaddr_un> unix_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) return std::nullopt;
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

shm::UniqueFd connect_unix(const std::string& path, int type, core::Deadline deadline, int& error) {
  const auto address = unix_address(path);
  error = ENAMETOOLONG;
  if (!address) return {};
  shm::keep_standard_descriptors();
  shm::UniqueFd socket(::socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) throw Overloaded("cannot open a socket: " + std::generic_category().message(errno));
  for (;;) {
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) ==
        0) {
      error = 0;
      return socket;
    }
    error = errno;
    if (error == EINTR) continue;
    // Somebody is there, but many connect request at once. There is nothing to poll for.
    if (error != EAGAIN || has_passed(deadline)) return {};
    if (::poll(nullptr, 0, 2) < 0) heed_interrupt();
  }
}

std::optional<ucred> peer_of(int socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return std::nullopt;
  return peer;
}

}  // namespace steward::detail::client
