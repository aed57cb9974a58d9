#include <steward/client/reachable.hpp>

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <memory>
#include <string>
#include <system_error>

#include <steward/core/errors.hpp>
#include <steward/shm/poll.hpp>
#include <steward/shm/unique_fd.hpp>

namespace steward::client {
namespace {

using Candidates = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

[[noreturn]] void unreachable(const core::TcpAddress& address, const std::string& why) {
  throw Disconnected("cannot reach " + address.text() + ": " + why);
}

Candidates resolve(const core::TcpAddress& address) {
  // As ZeroMQ: names stand for IPv4 addresses, IPv6 ones are in brackets.
  const bool v6 = address.host.starts_with('[');
  const std::string host = v6 ? address.host.substr(1, address.host.size() - 2) : address.host;
  addrinfo hints{};
  hints.ai_family = v6 ? AF_INET6 : AF_INET;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error =
      ::getaddrinfo(host.c_str(), std::to_string(address.port).c_str(), &hints, &found);
  if (error == EAI_SYSTEM) unreachable(address, std::generic_category().message(errno));
  if (error != 0) {
    unreachable(address, "the host is unknown: " + std::string(::gai_strerror(error)));
  }
  return {found, &::freeaddrinfo};
}

// 0: somebody is there.
int try_connect(const addrinfo& candidate, core::Deadline deadline) {
  const shm::UniqueFd socket(
      ::socket(candidate.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return errno;
  if (::connect(socket.get(), candidate.ai_addr, candidate.ai_addrlen) == 0) return 0;
  if (errno != EINPROGRESS && errno != EINTR) return errno;
  if (!shm::poll_until(socket.get(), POLLOUT, deadline)) return ETIMEDOUT;
  int error = 0;
  socklen_t size = sizeof error;
  return ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
}

// Whichever answers; 0: one does.
int try_all(const core::TcpAddress& address, core::Deadline deadline) {
  const Candidates found = resolve(address);
  int error = 0;
  for (const addrinfo* each = found.get(); each != nullptr; each = each->ai_next) {
    error = try_connect(*each, deadline);
    if (error == 0) break;
  }
  return error;
}

}  // namespace

void check_reachable(const core::TcpAddress& address, core::Deadline deadline) {
  const int error = try_all(address, deadline);
  if (error != 0) unreachable(address, std::generic_category().message(error));
}

bool is_refused(const core::TcpAddress& address, core::Deadline deadline) {
  try {
    return try_all(address, deadline) == ECONNREFUSED;
  } catch (const Disconnected&) {
    return false;
  }
}

}  // namespace steward::client
