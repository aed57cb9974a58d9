// Dialer: makes the transport that leads to a manager. The only one there is today goes over
// ZeroMQ: a DEALER socket, and a monitor that tells when its connection comes and goes.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <steward/client/transport/transport.hpp>
#include <steward/core/auth_key.hpp>

namespace steward::detail::client {

// Where a connection goes, and the keys by which it proves that it may.
struct Goal {
  std::string endpoint;                // "ipc://path" or "tcp://host:port"
  std::optional<core::KeyPairs> keys;  // if set, the connection is encrypted with CURVE
};

class ZmqContext;

// Thread safety: none; ClientState calls it under the lock that fork takes, since libzmq and
// libsodium hold locks of their own while they start. Ownership: what the connections of a process
// share is never destroyed: its threads do not survive a fork, and at exit other threads may still
// use it.
class Dialer {
 public:
  // Starts to connect; that it has succeeded is said by Arrival::connected, and that it never will,
  // by Arrival::refused. Throws Overloaded if descriptors run out, SystemError if threads do,
  // BadCall if the endpoint makes no sense.
  std::unique_ptr<Transport> dial(const Goal& goal);

 private:
  ZmqContext* zmq_ = nullptr;
};

}  // namespace steward::detail::client
