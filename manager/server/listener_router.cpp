#include <steward/manager/server/listener_router.hpp>

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <utility>

#include <steward/core/auth_entrance.hpp>
#include <steward/core/errors.hpp>

namespace steward::detail::server {
namespace {

// Messages in a connection's queue. Small, since it is multiplied by every client, yet more than
// a loop's pass has for one client.
constexpr int kQueueMessages = 64;
constexpr int kHandshakeMs = 3000;
constexpr int kBacklog = 1024;
// How long close() lets the last replies leave.
constexpr int kFarewellMs = 250;
// The kernel finds out which connections lead nowhere any more: ZeroMQ's own heartbeats take time
// that grows with the square of the connections. Sessions have leases; this is for descriptors.
constexpr int kKeepaliveIdleSeconds = 15;
constexpr int kKeepaliveIntervalSeconds = 5;
constexpr int kKeepaliveCount = 3;
// Larger frames are not copied, and counted until ZeroMQ has written them out: its queues count
// messages only, so one client that does not read could keep kQueueMessages huge ones.
constexpr std::size_t kCountedBytes = 16U << 10U;
constexpr std::size_t kWindowBytes = 4U << 20U;
constexpr std::size_t kOverlongBytes = 64U << 10U;

constexpr int kHandshakeFailed = ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                                 ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
                                 ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;

// Connections that have ended, of which something may wait to be read.
constexpr std::size_t kLastWordsMax = 256;
// ZeroMQ's sockets have no longer names, but it takes whatever a peer says.
constexpr std::size_t kNameBytesMax = 255;
// A hello is shorter.
constexpr std::size_t kFirstBytesMax = 4096;
// A property of all that comes through a connection, in memory of the connection's own.
constexpr const char* kDescriptor = "__fd";

class PrivateUmask {
 public:
  PrivateUmask() : before_(::umask(0077)) {}
  PrivateUmask(const PrivateUmask&) = delete;
  PrivateUmask& operator=(const PrivateUmask&) = delete;
  ~PrivateUmask() { ::umask(before_); }

 private:
  mode_t before_;
};

[[noreturn]] void fail(const zmq::error_t& error, const std::string& place) {
  throw SystemError(error.num(), "cannot listen at " + place);
}

zmq::const_buffer bytes_of(const std::array<std::uint8_t, 32>& key) {
  return zmq::buffer(key.data(), key.size());
}

}  // namespace

// The bytes of one connection that wait inside ZeroMQ. Shared with its I/O thread.
struct Router::Window {
  explicit Window(NotifierPtr notifier) : drained(std::move(notifier)) {}
  std::atomic<std::size_t> bytes{0};
  const NotifierPtr drained;
};

// A large frame on its way.
struct Router::Parcel {
  std::string frame;
  std::shared_ptr<Window> window;
};

// Called by ZeroMQ when it is done with the frame, on its I/O thread.
void Router::sent_parcel(void*, void* hint) {
  const std::unique_ptr<Parcel> parcel(static_cast<Parcel*>(hint));
  Window& window = *parcel->window;
  const std::size_t size = parcel->frame.size();
  const std::size_t before = window.bytes.fetch_sub(size);
  if (before > kWindowBytes && before - size <= kWindowBytes) window.drained->ring();
}

Notifier::Notifier() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!fd_) throw SystemError(errno, "cannot make an eventfd");
}

void Notifier::ring() {
  const std::uint64_t one = 1;
  notified_ = true;
  [[maybe_unused]] const ssize_t written = ::write(fd_.get(), &one, sizeof one);
}

// A ring in between may leave it audible: then the loop looks once more than it needs to.
void Notifier::silence() {
  if (!notified_.exchange(false)) return;
  std::uint64_t rings = 0;
  [[maybe_unused]] const ssize_t size = ::read(fd_.get(), &rings, sizeof rings);
}

Router::Router(zmq::context_t& context, const std::string& path, const core::Limits& limits,
               NotifierPtr notifier) try
    : notifier_(std::move(notifier)), socket_(context, zmq::socket_type::router) {
  take_options(limits);
  // ZeroMQ drops what the kernel has of a connection that ends while its queue is full: so there is
  // room for all that a client may have under way, its calls and its word on each. Whoever sends
  // more than he may loses by it.
  socket_.set(zmq::sockopt::rcvhwm, static_cast<int>(2 * limits.calls_in_flight) + kQueueMessages);
  watch_connections(context, "inproc://steward-local");
  const PrivateUmask scope;
  socket_.bind("ipc://" + path);
  fd_ = socket_.get(zmq::sockopt::fd);
} catch (const zmq::error_t& error) {
  fail(error, path);
}

