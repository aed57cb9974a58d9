#include <steward/manager/server/listener_zmq.hpp>

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <system_error>
#include <unordered_map>
#include <utility>

#include <zmq.hpp>

#include <steward/manager/server/accept.hpp>
#include <steward/shm/unique_fd.hpp>

namespace steward::server {
namespace {

// Messages in a connection's queue. Small, since it is multiplied by every client, yet more than
// a loop's pass has for one client.
constexpr int kQueueMessages = 64;
constexpr int kHandshakeMs = 3000;
constexpr int kBacklog = 1024;
// How long close() lets the last replies leave.
constexpr int kFarewellMs = 250;
// Larger frames are not copied, and counted until ZeroMQ has written them out: its queues count
// messages only, so one client that does not read could keep kQueueMessages huge ones.
constexpr std::size_t kCountedBytes = 16U << 10U;
constexpr std::size_t kWindowBytes = 4U << 20U;

// The bytes of one connection that wait inside ZeroMQ. Shared with its I/O thread.
struct Window {
  explicit Window(std::shared_ptr<const shm::UniqueFd> drained_fd)
      : drained(std::move(drained_fd)) {}
  std::atomic<std::size_t> bytes{0};
  const std::shared_ptr<const shm::UniqueFd> drained;  // eventfd
};

// A large frame on its way.
struct Parcel {
  std::string frame;
  std::shared_ptr<Window> window;
};

// Called by ZeroMQ when it is done with the frame, on its I/O thread.
void sent_parcel(void*, void* hint) {
  const std::unique_ptr<Parcel> parcel(static_cast<Parcel*>(hint));
  Window& window = *parcel->window;
  const std::size_t size = parcel->frame.size();
  const std::size_t before = window.bytes.fetch_sub(size);
  if (before <= kWindowBytes || before - size > kWindowBytes) return;
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(window.drained->get(), &one, sizeof one);
}

class PrivateUmask {
 public:
  PrivateUmask() : before_(::umask(0077)) {}
  PrivateUmask(const PrivateUmask&) = delete;
  PrivateUmask& operator=(const PrivateUmask&) = delete;
  ~PrivateUmask() { ::umask(before_); }

 private:
  mode_t before_;
};

class ZmqListener final : public Listener {
 public:
  ZmqListener(const Directory& directory, const core::Limits& limits);
  ~ZmqListener() override { close(); }

  std::vector<int> fds() const override { return {fd_, drained_->get()}; }
  bool readable() override;
  bool receive(Arrival& arrival) override;
  Sent send(const std::string& route, std::string& frame) override;
  void forget(const std::string& route) override { windows_.erase(route); }
  const std::vector<std::string>& addresses() const override { return addresses_; }
  void close() override;

 private:
  zmq::message_t message_of(const std::string& route, std::string& frame);

  const AcceptGuard accept_;  // outlives the context's threads
  const std::shared_ptr<const shm::UniqueFd> drained_;
  zmq::context_t context_{1};
  zmq::socket_t socket_{context_, zmq::socket_type::router};
  int fd_ = -1;
  std::vector<std::string> addresses_;
  std::unordered_map<std::string, std::shared_ptr<Window>> windows_;
};

std::shared_ptr<const shm::UniqueFd> make_eventfd() {
  shm::UniqueFd fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!fd) throw std::system_error(errno, std::generic_category(), "cannot make an eventfd");
  return std::make_shared<const shm::UniqueFd>(std::move(fd));
}

ZmqListener::ZmqListener(const Directory& directory, const core::Limits& limits) try
    : drained_(make_eventfd()), addresses_{ipc_address(directory)} {
  // An error for peers that are gone or do not read, never a silent drop.
  socket_.set(zmq::sockopt::router_mandatory, true);
  // Nobody takes over another's route.
  socket_.set(zmq::sockopt::router_handover, false);
  socket_.set(zmq::sockopt::linger, 0);
  socket_.set(zmq::sockopt::maxmsgsize, static_cast<std::int64_t>(limits.message_bytes));
  socket_.set(zmq::sockopt::handshake_ivl, kHandshakeMs);
  socket_.set(zmq::sockopt::sndhwm, kQueueMessages);
  socket_.set(zmq::sockopt::rcvhwm, kQueueMessages);
  socket_.set(zmq::sockopt::backlog, kBacklog);
  const PrivateUmask scope;
  socket_.bind("ipc://" + directory.socket());
  fd_ = socket_.get(zmq::sockopt::fd);
} catch (const zmq::error_t& error) {
  throw std::system_error(error.num(), std::generic_category(),
                          "cannot listen at " + directory.socket());
}

bool ZmqListener::readable() {
  std::uint64_t drained = 0;
  [[maybe_unused]] const ssize_t size = ::read(drained_->get(), &drained, sizeof drained);
  return (socket_.get(zmq::sockopt::events) & ZMQ_POLLIN) != 0;
}

bool ZmqListener::receive(Arrival& arrival) {
  zmq::message_t route;
  zmq::message_t frame;
  if (!socket_.recv(route, zmq::recv_flags::dontwait)) return false;
  arrival.route.assign(route.data<char>(), route.size());
  arrival.frame.clear();
  arrival.vouched = false;
  bool more = route.more();
  for (std::size_t count = 1; more; ++count) {
    // The rest of a message is there when its first part is.
    if (!socket_.recv(frame, zmq::recv_flags::dontwait)) break;
    more = frame.more();
    if (count == 1 && !more) arrival.frame.assign(frame.data<char>(), frame.size());
  }
  return true;
}

zmq::message_t ZmqListener::message_of(const std::string& route, std::string& frame) {
  if (frame.size() < kCountedBytes) return zmq::message_t(frame.data(), frame.size());
  auto& window = windows_[route];
  if (!window) window = std::make_shared<Window>(drained_);
  window->bytes += frame.size();
  auto parcel = std::make_unique<Parcel>(Parcel{std::move(frame), window});
  std::string& bytes = parcel->frame;
  zmq::message_t message(bytes.data(), bytes.size(), sent_parcel, parcel.get());
  parcel.release();
  return message;
}

Sent ZmqListener::send(const std::string& route, std::string& frame) try {
  if (frame.size() >= kCountedBytes) {
    const auto window = windows_.find(route);
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
} catch (const zmq::error_t& error) {
  if (error.num() == EHOSTUNREACH) return Sent::gone;
  throw std::system_error(error.num(), std::generic_category(), "cannot send");
}

void ZmqListener::close() {
  if (!socket_) return;
  socket_.set(zmq::sockopt::linger, kFarewellMs);
  socket_.close();
  context_.close();
  windows_.clear();
}

}  // namespace

std::unique_ptr<Listener> listen_zmq(const Directory& directory, const core::Limits& limits) {
  return std::make_unique<ZmqListener>(directory, limits);
}

}  // namespace steward::server
