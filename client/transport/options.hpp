// What all ZeroMQ sockets of this room have in common.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include <zmq.hpp>

#include <steward/core/descriptors_free.hpp>
#include <steward/core/own_threads.hpp>
#include <steward/core/threads_allowed.hpp>

namespace steward::detail::client {

// How long closing a socket waits for what is unsent, so that a goodbye still leaves the process.
inline constexpr int kLingerMs = 200;

// What the threads of a context take: each an eventfd and an epoll. And the socket by which they
// are started.
inline constexpr std::size_t kContextDescriptors = 6;
// What a connection takes: an eventfd for each of its sockets, the DEALER and both ends of its
// monitor, and the connection itself.
inline constexpr std::size_t kConnectionDescriptors = 4;

// A context starts its threads with its first socket. Where they cannot be started, or have no
// descriptors, ZeroMQ ends the process: throws SystemError or Overloaded before.
inline zmq::context_t& start_threads(zmq::context_t& context) {
  core::check_threads_allowed();
  core::check_descriptors_free(kContextDescriptors);
  core::run_on_own_thread("steward-zmq", [&context] {
    zmq::socket_t(context, zmq::socket_type::pair);
  });
  return context;
}

inline zmq::const_buffer bytes_of(const std::array<std::uint8_t, 32>& key) {
  return zmq::buffer(key.data(), key.size());
}

}  // namespace steward::detail::client
