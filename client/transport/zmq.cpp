// The transport over ZeroMQ. The only place in this room, beside the router of Listeners, that
// knows it.
#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>

#include <zmq.hpp>

#include <steward/client/transport/dialer.hpp>
#include <steward/client/transport/options.hpp>
#include <steward/core/errors.hpp>
#include <steward/core/limits.hpp>
#include <steward/core/signals_blocked.hpp>

namespace steward::detail::client {

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
// choice too (ManagerOptions::limits): it has shown that it runs under our own uid, or has the key.
constexpr std::int64_t kFrameBytes = std::int64_t{1} << 32U;
// Whoever answers over tcp without a key has shown nothing: what a manager with the usual limits
// sends, with room for what stands around it.
constexpr std::int64_t kStrangersFrameBytes =
    2 * static_cast<std::int64_t>(core::Limits{}.unsent_bytes);
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
  ZmqTransport(ZmqContext& context, const Goal& goal)
      : has_key_(goal.keys.has_value()),
        dealer_(context.context, zmq::socket_type::dealer),
        monitor_(context.context, zmq::socket_type::pair) {
    dealer_.set(zmq::sockopt::linger, kLingerMs);
    // What a broken connection has not taken is sent again by the session, never by ZeroMQ.
    dealer_.set(zmq::sockopt::immediate, true);
    dealer_.set(zmq::sockopt::sndhwm, kFramesQueued);
    dealer_.set(zmq::sockopt::rcvhwm, kFramesQueued);
    const bool stranger = goal.endpoint.starts_with("tcp:") && !goal.keys;
    dealer_.set(zmq::sockopt::maxmsgsize, stranger ? kStrangersFrameBytes : kFrameBytes);
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

  // Only sending and receiving swallow the edge of the DEALER's descriptor, and a receive() that
  // found nothing has read up to it. The monitor is read to its end each time.
  bool prepare_to_sleep() override {
    if (!drained_) drained_ = (dealer_events() & ZMQ_POLLIN) == 0;
    return drained_;
  }

  void awake(std::span<const pollfd> entries) override {
    for (const pollfd& entry : entries) {
      if (entry.revents == 0) continue;
      if (entry.fd == fds_[0].fd) drained_ = false;
      if (entry.fd == fds_[1].fd) monitor_speaks_ = true;
    }
  }

  bool send(std::string_view head, std::string_view body) override {
    zmq::message_t frame(head.size() + body.size());
    std::ranges::copy(head, frame.data<char>());
    std::ranges::copy(body, frame.data<char>() + head.size());
    drained_ = false;
    const int sent =
        retried([&] { return zmq_msg_send(frame.handle(), dealer_.handle(), ZMQ_DONTWAIT); });
    if (sent < 0 && zmq_errno() != EAGAIN) fail();
    return sent >= 0;
  }

  Arrival receive(std::string_view& frame) override {
    if (receive_from(dealer_)) {
      // No envelope has more than one frame: of a longer message only the last one counts.
      while (message_.more() && receive_from(dealer_)) {
      }
      frame = message_.to_string_view();
      return Arrival::frame;
    }
    drained_ = true;
    message_.rebuild();
    return monitor_speaks_ ? next_event() : Arrival::nothing;
  }

  std::string refusal() const override { return refusal_; }

 private:
  // What a monitor tells: 16 bits of event and 32 of value.
  struct Event {
    std::uint16_t event = 0;
    std::uint32_t value = 0;
  };

  void be_remote(const Goal& goal) {
    dealer_.set(zmq::sockopt::heartbeat_ivl, kHeartbeatMs);
    dealer_.set(zmq::sockopt::heartbeat_timeout, kHeartbeatTimeoutMs);
    dealer_.set(zmq::sockopt::ipv6, goal.endpoint.starts_with("tcp://["));
    if (!goal.keys) return;
    dealer_.set(zmq::sockopt::curve_serverkey, bytes_of(goal.keys->server.public_key));
    dealer_.set(zmq::sockopt::curve_publickey, bytes_of(goal.keys->client.public_key));
    dealer_.set(zmq::sockopt::curve_secretkey, bytes_of(goal.keys->client.secret_key));
  }

  // ZeroMQ polls for its own commands in nearly every call, and poll ends with EINTR also where the
  // handler of the signal was installed with SA_RESTART. Nothing has happened by then.
  template <class F>
  static int retried(F call) {
    int result;
    do {
      result = call();
    } while (result < 0 && zmq_errno() == EINTR);
    return result;
  }

  [[noreturn]] static void fail() {
    const int error = zmq_errno();
    const std::string text = std::string("the connection failed: ") + zmq_strerror(error);
    if (error == ENOMEM || error == EMFILE || error == ENFILE) throw Overloaded(text);
    throw Disconnected(text);
  }

  int dealer_events() {
    int events = 0;
    std::size_t size = sizeof events;
    if (retried([&] {
          return zmq_getsockopt(dealer_.handle(), ZMQ_EVENTS, &events, &size);
        }) < 0) {
      fail();
    }
    return events;
  }

  bool receive_from(zmq::socket_t& socket) {
    const int size =
        retried([&] { return zmq_msg_recv(message_.handle(), socket.handle(), ZMQ_DONTWAIT); });
    if (size < 0 && zmq_errno() != EAGAIN) fail();
    return size >= 0;
  }

  Event decode_event() const {
    Event event;
    if (message_.size() < sizeof event.event + sizeof event.value) return event;
    std::memcpy(&event.event, message_.data(), sizeof event.event);
    std::memcpy(&event.value, message_.data<char>() + sizeof event.event, sizeof event.value);
    return event;
  }

  Arrival next_event() {
    while (receive_from(monitor_)) {
      const Event event = decode_event();
      while (message_.more() && receive_from(monitor_)) {  // the address
      }
      if (event.event == ZMQ_EVENT_DISCONNECTED) return Arrival::disconnected;
      if (event.event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED) {
        ever_connected_ = true;
        // Lets the socket drop its old pipe and take the new one before anything is sent: it looks
        // at its commands only now and then by itself.
        drained_ = (dealer_events() & ZMQ_POLLIN) == 0;
        return Arrival::connected;
      }
      if ((event.event & kHandshakeFailures) != 0 && is_refusal(event)) return Arrival::refused;
    }
    monitor_speaks_ = false;
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
  bool drained_ = false;        // whatever comes now, the DEALER's descriptor tells of it
  bool monitor_speaks_ = true;  // its descriptor told of something that was not read to the end
  bool ever_connected_ = false;
  int refusals_ = 0;
  std::string refusal_;
  zmq::socket_t dealer_;
  zmq::socket_t monitor_;
};

}  // namespace

std::unique_ptr<Transport> Dialer::dial(const Goal& goal) {
  const core::SignalsBlocked undisturbed;
  try {
    if (zmq_ == nullptr) zmq_ = new ZmqContext;
    core::check_descriptors_free(kConnectionDescriptors);
    return std::make_unique<ZmqTransport>(*zmq_, goal);
  } catch (const zmq::error_t& error) {
    const std::string text = "cannot open a connection to " + goal.endpoint + ": " + error.what();
    if (error.num() == EINVAL) throw BadCall(text);
    throw Overloaded(text);
  }
}

}  // namespace steward::detail::client
