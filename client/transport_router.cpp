#include <steward/client/transport_router.hpp>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <deque>
#include <iterator>
#include <unordered_map>
#include <utility>
#include <vector>

#include <zmq.hpp>
#include <zmq_addon.hpp>

#include <steward/client/channel.hpp>
#include <steward/client/transport/options.hpp>
#include <steward/core/auth_entrance.hpp>
#include <steward/core/errors.hpp>
#include <steward/core/signals_blocked.hpp>

namespace steward::client {
namespace {

constexpr const char* kZapQuestions = "inproc://zeromq.zap.01";
constexpr const char* kWatch = "inproc://steward-monitor";
constexpr int kHandshakeMs = 3000;
constexpr int kBacklog = 1024;
// Of a connection that keeps to the window twice as many frames never wait, data and answers; a
// queue that is full would keep ZeroMQ from seeing that its connection has ended.
constexpr int kChunksQueued = static_cast<int>(2 * Channel::kWindow / Channel::kFrameCost) + 64;
constexpr std::int64_t kChunkBytes = Channel::kChunk + 64;

class ZmqRouter final : public Trunk {
 public:
  ZmqRouter(const core::TcpAddress& address, const std::optional<core::KeyPairs>& keys)
      : router_(start_threads(context_), zmq::socket_type::router),
        monitor_(context_, zmq::socket_type::pair),
        questions_(context_, zmq::socket_type::rep) {
    take_options();
    if (keys) ask_for_keys(*keys);
    questions_.set(zmq::sockopt::linger, 0);
    questions_.bind(kZapQuestions);
    if (zmq_socket_monitor(router_.handle(), kWatch, ZMQ_EVENT_DISCONNECTED) != 0) {
      throw zmq::error_t();
    }
    monitor_.set(zmq::sockopt::linger, 0);
    monitor_.connect(kWatch);
    // To bind, ZeroMQ knows the names of interfaces, but none of hosts.
    core::TcpAddress bound = address;
    if (bound.host == "localhost") bound.host = "127.0.0.1";
    router_.set(zmq::sockopt::ipv6, bound.host.starts_with('['));
    router_.bind(bound.text());
    endpoint_ = router_.get(zmq::sockopt::last_endpoint);
    for (const zmq::socket_t* socket : {&router_, &monitor_, &questions_}) {
      fds_.push_back({socket->get(zmq::sockopt::fd), POLLIN, 0});
    }
  }

  ~ZmqRouter() override { zmq_socket_monitor(router_.handle(), nullptr, 0); }

  const std::string& endpoint() const { return endpoint_; }

  const std::vector<pollfd>& poll_fds() const override { return fds_; }

  bool readable() override {
    return is_readable(router_) || is_readable(monitor_) || is_readable(questions_);
  }

  bool receive(TrunkEvent& event) override {
    answer_questions();
    read_monitor();
    if (receive_frame(event)) return true;
    // All that the lost ones had sent was received.
    if (lost_.empty()) return false;
    event.kind = TrunkEvent::Kind::gone;
    event.route = std::move(lost_.front());
    lost_.pop_front();
    return true;
  }

  bool send(const std::string& route, std::string_view frame) override {
    constexpr auto now = zmq::send_flags::dontwait;
    try {
      return router_.send(zmq::buffer(route), now | zmq::send_flags::sndmore).has_value() &&
             router_.send(zmq::buffer(frame), now).has_value();
    } catch (const zmq::error_t&) {
      return false;
    }
  }

 private:
  static bool is_readable(const zmq::socket_t& socket) {
    return (socket.get(zmq::sockopt::events) & ZMQ_POLLIN) != 0;
  }

  void take_options() {
    // An error for peers that are gone, never a silent drop.
    router_.set(zmq::sockopt::router_mandatory, true);
    // Nobody takes over another's route.
    router_.set(zmq::sockopt::router_handover, false);
    router_.set(zmq::sockopt::linger, kLingerMs);
    router_.set(zmq::sockopt::maxmsgsize, kChunkBytes);
    router_.set(zmq::sockopt::handshake_ivl, kHandshakeMs);
    router_.set(zmq::sockopt::backlog, kBacklog);
    // What may be under way is counted by the relays.
    router_.set(zmq::sockopt::sndhwm, 0);
    router_.set(zmq::sockopt::rcvhwm, kChunksQueued);
    keep_alive(router_);
  }

