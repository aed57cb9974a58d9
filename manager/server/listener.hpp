// Listener: where clients' frames come in and the server's go out. Each connection has a route, an
// opaque name that the listener gives; who is behind it, Connections finds out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <steward/core/clock.hpp>

namespace steward::detail::server {

// What the listener knows of who is behind a route.
enum class Peer : std::uint8_t {
  local,  // nothing: to begin a session it needs a ticket of the control socket
  vouched,  // it may enter
  remote,   // it may enter, and lives by a lease: nobody tells when it dies
};

struct Arrival {
  std::string route;
  std::string frame;  // empty: what came was no single frame
  Peer peer = Peer::local;
};

enum class Sent {
  sent,
  would_block,  // the peer does not read: try again
  gone,         // there is no such connection any more
};

// Thread safety: none; the loop's thread only.
class Listener {
 public:
  virtual ~Listener() = default;

  // Descriptors whose readability means that receive() or a send() that would have blocked may do
  // something now. Edge-triggered: before waiting for them, ask readable().
  virtual std::vector<int> fds() const = 0;
  virtual bool readable() = 0;

  // Fills `arrival`, whose strings keep their memory; false: nothing is there.
  virtual bool receive(Arrival& arrival) = 0;
  // Takes `frame` (leaves it unspecified) unless it would block.
  virtual Sent send(const std::string& route, std::string& frame) = 0;
  // All that this connection has said and ever will is there for receive().
  virtual bool has_ended(const std::string& /*route*/) { return true; }
  // Nothing more will be sent there.
  virtual void forget(const std::string& route) = 0;

  // Ends the connections of peers that send a message without end, or have a name without bounds;
  // says how many.
  virtual std::size_t cut_floods(core::Time) { return 0; }
  // When it wants to look for them.
  virtual core::Deadline next_look() const { return std::nullopt; }
  // How many peers have failed to get in, since the start: with another key, or none, say.
  virtual std::uint64_t handshakes_failed() const { return 0; }

  // As handles carry them.
  virtual const std::vector<std::string>& addresses() const = 0;

  // Ends all connections. What was sent leaves if its peers read it soon.
  virtual void close() = 0;
};

}  // namespace steward::detail::server
