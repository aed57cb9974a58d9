// The listener over ZeroMQ: a ROUTER on the manager's ipc socket. The only place of the server that
// knows ZeroMQ.
#pragma once

#include <memory>

#include <steward/core/limits.hpp>
#include <steward/manager/server/directory.hpp>
#include <steward/manager/server/listener.hpp>

namespace steward::server {

// Binds `directory.socket()`; the directory must outlive the listener. Throws std::system_error.
std::unique_ptr<Listener> listen_zmq(const Directory& directory, const core::Limits& limits);

}  // namespace steward::server
