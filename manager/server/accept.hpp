// AcceptGuard: lets a manager live through a lack of descriptors. libzmq ends the whole process
// when accept4() has none for a connection to an ipc socket (EMFILE). So this library defines an
// accept4() of its own, which libzmq finds before the C library's; it differs from that one for the
// sockets of managers only. docs/decisions/0004 says why, and what lost.
#pragma once

#include <cstdint>

namespace steward::detail::server {

// While one of these exists, connections to the sockets of this process's managers (ipc; tcp where
// that was said) are turned away when descriptors run out: those whose descriptor would be among
// the last kReservedDescriptors (over tcp: or the eighth before them, so that local clients get in
// however many connect from elsewhere), and, should there be none at all, whoever asks. The backlog
// empties all the same, so that nobody spins on it, and a turned away client of libzmq comes again
// by itself.
//
// Holds a descriptor for this. Thread safety: any thread may make and destroy them. After a fork a
// child that makes none has the C library's accept4().
class AcceptGuard {
 public:
  // Throws SystemError if there is no descriptor even now.
  AcceptGuard();
  AcceptGuard(const AcceptGuard&) = delete;
  AcceptGuard& operator=(const AcceptGuard&) = delete;
  ~AcceptGuard();

  // A manager listens at this port too. Once; if there are very many such ports in this process, it
  // is not guarded: over tcp libzmq lives through a lack of descriptors, though it spins.
  void guard_port(std::uint16_t port);

 private:
  std::uint16_t port_ = 0;
};

}  // namespace steward::detail::server
