#include <steward/manager/server/listener_zmq.hpp>

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include <steward/core/auth.hpp>
#include <steward/core/auth_entrance.hpp>
#include <steward/core/clock.hpp>
#include <steward/core/descriptors_free.hpp>
#include <steward/core/errors.hpp>
#include <steward/manager/server/accept.hpp>
#include <steward/manager/server/listener_router.hpp>
#include <steward/manager/server/listener_zap.hpp>

namespace steward::detail::server {
namespace {

// What the sockets here, their listeners and ZeroMQ's threads take, and some to begin with.
constexpr std::size_t kDescriptors = 24;

// An address of this host that others may reach, for one that listens at all of them.
std::string some_address() {
  std::string found = "127.0.0.1";
  ifaddrs* all = nullptr;
  if (::getifaddrs(&all) != 0) return found;
  for (const ifaddrs* each = all; each != nullptr; each = each->ifa_next) {
    if (each->ifa_addr == nullptr || each->ifa_addr->sa_family != AF_INET) continue;
    if ((each->ifa_flags & IFF_LOOPBACK) != 0 || (each->ifa_flags & IFF_UP) == 0) continue;
    std::array<char, INET_ADDRSTRLEN> text{};
    const auto* address = reinterpret_cast<const sockaddr_in*>(each->ifa_addr);
    if (::inet_ntop(AF_INET, &address->sin_addr, text.data(), text.size()) == nullptr) continue;
    found = text.data();
    break;
  }
  ::freeifaddrs(all);
  return found;
}

// What is told to clients, which may be anywhere.
std::string public_address(const Router& router) {
  core::TcpAddress address = *core::parse_tcp(router.endpoint());
  if (address.is_wildcard()) address.host = some_address();
  return address.text();
}

// libzmq counts peers that announce no name from a number of rand(), which is the same in every
// process that has not called srand(), and ends the process where a peer has announced that name
// before. So whoever wants to end us must try very many. This process is the manager's own.
void make_names_unpredictable() {
  unsigned seed = 0;
  const std::string bytes = core::random_bytes(sizeof seed);
  std::memcpy(&seed, bytes.data(), sizeof seed);
  std::srand(seed);
}

class ZmqListener final : public Listener {
 public:
  ZmqListener(const Directory& directory, const core::Limits& limits,
              const RemoteEntrance& entrance);
  ~ZmqListener() override { close(); }

  std::vector<int> fds() const override;
  bool readable() override;
  bool receive(Arrival& arrival) override;
  Sent send(const std::string& route, std::string& frame) override;
  bool has_ended(const std::string& route) override {
    return at(route).has_ended(std::string_view(route).substr(1));
  }
  void forget(const std::string& route) override { at(route).forget(route.substr(1)); }
  const std::vector<std::string>& addresses() const override { return addresses_; }
  std::size_t cut_floods(core::Time now) override {
    return remote_ ? remote_->cut_floods(now) : 0;
  }
  std::uint64_t handshakes_failed() const override {
    return remote_ ? remote_->handshakes_failed() : 0;
  }
  core::Deadline next_look() const override {
    return remote_ ? remote_->next_look() : std::nullopt;
  }
  void close() override;

 private:
  // The first byte of a route tells whose it is; ZeroMQ's own name of the peer follows.
  static constexpr char kLocal = 'l';
  static constexpr char kRemote = 'r';
  Router& at(const std::string& route) { return route[0] == kRemote ? *remote_ : *local_; }
  bool receive_from(Router& router, char mark, Peer peer, Arrival& arrival);

  AcceptGuard accept_;  // outlives the context's threads
  const NotifierPtr drained_ = std::make_shared<Notifier>();
  const core::Limits limits_;
  std::optional<core::KeyPairs> keys_;
  zmq::context_t context_{1};
  std::optional<ZapGate> gate_;
  std::optional<Router> local_;
  std::optional<Router> remote_;
  std::vector<std::string> addresses_;
  bool remotes_turn_ = false;
};

ZmqListener::ZmqListener(const Directory& directory, const core::Limits& limits,
                         const RemoteEntrance& entrance)
    : limits_(limits), addresses_{ipc_address(directory)} {
  check_entrance(entrance);
  make_names_unpredictable();
  core::check_descriptors_free(kDescriptors);
  local_.emplace(context_, directory.socket(), limits, drained_);
  if (entrance.address.empty()) return;
  if (!entrance.key.empty()) {
    keys_ = core::derive_key_pairs(entrance.key);
    gate_.emplace(context_, keys_->client.public_key);
  }
  remote_.emplace(context_, *core::parse_tcp(entrance.address), limits_, drained_, keys_);
  accept_.guard_port(core::parse_tcp(remote_->endpoint())->port);
  addresses_.push_back(public_address(*remote_));
}

std::vector<int> ZmqListener::fds() const {
  std::vector<int> fds{local_->fd(), local_->events_fd(), drained_->fd()};
  if (remote_) {
    fds.push_back(remote_->fd());
    fds.push_back(remote_->events_fd());
  }
  return fds;
}

bool ZmqListener::readable() {
  drained_->silence();
  local_->hear_events();
  if (remote_) remote_->hear_events();
  const bool local = local_->readable();
  return (remote_ && remote_->readable()) || local;
}

bool ZmqListener::receive_from(Router& router, char mark, Peer peer, Arrival& arrival) {
  arrival.route.assign(1, mark);
  arrival.peer = peer;
  return router.receive(arrival.route, arrival.frame);
}

// In turns: neither those who are near nor those who are far keep the others waiting.
bool ZmqListener::receive(Arrival& arrival) {
  if (!remote_) return receive_from(*local_, kLocal, Peer::local, arrival);
  remotes_turn_ = !remotes_turn_;
  if (remotes_turn_ && receive_from(*remote_, kRemote, Peer::remote, arrival)) return true;
  if (receive_from(*local_, kLocal, Peer::local, arrival)) return true;
  return !remotes_turn_ && receive_from(*remote_, kRemote, Peer::remote, arrival);
}

Sent ZmqListener::send(const std::string& route, std::string& frame) {
  return at(route).send(std::string_view(route).substr(1), frame);
}

void ZmqListener::close() {
  if (!local_) return;
  local_->close();
  if (remote_) remote_->close();
  if (gate_) gate_->stop();
  context_.close();
  local_.reset();
  remote_.reset();
}

}  // namespace

void check_entrance(const RemoteEntrance& entrance) {
  if (entrance.address.empty()) return;
  const auto address = core::parse_tcp(entrance.address);
  if (!address) {
    throw BadCall(fmt::format("a manager cannot listen at \"{}\": tcp://host:port and "
                              "ipc:///path/of/my.sock are addresses; its own host reaches it "
                              "without one", entrance.address));
  }
  core::check_entrance("a manager", *address, entrance.key);
}

std::unique_ptr<Listener> listen_zmq(const Directory& directory, const core::Limits& limits,
                                     const RemoteEntrance& entrance) {
  return std::make_unique<ZmqListener>(directory, limits, entrance);
}

}  // namespace steward::detail::server
