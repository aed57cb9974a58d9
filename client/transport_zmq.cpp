#include <steward/client/transport_zmq.hpp>

#include <cstdint>
#include <cstring>

#include <zmq.hpp>

#include <steward/core/errors.hpp>

namespace steward::client {

class ZmqContext {
 public:
  ZmqContext() {
    // Three of them a session; the sessions themselves are limited by descriptors.
    context.set(zmq::ctxopt::max_sockets, 16'384);
  }
  zmq::context_t context{1};
  std::uint64_t monitors = 0;  // names for their inproc addresses
};

namespace {

// The session bounds what is in flight, so that these are never met in practice; they keep a bug
// from eating all memory.
constexpr int kFramesQueued = 65'536;
// The manager says in its welcome how large a frame it takes. How large a reply may be is its own
// choice too (ManagerOptions::limits): it has shown that it runs under our own uid.
constexpr std::int64_t kFrameBytes = std::int64_t{1} << 32U;
// A goodbye should still leave the process.
constexpr int kLingerMs = 200;
constexpr int kReconnectMs = 10;
constexpr int kReconnectMaxMs = 500;

class ZmqTransport final : public Transport {
 public:
  ZmqTransport(ZmqContext& context, const std::string& endpoint)
      : dealer_(context.context, zmq::socket_type::dealer),
        monitor_(context.context, zmq::socket_type::pair) {
    dealer_.set(zmq::sockopt::linger, kLingerMs);
    // What a broken connection has not taken is sent again by the session, never by ZeroMQ.
    dealer_.set(zmq::sockopt::immediate, true);
    dealer_.set(zmq::sockopt::sndhwm, kFramesQueued);
    dealer_.set(zmq::sockopt::rcvhwm, kFramesQueued);
    dealer_.set(zmq::sockopt::maxmsgsize, kFrameBytes);
    dealer_.set(zmq::sockopt::reconnect_ivl, kReconnectMs);
    dealer_.set(zmq::sockopt::reconnect_ivl_max, kReconnectMaxMs);
    monitor_.set(zmq::sockopt::linger, 0);

    const std::string watch = "inproc://steward-monitor-" + std::to_string(++context.monitors);
    const int events = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED;
    if (zmq_socket_monitor(dealer_.handle(), watch.c_str(), events) != 0) throw zmq::error_t();
    monitor_.connect(watch);
    dealer_.connect(endpoint);
    fds_.push_back({dealer_.get(zmq::sockopt::fd), POLLIN, 0});
    fds_.push_back({monitor_.get(zmq::sockopt::fd), POLLIN, 0});
  }

  ~ZmqTransport() override { zmq_socket_monitor(dealer_.handle(), nullptr, 0); }

  const std::vector<pollfd>& poll_fds() const override { return fds_; }

  // Sending swallows the edge of the DEALER's descriptor only; the monitor is read to its end each
  // time, so that its edge is never lost.
  bool readable() override { return (dealer_.get(zmq::sockopt::events) & ZMQ_POLLIN) != 0; }

  bool send(std::string_view frame) override {
    return dealer_.send(zmq::buffer(frame), zmq::send_flags::dontwait).has_value();
  }

  Arrival receive(std::string& frame) override {
    if (dealer_.recv(message_, zmq::recv_flags::dontwait)) {
      // No envelope has more than one frame: of a longer message only the last one counts.
      while (message_.more()) {
        if (!dealer_.recv(message_, zmq::recv_flags::dontwait)) break;
      }
      frame.assign(message_.data<char>(), message_.size());
      return Arrival::frame;
    }
    return next_event();
  }

 private:
  Arrival next_event() {
    while (monitor_.recv(message_, zmq::recv_flags::dontwait)) {
      std::uint16_t event = 0;
      if (message_.size() >= sizeof event) std::memcpy(&event, message_.data(), sizeof event);
      while (message_.more()) {  // the address
        if (!monitor_.recv(message_, zmq::recv_flags::dontwait)) break;
      }
      if (event == ZMQ_EVENT_DISCONNECTED) return Arrival::disconnected;
      if (event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED) {
        // Lets the socket drop its old pipe and take the new one before anything is sent: it looks
        // at its commands only now and then by itself.
        readable();
        return Arrival::connected;
      }
    }
    return Arrival::nothing;
  }

  // Constant after construction.
  std::vector<pollfd> fds_;

  // Guarded by the session's mutex. The monitor is closed last.
  zmq::message_t message_;
  zmq::socket_t dealer_;
  zmq::socket_t monitor_;
};

}  // namespace

std::unique_ptr<Transport> dial_zmq(ZmqContext*& context, const std::string& endpoint) {
  try {
    if (context == nullptr) context = new ZmqContext;
    return std::make_unique<ZmqTransport>(*context, endpoint);
  } catch (const zmq::error_t& error) {
    throw Overloaded("cannot open a connection to " + endpoint + ": " + error.what());
  }
}

}  // namespace steward::client
