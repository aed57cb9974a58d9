#include <steward/manager/listener.hpp>

#include <poll.h>

#include <string_view>

#include <steward/client/entrance.hpp>
#include <steward/client/unix_socket.hpp>
#include <steward/core/errors.hpp>
#include <steward/core/tcp_address.hpp>
#include <steward/shm/poll.hpp>
#include <steward/shm/standard_descriptors.hpp>

namespace steward {
namespace {

constexpr std::string_view kIpc = "ipc://";

[[noreturn]] void refuse(const std::string& address) {
  throw BadCall("not an address of a Listener: \"" + address +
                "\"; ipc://path and tcp://host:port are");
}

std::string path_of(const std::string& address) {
  if (!address.starts_with(kIpc)) refuse(address);
  std::string path = address.substr(kIpc.size());
  // The abstract ones, which any user could take, included: those begin with a zero.
  if (path.empty() || path.find('\0') != std::string::npos) refuse(address);
  if (!client::unix_address(path)) {
    throw BadCall("the path in \"" + address + "\" is longer than a socket's may be");
  }
  return path;
}

std::unique_ptr<client::Entrance> listen(const std::string& address,
                                         const ListenerOptions& options) {
  shm::keep_standard_descriptors();
  if (options.backlog == 0) throw BadCall("a Listener's backlog must be one at least");
  if (const auto remote = core::parse_tcp(address)) return client::listen_remote(*remote, options);
  return client::listen_local(path_of(address), options);
}

}  // namespace

shm::UniqueFd face::connect_to_listener(const std::string& address, const ConnectOptions& options) {
  if (const auto remote = core::parse_tcp(address)) return client::connect_remote(*remote, options);
  return client::connect_local(path_of(address), core::deadline_after(options.timeout));
}

Listener::Listener(const std::string& address, const ListenerOptions& options)
    : entrance_(listen(address, options)), address_(entrance_->address()) {}

Listener::Listener(Listener&& other) noexcept = default;
Listener& Listener::operator=(Listener&& other) noexcept = default;
Listener::~Listener() = default;

client::Entrance& Listener::entrance() const {
  if (entrance_ != nullptr) return *entrance_;
  if (address_.empty()) throw BadCall("this Listener was moved from");
  throw Closed("the Listener at " + address_ + " was closed");
}

std::optional<shm::UniqueFd> Listener::next(core::Deadline deadline) {
  client::Entrance& door = entrance();
  for (;;) {
    if (auto socket = door.next()) return socket;
    // Another thread may be faster.
    if (!shm::poll_until(door.fd(), POLLIN, deadline)) return std::nullopt;
  }
}

const std::string& Listener::address() const { return address_; }

int Listener::fileno() const { return entrance().fd(); }

void Listener::close() {
  if (address_.empty()) entrance();  // it was moved from, and says so
  entrance_.reset();
}

}  // namespace steward
