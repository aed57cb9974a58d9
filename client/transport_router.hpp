// The trunk of a listener over ZeroMQ: one ROUTER socket at a tcp port, with CURVE where there is a
// key. Who may enter is asked and answered on the relay's own thread.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <steward/client/trunk.hpp>
#include <steward/core/auth_key.hpp>
#include <steward/core/tcp_address.hpp>

namespace steward::client {

struct RouterTrunk {
  std::unique_ptr<Trunk> trunk;
  core::TcpAddress address;  // with the port that was chosen
};

// Has a ZeroMQ context of its own. Call under the lock that fork takes (State::at_rest_in_forks).
// Throws SystemError if the address cannot be listened at.
RouterTrunk listen_zmq(const core::TcpAddress& address, const std::optional<core::KeyPairs>& keys);

}  // namespace steward::client
