// ZapGate: says to ZeroMQ which CURVE key may enter. ZeroMQ asks through a socket inside the
// process (its RFC 27, ZAP), and lets nobody in whom it gets no answer for.
#pragma once

#include <array>
#include <cstdint>
#include <thread>

#include <zmq.hpp>

namespace steward::detail::server {

// A thread of its own. Make it before the first socket that asks is bound; destroy it, or stop()
// it, before the context is closed. Thread safety: one thread at a time uses it.
class ZapGate {
 public:
  // Who holds the secret to this public key may enter, and nobody else.
  ZapGate(zmq::context_t& context, const std::array<std::uint8_t, 32>& client);
  ZapGate(const ZapGate&) = delete;
  ZapGate& operator=(const ZapGate&) = delete;
  ~ZapGate() { stop(); }

  void stop();

 private:
  zmq::socket_t end_;  // a word here, and the thread ends
  std::thread thread_;
};

}  // namespace steward::detail::server
