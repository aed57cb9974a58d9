// Listening at a path, and connecting there: stream sockets of this host, with nothing in between.
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <system_error>

#include <steward/client/entrance.hpp>
#include <steward/client/unix_socket.hpp>
#include <steward/core/errors.hpp>
#include <steward/shm/socket_path.hpp>

namespace steward::client {
namespace {

class LocalEntrance final : public Entrance {
 public:
  LocalEntrance(const std::string& path, const ListenerOptions& options)
      : socket_(path, SOCK_STREAM,
                static_cast<int>(std::min<std::size_t>(options.backlog, INT_MAX))) {}

  int fd() const override { return socket_.fd(); }

  std::optional<shm::UniqueFd> next() override {
    for (;;) {
      shm::UniqueFd socket(::accept4(socket_.fd(), nullptr, nullptr, SOCK_CLOEXEC));
      if (socket) {
        const auto peer = peer_of(socket.get());
        if (!peer || peer->uid != ::geteuid()) continue;  // the mode of the file lets root come
        return socket;
      }
      if (errno == EAGAIN || errno == EWOULDBLOCK) return std::nullopt;
      if (errno != EINTR && errno != ECONNABORTED) {
        throw Overloaded("Listener.accept: " + std::generic_category().message(errno));
      }
    }
  }

  std::string address() const override { return "ipc://" + socket_.path(); }

 private:
  const shm::SocketPath socket_;
};

}  // namespace

std::unique_ptr<Entrance> listen_local(const std::string& path, const ListenerOptions& options) {
  return std::make_unique<LocalEntrance>(path, options);
}

shm::UniqueFd connect_local(const std::string& path, core::Deadline deadline) {
  int error = 0;
  shm::UniqueFd socket = connect_unix(path, SOCK_STREAM, deadline, error);
  if (error == EACCES || error == EPERM) {
    throw AuthenticationError("ipc://" + path + " does not let this user in");
  }
  if (!socket) {
    throw Disconnected("nobody listens at ipc://" + path + ": " +
                       std::generic_category().message(error));
  }
  const auto peer = peer_of(socket.get());
  if (!peer || peer->uid != ::geteuid()) {
    throw AuthenticationError("ipc://" + path + " belongs to another user");
  }
  return socket;
}

}  // namespace steward::client
