// The control socket: the manager's SOCK_SEQPACKET Unix socket beside its ZeroMQ one. A session of
// the same host begins here: both sides learn from the kernel whom they talk to, and each gets a
// pidfd of the other, so that neither takes a reused pid, or a forked child that holds a copy of a
// socket, for its partner.
//
//   client -> manager   [1, "door"]                                 and the client's pidfd
//   manager -> client   [1, ticket, incarnation, [address, ...]]     and the manager's pidfd
//                       [1, nil, reason]                             refused; then it hangs up
//
// The ticket is good for one hello. Both sides keep this connection open as long as the session
// lives.
//
// A process that only wants to know which manager this is begins no session:
//
//   client -> manager   [1, "about"]
//   manager -> client   [1, "about", start in unix milliseconds, objects, [address, ...]]
//
// where the address that the manager was told to listen at is the last one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include <steward/client/address.hpp>
#include <steward/core/clock.hpp>
#include <steward/core/errors.hpp>
#include <steward/core/ids.hpp>
#include <steward/shm/unique_fd.hpp>

namespace steward::detail::client {

inline constexpr std::string_view kControlName = "door";  // in the manager's directory
inline constexpr std::uint64_t kControlVersion = 1;
inline constexpr std::string_view kConnectWord = "door";
inline constexpr std::string_view kAboutWord = "about";
inline constexpr std::string_view kRingWord = "ring";  // see ring.hpp
inline constexpr std::size_t kControlMessageBytes = 4096;

// What the manager answered at the control socket.
struct Welcome {
  std::string ticket;
  core::Incarnation incarnation;
  std::vector<std::string> addresses;
  shm::UniqueFd control;    // stays open; its hang-up means that the manager closed the session
  shm::UniqueFd server;     // the manager's pidfd: readable once it has ended
  pid_t pid = 0;
};

// Connects to the control socket at this address and asks for a session. Throws Disconnected if the
// manager refuses or has not answered by the deadline; AuthenticationError if it stands under
// another user's name.
Welcome connect_control(const IpcAddress& address, core::Deadline deadline);

// There is no socket, or nobody listens at it: the manager has ended, is about to end, or is not up
// yet.
class NobodyThere final : public Disconnected {
 public:
  using Disconnected::Disconnected;
};

struct About {
  std::string silence;  // why there is no answer; empty: there is
  pid_t pid = 0;  // of the process that listens there, if it is known, also if it does not answer
  std::uint64_t started_unix_ms = 0;
  std::size_t objects = 0;
  std::vector<std::string> addresses;  // the last is the one that it was told to listen at, if any
};
// Asks the managers at all these addresses at once which they are; returns after `patience` at the
// latest. The answers are in the order of the addresses; nullopt: nobody is there.
std::vector<std::optional<About>> inquire(const std::vector<IpcAddress>& addresses,
                                          core::Duration patience);

}  // namespace steward::detail::client
