// The listener over ZeroMQ: a ROUTER on the manager's ipc socket, and one on a tcp port if there is
// an address. listener*.cpp are the only places of the server that know ZeroMQ.
#pragma once

#include <memory>
#include <string>

#include <steward/core/limits.hpp>
#include <steward/manager/server/directory.hpp>
#include <steward/manager/server/listener.hpp>

namespace steward::detail::server {

// Where other hosts come in.
struct RemoteEntrance {
  std::string address;  // "tcp://host:port", port 0: one is chosen; empty: nowhere
  std::string key;      // empty: none, for loopback only
};

// Throws BadCall if this is no address, or one that must not be bound: off this host without a key,
// or with a passphrase that is too short.
void check_entrance(const RemoteEntrance& entrance);

// Binds `directory.socket()`, and the entrance; the directory must outlive the listener. Throws
// SystemError, and what check_entrance() throws.
std::unique_ptr<Listener> listen_zmq(const Directory& directory, const core::Limits& limits,
                                     const RemoteEntrance& entrance = {});

}  // namespace steward::detail::server