Router::Router(zmq::context_t& context, const core::TcpAddress& address,
               const core::Limits& limits, NotifierPtr notifier,
               const std::optional<core::KeyPairs>& key) try
    : notifier_(std::move(notifier)), socket_(context, zmq::socket_type::router) {
  take_options(limits);
  socket_.set(zmq::sockopt::tcp_keepalive, 1);
  socket_.set(zmq::sockopt::tcp_keepalive_idle, kKeepaliveIdleSeconds);
  socket_.set(zmq::sockopt::tcp_keepalive_intvl, kKeepaliveIntervalSeconds);
  socket_.set(zmq::sockopt::tcp_keepalive_cnt, kKeepaliveCount);
  socket_.set(zmq::sockopt::ipv6, address.host.starts_with('['));
  if (key) {
    socket_.set(zmq::sockopt::curve_server, true);
    socket_.set(zmq::sockopt::curve_secretkey, bytes_of(key->server.secret_key));
    socket_.set(zmq::sockopt::zap_domain, core::kZapDomain.data());
    // Without an answer of ZAP nobody gets in: by default any key would do. The option is declared
    // for drafts only, and honoured all the same.
    constexpr int kZapEnforceDomain = 93;
    const int yes = 1;
    if (zmq_setsockopt(socket_.handle(), kZapEnforceDomain, &yes, sizeof yes) != 0) {
      throw zmq::error_t();
    }
  }
  watch_connections(context, "inproc://steward-remote");
  flood_guard_.emplace(limits.message_bytes);
  // To bind, ZeroMQ knows the names of interfaces, but none of hosts.
  core::TcpAddress bound = address;
  if (bound.host == "localhost") bound.host = "127.0.0.1";
  socket_.bind(bound.text());
  fd_ = socket_.get(zmq::sockopt::fd);
} catch (const zmq::error_t& error) {
  fail(error, address.text());
}

void Router::take_options(const core::Limits& limits) {
  // An error for peers that are gone or do not read, never a silent drop.
  socket_.set(zmq::sockopt::router_mandatory, true);
  // Nobody takes over another's route.
  socket_.set(zmq::sockopt::router_handover, false);
  socket_.set(zmq::sockopt::linger, 0);
  // A frame that is a little too long arrives, and is answered with a reason. A longer one makes
  // libzmq cut the connection before it takes up memory.
  socket_.set(zmq::sockopt::maxmsgsize,
              static_cast<std::int64_t>(limits.message_bytes + kOverlongBytes));
  socket_.set(zmq::sockopt::handshake_ivl, kHandshakeMs);
  socket_.set(zmq::sockopt::sndhwm, kQueueMessages);
  socket_.set(zmq::sockopt::rcvhwm, kQueueMessages);
  socket_.set(zmq::sockopt::backlog, kBacklog);
}

// ZeroMQ's thread never waits for us to hear of them.
void Router::watch_connections(zmq::context_t& context, const std::string& place) {
  constexpr int kEvents = ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_DISCONNECTED | kHandshakeFailed;
  if (zmq_socket_monitor(socket_.handle(), place.c_str(), kEvents) != 0) throw zmq::error_t();
  events_.emplace(context, zmq::socket_type::pair);
  events_->set(zmq::sockopt::linger, 0);
  events_->set(zmq::sockopt::rcvhwm, 0);
  events_->connect(place);
  events_fd_ = events_->get(zmq::sockopt::fd);
}

void Router::hear_events() {
  if (!events_) return;
  zmq::message_t event;
  zmq::message_t place;
  while (events_->recv(event, zmq::recv_flags::dontwait)) {
    if (event.more()) static_cast<void>(events_->recv(place, zmq::recv_flags::dontwait));
    // 16 bits of what, 32 bits of which descriptor.
    std::uint16_t what = 0;
    std::int32_t fd = -1;
    if (event.size() != sizeof what + sizeof fd) continue;
    std::memcpy(&what, event.data(), sizeof what);
    std::memcpy(&fd, event.data<char>() + sizeof what, sizeof fd);
    if ((what & kHandshakeFailed) != 0) {
      ++handshakes_failed_;  // the number is a reason then
    } else {
      hear_of(fd, what == ZMQ_EVENT_ACCEPTED);
    }
  }
}

void Router::hear_of(int fd, bool accepted) {
  if (const auto gone = origins_.find(fd); gone != origins_.end()) {
    for (const Origin origin : gone->second) end(origin);
    origins_.erase(gone);
    if (flood_guard_) flood_guard_->closed(fd);
  }
  if (!accepted) return;
  if (flood_guard_) flood_guard_->accepted(fd);
  origins_.try_emplace(fd);
}

void Router::end(Origin origin) {
  Connection& connection = connections_.at(origin);
  connection.fd = -1;
  const auto named = numbers_.find(connection.name);
  if (named != numbers_.end() && named->second == connection.number) numbers_.erase(named);
  last_words_.push_back(origin);
  if (last_words_.size() <= kLastWordsMax) return;
  connections_.erase(last_words_.front());
  last_words_.pop_front();
}

