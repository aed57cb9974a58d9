// The Transport over ZeroMQ: one DEALER socket, and a monitor that tells when its connection comes
// and goes. The only place in this room that knows ZeroMQ.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <steward/client/transport.hpp>
#include <steward/core/auth_key.hpp>

namespace steward::client {

// What all ZeroMQ connections of a process share. Never destroyed: its threads do not survive a
// fork, and at exit other threads may still use it. State keeps one for each generation.
class ZmqContext;

// Where a connection goes, and how it proves that it may.
struct ZmqGoal {
  std::string endpoint;                // "ipc://path" or "tcp://host:port"
  std::optional<core::KeyPairs> keys;  // over CURVE, if given
};

// Starts to connect; that it has succeeded is said by Arrival::connected, and that it never will,
// by Arrival::refused. `context` is made if it is null. Call under the lock that fork takes
// (State::with_zmq): libzmq and libsodium hold locks of their own while they start. Throws
// Overloaded if descriptors run out, BadCall if ZeroMQ cannot make sense of the endpoint.
std::unique_ptr<Transport> dial_zmq(ZmqContext*& context, const ZmqGoal& goal);

}  // namespace steward::client
