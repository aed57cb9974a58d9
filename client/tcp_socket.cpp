#include <steward/client/tcp_socket.hpp>

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <system_error>
#include <utility>

#include <steward/client/session/background.hpp>
#include <steward/client/waiting.hpp>
#include <steward/core/errors.hpp>
#include <steward/shm/standard_descriptors.hpp>

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
  if (!socket && (error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM)) {
    throw Overloaded("cannot open a socket: " + std::generic_category().message(error));
  }
  if (!socket || (error != EINPROGRESS && error != EINTR)) return {};
  if (!wait_ready(socket.get(), POLLOUT, deadline)) {
    error = ETIMEDOUT;
    return {};
  }
  socklen_t size = sizeof error;
  if (::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  return error == 0 ? std::move(socket) : shm::UniqueFd();
}

// One that does not answer must not take the time of those behind it.
core::Deadline share_of(core::Deadline deadline, int addresses) {
  if (!deadline) return deadline;
  const core::Time now = std::chrono::steady_clock::now();
  return now + std::max(core::Duration::zero(), *deadline - now) / addresses;
}

bool is_numeric(const std::string& host) {
  in_addr any{};
  return host.starts_with('[') || ::inet_pton(AF_INET, host.c_str(), &any) == 1;
}

// The system's resolver knows no deadline, and who wrote a handle may answer for its host: so names
// are looked up on a thread of their own, which is left to itself at the deadline.
HostAddresses resolve_by(const core::TcpAddress& address, core::Deadline deadline) {
  if (!deadline || is_numeric(address.host)) return resolve(address);
  struct Lookup {
    BackgroundStop over;
    std::mutex mutex;
    HostAddresses found{nullptr, &::freeaddrinfo};
    std::exception_ptr failure;
  };
  const auto lookup = std::make_shared<Lookup>();
  run_in_background("steward-resolve", [lookup, address] {
    {
      const std::lock_guard lock(lookup->mutex);
      try {
        lookup->found = resolve(address);
      } catch (...) {
        lookup->failure = std::current_exception();
      }
    }
    lookup->over.stop();
  });
  if (lookup->over.sleep_until(deadline)) unknown(address, "its name is not resolved in time");
  const std::lock_guard lock(lookup->mutex);
  if (lookup->failure) std::rethrow_exception(lookup->failure);
  return std::move(lookup->found);
}

}  // namespace

HostAddresses resolve(const core::TcpAddress& address, int flags) {
  shm::keep_standard_descriptors();
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

shm::UniqueFd connect_to_any(const addrinfo* addresses, core::Deadline deadline, int& error) {
  int left = 0;
  for (const addrinfo* each = addresses; each != nullptr; each = each->ai_next) ++left;
  shm::UniqueFd socket;
  for (const addrinfo* each = addresses; each != nullptr && !socket; each = each->ai_next, --left) {
    socket = try_connect(*each, share_of(deadline, left), error);
  }
  return socket;
}

shm::UniqueFd connect_tcp(const core::TcpAddress& address, core::Deadline deadline, int& error) {
  const HostAddresses found = resolve_by(address, deadline);
  return connect_to_any(found.get(), deadline, error);
}

}  // namespace steward::detail::client
