// Transport: one connection to one manager that carries frames. A session outlives its connections:
// when one breaks, the transport makes a new one and says so (Arrival::connected), and the session
// sends its hello again. A new transport is a class derived from this one, and a line in
// Dialer::dial(); see docs/architecture.md, "Where to begin".
#pragma once

#include <poll.h>

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace steward::detail::client {

// What receive() found.
enum class Arrival {
  nothing,       // for now
  frame,         // one frame was received
  connected,     // a connection was (re-)established: begin with hello
  disconnected,  // the connection broke; it is being repaired
  refused,       // the other side will never let us in (see refusal())
};

// A thread that waits for arrivals sleeps as the transport says:
//
//   while (receive() finds nothing) {
//     if (!prepare_to_sleep()) continue;
//     poll(poll_fds());
//     awake(...);
//   }
//
// Thread safety: none, but for poll_fds(), which is constant: the session calls everything else
// under its mutex, and polls the descriptors without it. A signal disturbs nothing. Throws
// steward::Error only, beside std::bad_alloc.
class Transport {
 public:
  virtual ~Transport() = default;

  virtual const std::vector<pollfd>& poll_fds() const = 0;
  // Announces that a thread is about to sleep at the descriptors, or, after a send() by another
  // thread, that it still sleeps there. False: it must not, since receive() may find something of
  // which they will not tell.
  virtual bool prepare_to_sleep() = 0;
  // The thread is awake. `entries` has what poll said of poll_fds(), perhaps among others.
  virtual void awake(std::span<const pollfd> entries) = 0;

  // Sends one frame, which consists of both parts. False: not now (no connection, or its buffer is
  // full); nothing was taken.
  virtual bool send(std::string_view head, std::string_view body = {}) = 0;
  // Sets `frame` if the result is Arrival::frame; it is valid until the next call.
  virtual Arrival receive(std::string_view& frame) = 0;

  // Why it does not let us in, and what to do: "it wants a key: ...".
  virtual std::string refusal() const { return {}; }
};

}  // namespace steward::detail::client
