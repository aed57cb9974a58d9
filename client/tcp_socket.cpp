#include <steward/client/tcp_socket.hpp>

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>
#include <system_error>

#include <steward/client/waiting.hpp>
#include <steward/core/errors.hpp>

namespace steward::detail::client {
namespace {

[[noreturn]] void unknown(const core::TcpAddress& address, const std::string& why) {
  throw Disconnected("cannot reach " + address.text() + ": " + why);
}

shm::UniqueFd try_connect(const addrinfo& candidate, core::Deadline deadline, int& error) {
  shm::UniqueFd socket(
      ::socket(candidate.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  error = 0;
  if (socket && ::connect(socket.get(), candidate.ai_addr, candidate.ai_addrlen) == 0) {
    return socket;
  }
  error = errno;
  if (!socket || (error != EINPROGRESS && error != EINTR)) return {};
  if (!wait_ready(socket.get(), POLLOUT, deadline)) {
    error = ETIMEDOUT;
    return {};
  }
  socklen_t size = sizeof error;
  if (::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  return error == 0 ? std::move(socket) : shm::UniqueFd();
}

}  // namespace

HostAddresses resolve(const core::TcpAddress& address, int flags) {
  const bool v6 = address.host.starts_with('[');
  const std::string host = v6 ? address.host.substr(1, address.host.size() - 2) : address.host;
  addrinfo hints{};
  hints.ai_family = v6 ? AF_INET6 : AF_INET;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | flags;
  addrinfo* found = nullptr;
  const int error =
      ::getaddrinfo(host.c_str(), std::to_string(address.port).c_str(), &hints, &found);
  if (error == EAI_SYSTEM) unknown(address, std::generic_category().message(errno));
  if (error != 0) {
    unknown(address, "the host is unknown: " + std::string(::gai_strerror(error)));
  }
  return {found, &::freeaddrinfo};
}

shm::UniqueFd connect_tcp(const core::TcpAddress& address, core::Deadline deadline, int& error) {
  const HostAddresses found = resolve(address);
  shm::UniqueFd socket;
  for (const addrinfo* each = found.get(); each != nullptr && !socket; each = each->ai_next) {
    socket = try_connect(*each, deadline, error);
  }
  return socket;
}

}  // namespace steward::detail::client
