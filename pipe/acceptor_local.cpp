// Listening at a path, and connecting there: stream sockets of this host, with nothing in between.
#include <poll.h>
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

  // Forked copies have the queue, too, in which they would keep who waits.
  ~LocalAcceptor() override {
    if (creator_ != ::getpid()) return;
    ::shutdown(fd(), SHUT_RDWR);  // nobody comes any more
    while (accept() || is_about_one_visitor(errno)) {
    }
  }

  int fd() const override { return socket_.fd(); }

  std::optional<End> next() override {
    for (;;) {
      int error = 0;
      auto socket = process::PassedFd::opened([&] {
        const int number = accept().release();
        error = errno;
        return number;
      });
      if (socket) {
        const auto peer = client::peer_of(socket.get());
        if (!peer || peer->uid != ::geteuid()) continue;  // the mode of the file lets root come
        return End{std::move(socket), std::make_unique<MessageStream>()};
      }
      if (error == EAGAIN || error == EWOULDBLOCK) {
        if (!has_ended()) return std::nullopt;
        throw Closed("Listener.accept: " + address() + " has ended");
      }
      if (!is_about_one_visitor(error)) {
        throw Overloaded("Listener.accept: " + std::generic_category().message(error));
      }
    }
  }

  std::string address() const override { return "ipc://" + socket_.path(); }

 private:
  shm::UniqueFd accept() const {
    return shm::UniqueFd(::accept4(fd(), nullptr, nullptr, SOCK_CLOEXEC));
  }
  static bool is_about_one_visitor(int error) { return error == EINTR || error == ECONNABORTED; }

  // Whether the creator has closed.
  bool has_ended() const {
    pollfd entry{fd(), 0, 0};
    return ::poll(&entry, 1, 0) > 0;
  }

  const shm::SocketPath socket_;
  const pid_t creator_ = ::getpid();
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
