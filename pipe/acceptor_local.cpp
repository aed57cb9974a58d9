// Listening at a path, and connecting there: stream sockets of this host, with nothing in between.
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <system_error>
#include <utility>

#include <steward/client/unix_socket.hpp>
#include <steward/core/errors.hpp>
#include <steward/pipe/acceptor.hpp>
#include <steward/shm/socket_path.hpp>

namespace steward::detail::pipe {
namespace {

class LocalAcceptor final : public Acceptor {
 public:
  LocalAcceptor(const std::string& path, const ListenerOptions& options)
      : socket_(path, SOCK_STREAM,
                static_cast<int>(std::min<std::size_t>(options.backlog, INT_MAX))) {}

  int fd() const override { return socket_.fd(); }

  std::optional<End> next() override {
    for (;;) {
      int error = 0;
      auto socket = process::PassedFd::opened([&] {
        const int number = ::accept4(socket_.fd(), nullptr, nullptr, SOCK_CLOEXEC);
        error = errno;
        return number;
      });
      if (socket) {
        const auto peer = client::peer_of(socket.get());
        if (!peer || peer->uid != ::geteuid()) continue;  // the mode of the file lets root come
        return End{std::move(socket), std::make_unique<MessageStream>()};
      }
      if (error == EAGAIN || error == EWOULDBLOCK) return std::nullopt;
      if (error != EINTR && error != ECONNABORTED) {
        throw Overloaded("Listener.accept: " + std::generic_category().message(error));
      }
    }
  }

  std::string address() const override { return "ipc://" + socket_.path(); }

 private:
  const shm::SocketPath socket_;
};

}  // namespace

std::unique_ptr<Acceptor> listen_at(const std::string& path, const ListenerOptions& options) {
  return std::make_unique<LocalAcceptor>(path, options);
}

End connect_to(const std::string& path, core::Deadline deadline) {
  int error = 0;
  process::PassedFd socket(client::connect_unix(path, SOCK_STREAM, deadline, error));
  if (error == EACCES || error == EPERM) {
    throw AuthenticationError("ipc://" + path + " does not let this user in");
  }
  if (error == EAGAIN) {
    throw Disconnected("no Listener answers at ipc://" + path + " in time: too many wait to be "
                       "accepted");
  }
  if (!socket) {
    throw Disconnected("nobody listens at ipc://" + path + ": " +
                       std::generic_category().message(error));
  }
  const auto peer = client::peer_of(socket.get());
  if (!peer || peer->uid != ::geteuid()) {
    throw AuthenticationError("ipc://" + path + " belongs to another user");
  }
  return {std::move(socket), std::make_unique<MessageStream>()};
}

}  // namespace steward::detail::pipe
