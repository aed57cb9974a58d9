#include <steward/client/transport_zmq.hpp>

#include <cstdint>
#include <cstring>

#include <zmq.hpp>

#include <steward/client/transport_options.hpp>
#include <steward/core/errors.hpp>

namespace steward::client {

class ZmqContext {
 public:
  ZmqContext() {
    // Three of them a session; the sessions themselves are limited by descriptors.
    context.set(zmq::ctxopt::max_sockets, 16'384);
    start_threads(context);
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
constexpr int kReconnectMs = 10;
constexpr int kReconnectMaxMs = 500;

// A connection over which nothing comes back is given up, and made anew: well before the manager
// gives up the session.
constexpr int kHeartbeatMs = 2000;
constexpr int kHeartbeatTimeoutMs = 5000;
constexpr const char* kWantsKey =
    "it wants a key: give the one it was started with (ConnectOptions::key, or --key-file)";
// A handshake may also fail because a cable was pulled. So often in a row it is no accident.
constexpr int kRefusals = 3;
constexpr int kHandshakeFailures = ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                                   ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
                                   ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;

class ZmqTransport final : public Transport {
 public:
  ZmqTransport(ZmqContext& context, const ZmqGoal& goal)
      : has_key_(goal.keys.has_value()),
        dealer_(context.context, zmq::socket_type::dealer),
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
    if (goal.endpoint.starts_with("tcp:")) be_remote(goal);

    const std::string watch = "inproc://steward-monitor-" + std::to_string(++context.monitors);
    const int events =
        ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED | kHandshakeFailures;
    if (zmq_socket_monitor(dealer_.handle(), watch.c_str(), events) != 0) throw zmq::error_t();
    monitor_.connect(watch);
    dealer_.connect(goal.endpoint);
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

  std::string refusal() const override { return refusal_; }

 private:
  // What a monitor tells: 16 bits of event and 32 of value.
  struct Event {
    std::uint16_t event = 0;
    std::uint32_t value = 0;
  };

  void be_remote(const ZmqGoal& goal) {
    dealer_.set(zmq::sockopt::heartbeat_ivl, kHeartbeatMs);
    dealer_.set(zmq::sockopt::heartbeat_timeout, kHeartbeatTimeoutMs);
    dealer_.set(zmq::sockopt::ipv6, goal.endpoint.starts_with("tcp://["));
    if (!goal.keys) return;
    dealer_.set(zmq::sockopt::curve_serverkey, bytes_of(goal.keys->server.public_key));
    dealer_.set(zmq::sockopt::curve_publickey, bytes_of(goal.keys->client.public_key));
    dealer_.set(zmq::sockopt::curve_secretkey, bytes_of(goal.keys->client.secret_key));
  }

  Event decode_event() const {
    Event event;
    if (message_.size() < sizeof event.event + sizeof event.value) return event;
    std::memcpy(&event.event, message_.data(), sizeof event.event);
    std::memcpy(&event.value, message_.data<char>() + sizeof event.event, sizeof event.value);
    return event;
  }

  Arrival next_event() {
    while (monitor_.recv(message_, zmq::recv_flags::dontwait)) {
      const Event event = decode_event();
      while (message_.more()) {  // the address
        if (!monitor_.recv(message_, zmq::recv_flags::dontwait)) break;
      }
      if (event.event == ZMQ_EVENT_DISCONNECTED) return Arrival::disconnected;
      if (event.event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED) {
        ever_connected_ = true;
        // Lets the socket drop its old pipe and take the new one before anything is sent: it looks
        // at its commands only now and then by itself.
        readable();
        return Arrival::connected;
      }
      if ((event.event & kHandshakeFailures) != 0 && is_refusal(event)) return Arrival::refused;
    }
    return Arrival::nothing;
  }

  // After a violation of the protocol ZeroMQ does not come back. A connection that merely broke in
  // the handshake may have met a wrong key, or just an accident: who was let in once has the key.
  bool is_refusal(const Event& event) {
    if (event.event == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL) {
      const bool mechanisms = event.value == ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH;
      refusal_ = !mechanisms ? "what answers there is no manager"
                 : has_key_  ? "it has no key: connect without one"
                             : kWantsKey;
      return true;
    }
    if (ever_connected_ || ++refusals_ < kRefusals) return false;
    refusal_ = has_key_ ? "it does not accept this key: it was started with another one"
                        : kWantsKey;
    return true;
  }

  // Constant after construction.
  const bool has_key_;
  std::vector<pollfd> fds_;

  // Guarded by the session's mutex. The monitor is closed last.
  zmq::message_t message_;
  bool ever_connected_ = false;
  int refusals_ = 0;
  std::string refusal_;
  zmq::socket_t dealer_;
  zmq::socket_t monitor_;
};

}  // namespace

std::unique_ptr<Transport> dial_zmq(ZmqContext*& context, const ZmqGoal& goal) {
  try {
    if (context == nullptr) context = new ZmqContext;
    return std::make_unique<ZmqTransport>(*context, goal);
  } catch (const zmq::error_t& error) {
    const std::string text = "cannot open a connection to " + goal.endpoint + ": " + error.what();
    if (error.num() == EINVAL) throw BadCall(text);
    throw Overloaded(text);
  }
}

}  // namespace steward::client
