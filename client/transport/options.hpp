// What all ZeroMQ sockets of this room have in common.
#pragma once

#include <array>
#include <cstdint>

#include <zmq.hpp>

#include <steward/core/own_threads.hpp>
#include <steward/core/threads_allowed.hpp>

namespace steward::detail::client {

// A goodbye should still leave the process.
inline constexpr int kLingerMs = 200;

// A context starts its threads with its first socket. Where they cannot be started, ZeroMQ ends the
// process: throws SystemError before.
inline zmq::context_t& start_threads(zmq::context_t& context) {
  core::check_threads_allowed();
  core::run_on_own_thread("steward-zmq", [&context] {
    zmq::socket_t(context, zmq::socket_type::pair);
  });
  return context;
}

inline zmq::const_buffer bytes_of(const std::array<std::uint8_t, 32>& key) {
  return zmq::buffer(key.data(), key.size());
}

}  // namespace steward::detail::client
