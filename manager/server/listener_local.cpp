#include <steward/manager/server/listener_local.hpp>

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include <steward/core/errors.hpp>

namespace steward::detail::server {
namespace {

// Frames that may wait for a client.
constexpr std::size_t kMailboxFrames = 64;

shm::UniqueFd make_eventfd() {
  shm::UniqueFd fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!fd) throw SystemError(errno, "cannot make an eventfd");
  return fd;
}

void raise(const shm::UniqueFd& fd) {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(fd.get(), &one, sizeof one);
}

void lower(const shm::UniqueFd& fd) {
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t size = ::read(fd.get(), &count, sizeof count);
}

}  // namespace

class LocalListener final : public Listener {
 public:
  explicit LocalListener(std::shared_ptr<LocalNetwork> network) : network_(std::move(network)) {}
  ~LocalListener() override { close(); }

  std::vector<int> fds() const override { return {network_->arrived_.get()}; }

  bool readable() override {
    const std::scoped_lock hold(network_->mutex_);
    lower(network_->arrived_);
    return !network_->arrivals_.empty();
  }

  bool receive(Arrival& arrival) override {
    const std::scoped_lock hold(network_->mutex_);
    if (network_->arrivals_.empty()) return false;
    arrival = std::move(network_->arrivals_.front());
    network_->arrivals_.pop_front();
    return true;
  }

  Sent send(const std::string& route, std::string& frame) override {
    const std::scoped_lock hold(network_->mutex_);
    const auto client = network_->clients_.find(route);
    if (client == network_->clients_.end()) return Sent::gone;
    if (client->second->frames.size() >= kMailboxFrames) return Sent::would_block;
    client->second->frames.push_back(std::move(frame));
    raise(client->second->fd);
    return Sent::sent;
  }

  void forget(const std::string&) override {}
  const std::vector<std::string>& addresses() const override { return addresses_; }

  void close() override {
    const std::scoped_lock hold(network_->mutex_);
    network_->listening_ = false;
    for (auto& [route, mailbox] : network_->clients_) {
      mailbox->closed = true;
      raise(mailbox->fd);
    }
    network_->clients_.clear();
  }

 private:
  const std::shared_ptr<LocalNetwork> network_;
  const std::vector<std::string> addresses_{"local:"};
};

LocalNetwork::LocalNetwork(bool vouch) : vouch_(vouch), arrived_(make_eventfd()) {}

std::shared_ptr<LocalNetwork> LocalNetwork::make(bool vouch) {
  return std::shared_ptr<LocalNetwork>(new LocalNetwork(vouch));
}

std::unique_ptr<Listener> LocalNetwork::listen() {
  return std::make_unique<LocalListener>(shared_from_this());
}

std::unique_ptr<LocalNetwork::Connection> LocalNetwork::connect() {
  std::string route;
  {
    const std::scoped_lock hold(mutex_);
    route = std::to_string(++last_route_);
    auto mailbox = std::make_shared<Mailbox>();
    mailbox->fd = make_eventfd();
    mailbox->closed = !listening_;
    clients_.emplace(route, std::move(mailbox));
  }
  return std::make_unique<Connection>(shared_from_this(), std::move(route));
}

LocalNetwork::Connection::Connection(std::shared_ptr<LocalNetwork> network, std::string route)
    : network_(std::move(network)), route_(std::move(route)), mailbox_([this] {
        const std::scoped_lock hold(network_->mutex_);
        return network_->clients_.at(route_);
      }()) {}

LocalNetwork::Connection::~Connection() {
  const std::scoped_lock hold(network_->mutex_);
  network_->clients_.erase(route_);
  raise(network_->arrived_);
}

bool LocalNetwork::Connection::readable() {
  const std::scoped_lock hold(network_->mutex_);
  return mailbox_->closed || !mailbox_->frames.empty();
}

bool LocalNetwork::Connection::send(std::string_view frame) {
  const std::scoped_lock hold(network_->mutex_);
  if (mailbox_->closed) return false;
  network_->arrivals_.push_back({route_, std::string(frame),
                                 network_->vouch_ ? Peer::vouched : Peer::local});
  raise(network_->arrived_);
  return true;
}

LocalNetwork::Connection::Got LocalNetwork::Connection::receive(std::string& frame) {
  const std::scoped_lock hold(network_->mutex_);
  if (mailbox_->frames.empty()) {
    if (mailbox_->closed) return Got::closed;
    lower(mailbox_->fd);
    return Got::nothing;
  }
  if (mailbox_->frames.size() == kMailboxFrames) raise(network_->arrived_);
  frame = std::move(mailbox_->frames.front());
  mailbox_->frames.pop_front();
  if (mailbox_->frames.empty() && !mailbox_->closed) lower(mailbox_->fd);
  return Got::frame;
}

}  // namespace steward::detail::server
