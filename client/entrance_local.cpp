// Listening at a path, and connecting there: stream sockets of this host, with nothing in between.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <system_error>
#include <utility>

#include <steward/client/entrance.hpp>
#include <steward/client/unix_socket.hpp>
#include <steward/core/errors.hpp>

namespace steward::client {
namespace {

[[noreturn]] void fail(const std::string& path, int error) {
  throw SystemError(error, "cannot listen at ipc://" + path);
}

bool same_file(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

// Says who has the path, from before the socket is made until after it is gone: two who find a dead
// one there must not both take it over.
class PathLock {
 public:
  explicit PathLock(const std::string& path) : name_(path + ".lock") {
    for (;;) {
      fd_.reset(::open(name_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
      if (!fd_) fail(path, errno);
      if (::flock(fd_.get(), LOCK_EX | LOCK_NB) != 0) {
        fail(path, errno == EWOULDBLOCK ? EADDRINUSE : errno);
      }
      struct stat mine{};
      struct stat there{};
      if (::fstat(fd_.get(), &mine) != 0) fail(path, errno);
      // Whoever had it may have removed the file meanwhile.
      if (::lstat(name_.c_str(), &there) == 0 && same_file(mine, there)) return;
    }
  }
  void remove() { ::unlink(name_.c_str()); }

 private:
  std::string name_;
  shm::UniqueFd fd_;
};

// What a dead process left behind. Whatever else is there stays.
void clear(const std::string& path) {
  struct stat there{};
  if (::lstat(path.c_str(), &there) != 0) {
    if (errno == ENOENT) return;
    fail(path, errno);
  }
  if (!S_ISSOCK(there.st_mode)) fail(path, EEXIST);
  int error = 0;
  // Somebody who knows nothing of our lock files.
  if (connect_unix(path, SOCK_STREAM, core::deadline_after(core::Duration(0)), error) ||
      error != ECONNREFUSED) {
    fail(path, EADDRINUSE);
  }
  if (::unlink(path.c_str()) != 0) fail(path, errno);
}

class LocalEntrance final : public Entrance {
 public:
  LocalEntrance(const std::string& path, const ListenerOptions& options)
      : path_(path),
        lock_(path),
        socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    try {
      bind(options);
    } catch (...) {
      lock_.remove();
      throw;
    }
  }

  ~LocalEntrance() override {
    if (creator_ != ::getpid()) return;
    ::unlink(path_.c_str());
    lock_.remove();
  }

  int fd() const override { return socket_.get(); }

  std::optional<shm::UniqueFd> next() override {
    for (;;) {
      shm::UniqueFd socket(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
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

  std::string address() const override { return "ipc://" + path_; }

 private:
  void bind(const ListenerOptions& options) {
    if (!socket_) fail(path_, errno);
    clear(path_);
    // The file gets the mode of the socket; the umask is everybody's in this process.
    if (::fchmod(socket_.get(), 0600) != 0) fail(path_, errno);
    const auto address = unix_address(path_);
    if (::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0) {
      fail(path_, errno);
    }
    const int backlog = static_cast<int>(std::min<std::size_t>(options.backlog, INT_MAX));
    if (::listen(socket_.get(), backlog) != 0) {
      const int error = errno;
      ::unlink(path_.c_str());
      fail(path_, error);
    }
  }

  const std::string path_;
  PathLock lock_;
  const shm::UniqueFd socket_;
  const pid_t creator_ = ::getpid();
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