std::optional<std::string_view> Router::name_of(std::string_view route) {
  hear_events();
  std::uint64_t number = 0;
  std::memcpy(&number, route.data(), sizeof number);
  route.remove_prefix(sizeof number);
  const auto named = numbers_.find(std::string(route));
  if (named == numbers_.end() || named->second != number) return std::nullopt;
  return route;
}

bool Router::has_ended(std::string_view route) {
  if (numbered()) return !name_of(route);
  hear_events();
  return !numbers_.contains(std::string(route));
}

std::size_t Router::cut_floods(core::Time now) {
  if (!flood_guard_) return 0;
  hear_events();
  return flood_guard_->look(now);
}

bool Router::receive(std::string& route, std::string& frame) {
  zmq::message_t name;
  zmq::message_t part;
  do {
    if (!socket_.recv(name, zmq::recv_flags::dontwait)) {
      if (flood_guard_) flood_guard_->found_nothing();
      return false;
    }
    frame.clear();
    part.rebuild();
    bool more = name.more();
    for (std::size_t count = 1; more; ++count) {
      // The rest of a message is there when its first part is.
      if (!socket_.recv(part, zmq::recv_flags::dontwait)) break;
      more = part.more();
      if (count == 1 && !more) frame.assign(part.data<char>(), part.size());
    }
    if (name.size() > kNameBytesMax && flood_guard_) {
      hear_events();
      flood_guard_->cut(zmq_msg_get(part.handle(), ZMQ_SRCFD));
    }
  } while (name.size() > kNameBytesMax);
  const std::uint64_t number = number_of(name.to_string_view(), part);
  if (numbered()) route.append(reinterpret_cast<const char*>(&number), sizeof number);
  route.append(name.data<char>(), name.size());
  return true;
}

// The events of a connection come before what it says.
std::uint64_t Router::number_of(std::string_view name, zmq::message_t& part) {
  hear_events();
  const Connection* connection = connection_of(name, part);
  if (flood_guard_) flood_guard_->delivered(connection != nullptr ? connection->fd : -1);
  return connection != nullptr ? connection->number : ++last_connection_;
}

// nullptr: it is nobody's. ZeroMQ does not say where it came from (a peer of an old protocol, or
// one that was gone at once), or it is what no client begins with, and too long to be kept.
Router::Connection* Router::connection_of(std::string_view name, zmq::message_t& part) {
  const Origin origin = zmq_msg_gets(part.handle(), kDescriptor);
  if (origin == nullptr) return nullptr;
  if (const auto known = connections_.find(origin); known != connections_.end()) {
    return &known->second;
  }
  if (part.size() > kFirstBytesMax) return nullptr;
  Connection& connection = connections_[origin];
  connection.number = ++last_connection_;
  connection.fd = zmq_msg_get(part.handle(), ZMQ_SRCFD);
  connection.name = name;
  connection.first.copy(part);
  if (const auto open = origins_.find(connection.fd); open != origins_.end()) {
    open->second.push_back(origin);
    numbers_[connection.name] = connection.number;
  } else {
    end(origin);
  }
  return &connection;
}

zmq::message_t Router::message_of(std::string_view route, std::string& frame) {
  if (frame.size() < kCountedBytes) return zmq::message_t(frame.data(), frame.size());
  auto& window = windows_[std::string(route)];
  if (!window) window = std::make_shared<Window>(notifier_);
  window->bytes += frame.size();
  auto parcel = std::make_unique<Parcel>(Parcel{std::move(frame), window});
  std::string& bytes = parcel->frame;
  zmq::message_t message(bytes.data(), bytes.size(), sent_parcel, parcel.get());
  parcel.release();
  return message;
}

Sent Router::send(std::string_view route, std::string& frame) try {
  if (numbered()) {
    const auto name = name_of(route);
    if (!name) return Sent::gone;
    return send_to(*name, frame);
  }
  return send_to(route, frame);
} catch (const zmq::error_t& error) {
  if (error.num() == EHOSTUNREACH) return Sent::gone;
  if (error.num() == EINTR) return Sent::would_block;
  throw SystemError(error.num(), "cannot send");
}

Sent Router::send_to(std::string_view route, std::string& frame) {
  if (frame.size() >= kCountedBytes) {
    const auto window = windows_.find(std::string(route));
    if (window != windows_.end() && window->second->bytes > kWindowBytes) return Sent::would_block;
  }
  zmq::message_t name(route.data(), route.size());
  if (!socket_.send(name, zmq::send_flags::dontwait | zmq::send_flags::sndmore)) {
    return Sent::would_block;
  }
  // Room for the first part is room for the message.
  zmq::message_t message = message_of(route, frame);
  socket_.send(message, zmq::send_flags::dontwait);
  return Sent::sent;
}

void Router::close() {
  if (events_) zmq_socket_monitor(socket_.handle(), nullptr, 0);
  events_.reset();
  socket_.set(zmq::sockopt::linger, kFarewellMs);
  socket_.close();
  windows_.clear();
}

}  // namespace steward::detail::server
