#include <steward/pipe/listener.hpp>

#include <poll.h>

#include <string_view>

#include <steward/client/unix_socket.hpp>
#include <steward/core/errors.hpp>
#include <steward/core/tcp_address.hpp>
#include <steward/pipe/acceptor.hpp>
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
  if (!detail::client::unix_address(path)) {
    throw BadCall("the path in \"" + address + "\" is longer than a socket's may be");
  }
  return path;
}

std::unique_ptr<detail::pipe::Acceptor> listen(const std::string& address,
                                               const ListenerOptions& options) {
  using detail::pipe::listen_at;
  detail::shm::keep_standard_descriptors();
  if (options.backlog == 0) throw BadCall("Listener: the backlog must be one at least");
  if (const auto remote = detail::core::parse_tcp(address)) return listen_at(*remote, options);
  return listen_at(path_of(address), options);
}

}  // namespace

detail::pipe::End detail::pipe::connect_to_listener(const std::string& address,
                                                    const ConnectOptions& options) {
  if (const auto remote = detail::core::parse_tcp(address)) return connect_to(*remote, options);
  return connect_to(path_of(address), detail::core::deadline_after(options.timeout));
}

Listener::Listener(const std::string& address, const ListenerOptions& options)
    : acceptor_(listen(address, options)), address_(acceptor_->address()) {}

Listener::Listener(Listener&& other) noexcept = default;
Listener& Listener::operator=(Listener&& other) noexcept = default;
Listener::~Listener() = default;

detail::pipe::Acceptor& Listener::acceptor(std::string_view method) const {
  if (acceptor_ != nullptr) return *acceptor_;
  const std::string call = "Listener." + std::string(method) + ": ";
  if (address_.empty()) throw BadCall(call + "it was moved from");
  throw Closed(call + "the one at " + address_ + " was closed");
}

std::optional<detail::pipe::End> Listener::next(detail::core::Deadline deadline,
                                                const std::stop_token& stop) {
  detail::pipe::Acceptor& accepting = acceptor("accept");
  detail::shm::StoppablePoll poll(stop, "Listener.accept");
  for (;;) {
    if (auto end = accepting.next()) return end;
    // Another thread may be faster.
    if (!poll.until(accepting.fd(), POLLIN, deadline)) return std::nullopt;
  }
}

const std::string& Listener::address() const { return address_; }

int Listener::fileno() const { return acceptor("fileno").fd(); }

void Listener::close() {
  if (address_.empty()) acceptor("close");  // it was moved from, and says so
  acceptor_.reset();
}

}  // namespace steward
