// The Transport over ZeroMQ: one DEALER socket, and a monitor that tells when its connection comes
// and goes. The only place in this room that knows ZeroMQ.
#pragma once

#include <memory>
#include <string>

#include <steward/client/transport.hpp>

namespace steward::client {

// What all ZeroMQ connections of a process share. Never destroyed: its threads do not survive a
// fork, and at exit other threads may still use it. State keeps one for each generation.
class ZmqContext;

// Starts to connect to "ipc://path"; that it has succeeded is said by Arrival::connected. `context`
// is made if it is null. Call under the lock that fork takes (State::with_zmq): libzmq and
// libsodium hold locks of their own while they start. Throws Overloaded if descriptors run out.
std::unique_ptr<Transport> dial_zmq(ZmqContext*& context, const std::string& endpoint);

}  // namespace steward::client