  void ask_for_keys(const core::KeyPairs& keys) {
    client_key_ = keys.client.public_key;
    router_.set(zmq::sockopt::curve_server, true);
    router_.set(zmq::sockopt::curve_secretkey, bytes_of(keys.server.secret_key));
    router_.set(zmq::sockopt::zap_domain, core::kZapDomain.data());
    // Without an answer of ZAP nobody gets in: by default any key would do. The option is declared
    // for drafts only, and honoured all the same.
    constexpr int kZapEnforceDomain = 93;
    const int yes = 1;
    if (zmq_setsockopt(router_.handle(), kZapEnforceDomain, &yes, sizeof yes) != 0) {
      throw zmq::error_t();
    }
  }

  void answer_questions() {
    for (;;) {
      std::vector<zmq::message_t> question;
      if (!zmq::recv_multipart(questions_, std::back_inserter(question),
                               zmq::recv_flags::dontwait)) {
        return;
      }
      std::vector<std::string_view> frames;
      for (const zmq::message_t& frame : question) frames.push_back(frame.to_string_view());
      const auto words = core::answer_zap(frames, client_key_);
      for (const std::string_view& word : words) {
        const bool last = &word == &words.back();
        questions_.send(zmq::buffer(word),
                        last ? zmq::send_flags::none : zmq::send_flags::sndmore);
      }
    }
  }

  void read_monitor() {
    zmq::message_t message;
    while (monitor_.recv(message, zmq::recv_flags::dontwait)) {
      std::uint16_t event = 0;
      std::int32_t fd = -1;
      if (message.size() >= sizeof event + sizeof fd) {
        std::memcpy(&event, message.data(), sizeof event);
        std::memcpy(&fd, message.data<char>() + sizeof event, sizeof fd);
      }
      while (message.more()) {  // the address
        if (!monitor_.recv(message, zmq::recv_flags::dontwait)) break;
      }
      if (event == ZMQ_EVENT_DISCONNECTED) lose(fd);
    }
  }

  void lose(int fd) {
    const auto route = routes_.extract(fd);
    if (!route.empty()) lost_.push_back(route.mapped());
  }

  bool receive_frame(TrunkEvent& event) {
    zmq::message_t name;
    if (!router_.recv(name, zmq::recv_flags::dontwait)) return false;
    event.kind = TrunkEvent::Kind::frame;
    event.route.assign(name.data<char>(), name.size());
    event.frame.clear();
    bool more = name.more();
    zmq::message_t part;
    for (int count = 1; more; ++count) {
      // The rest of a message is there when its first part is.
      if (!router_.recv(part, zmq::recv_flags::dontwait)) break;
      more = part.more();
      // No frame of ours has several parts: nothing is left of such a message.
      if (count == 1 && !more) event.frame.assign(part.data<char>(), part.size());
    }
    // Not every peer's messages say it: those of ZeroMQ's first versions do not.
    if (const int fd = zmq_msg_get(part.handle(), ZMQ_SRCFD); fd >= 0) note(fd, event.route);
    return true;
  }

  // Which connection has this descriptor. A connection that ended before it was noted, or changed
  // its number in between with another, is found out by the next send.
  void note(int fd, const std::string& route) {
    const auto known = routes_.find(fd);
    if (known != routes_.end() && known->second == route) return;
    // That the one before has ended was said before this one could say anything.
    read_monitor();
    routes_[fd] = route;
  }

  zmq::context_t context_{1};
  std::array<std::uint8_t, 32> client_key_{};
  zmq::socket_t router_;
  zmq::socket_t monitor_;
  zmq::socket_t questions_;
  std::string endpoint_;
  std::vector<pollfd> fds_;
  std::unordered_map<int, std::string> routes_;  // by the descriptors of their connections
  std::deque<std::string> lost_;
};

}  // namespace

RouterTrunk listen_zmq(const core::TcpAddress& address, const std::optional<core::KeyPairs>& keys) {
  const core::SignalsBlocked undisturbed;
  try {
    auto router = std::make_unique<ZmqRouter>(address, keys);
    core::TcpAddress bound = *core::parse_tcp(router->endpoint());
    if (address.is_wildcard() || address.host == "localhost") bound.host = address.host;
    return {std::move(router), bound};
  } catch (const zmq::error_t& error) {
    throw SystemError(error.num(), "cannot listen at " + address.text());
  }
}

}  // namespace steward::client
