#include <steward/pipe/tcp_stream.hpp>

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <chrono>

#include <steward/core/clock.hpp>

namespace steward::detail::pipe {
namespace {

constexpr int kUnsentMost = 256 << 10;
constexpr std::chrono::seconds kPatience{1};
constexpr int kLookAgainMs = 2;

void set(int socket, int level, int option, int value) {
  ::setsockopt(socket, level, option, &value, sizeof value);
}

int counted(int socket, unsigned long what) {
  int bytes = 0;
  return ::ioctl(socket, what, &bytes) == 0 ? bytes : 0;
}

bool is_tcp(int socket) {
  int protocol = 0;
  socklen_t size = sizeof protocol;
  return ::getsockopt(socket, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) == 0 &&
         protocol == IPPROTO_TCP;
}

// What would be lost by closing now. What was sent and not acknowledged is sent again by the kernel
// on its own, unless it has to say that something was not read.
bool would_lose(int socket) {
  if (counted(socket, SIOCOUTQNSD) > 0) return true;
  return counted(socket, SIOCOUTQ) > 0 && counted(socket, SIOCINQ) > 0;
}

}  // namespace

void prepare_tcp(int socket) noexcept {
  set(socket, IPPROTO_TCP, TCP_NODELAY, 1);
  set(socket, IPPROTO_TCP, TCP_NOTSENT_LOWAT, kUnsentMost);
  set(socket, SOL_SOCKET, SO_KEEPALIVE, 1);
  set(socket, IPPROTO_TCP, TCP_KEEPIDLE, 15);
  set(socket, IPPROTO_TCP, TCP_KEEPINTVL, 5);
  set(socket, IPPROTO_TCP, TCP_KEEPCNT, 3);
}

void hold_back(int socket, bool yes) noexcept {
  set(socket, IPPROTO_TCP, TCP_CORK, yes ? 1 : 0);
}

void forget_unsent(int socket) noexcept {
  const linger at_once{1, 0};
  ::setsockopt(socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

void finish_sending(int socket) noexcept {
  if (!is_tcp(socket)) return;
  const core::Deadline deadline = core::deadline_after(kPatience);
  while (would_lose(socket) && std::chrono::steady_clock::now() < *deadline) {
    pollfd entry{socket, 0, 0};
    if (::poll(&entry, 1, kLookAgainMs) > 0) return;  // the other side is gone
  }
}

}  // namespace steward::detail::pipe
