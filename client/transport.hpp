// Transport: one connection to one manager that carries frames. A session survives it: when it
// breaks, it repairs itself and says so, and the session sends its hello again.
#pragma once

#include <poll.h>

#include <string>
#include <string_view>
#include <vector>

namespace steward::client {

// What receive() found.
enum class Arrival {
  nothing,       // for now
  frame,         // one frame was received
  connected,     // a connection was (re-)established: begin with hello
  disconnected,  // the connection broke; it is being repaired
  refused,       // the other side will never let us in (see refusal())
};

// Thread safety: none, but for poll_fds(), which is constant: the session calls everything else
// under its mutex, and polls the descriptors without it.
class Transport {
 public:
  virtual ~Transport() = default;

  // Descriptors whose readability means that receive() may have something. Edge-triggered: after a
  // send() or receive(), ask readable() before waiting.
  virtual const std::vector<pollfd>& poll_fds() const = 0;
  virtual bool readable() = 0;

  // False: not now (no connection, or its buffer is full); the frame was not taken.
  virtual bool send(std::string_view frame) = 0;
  // Fills `frame` if the result is Arrival::frame.
  virtual Arrival receive(std::string& frame) = 0;

  // Why it does not let us in, and what to do: "it wants a key: ...".
  virtual std::string refusal() const { return {}; }
};

}  // namespace steward::client
