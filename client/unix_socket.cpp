#include <steward/client/unix_socket.hpp>

#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include <steward/client/waiting.hpp>
#include <steward/core/errors.hpp>
#include <steward/core/interrupt.hpp>
#include <steward/shm/standard_descriptors.hpp>

namespace steward::detail::client {

namespace {

// Who made the socket is asked at the other end of a connection. Where there is none, because those
// that wait to be accepted are as many as may wait, that user could keep others waiting.
void check_owner(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0 || status.st_uid == ::geteuid()) return;
  throw AuthenticationError("the socket at " + path + " belongs to user " +
                            std::to_string(status.st_uid) + ", not to this one");
}

}  // namespace

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
  core::Deadline look = core::next_look({});
  for (;;) {
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) ==
        0) {
      error = 0;
      return socket;
    }
    error = errno;
    if (error == EINTR) continue;
    // Somebody is there, but many connect at once. There is nothing to poll for.
    if (error != EAGAIN) return {};
    check_owner(path);
    if (has_passed(deadline)) return {};
    if (::poll(nullptr, 0, 2) == 0 && !has_passed(look)) continue;
    core::heed_interrupt_check("connecting");
    look = core::next_look({});
  }
}

std::optional<ucred> peer_of(int socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return std::nullopt;
  return peer;
}

}  // namespace steward::detail::client
