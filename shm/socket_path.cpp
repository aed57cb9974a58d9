#include <steward/shm/socket_path.hpp>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>

#include <steward/core/errors.hpp>

namespace steward::detail::shm {
namespace {

// Neither a link is followed nor a pipe waited for.
constexpr int kCarefully = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;

[[noreturn]] void cannot_listen(const std::string& path, int error = errno) {
  throw SystemError(error, "cannot listen at ipc://" + path);
}

std::string lock_of(const std::string& path) { return path + ".lock"; }

bool same_file(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

// A cleaner of directories may have removed a file, and somebody else made another of that name.
// While this one is open its number is nobody else's.
void unlink_if(const struct stat& mine, const std::string& path) {
  struct stat there {};
  if (::lstat(path.c_str(), &there) == 0 && same_file(mine, there)) ::unlink(path.c_str());
}

void unlink_lock(int lock, const std::string& path) {
  struct stat mine {};
  if (::fstat(lock, &mine) == 0) unlink_if(mine, lock_of(path));
}

// A lock file counts if it is this user's alone: who may write into the directory of the path can
// put there a link, a pipe, or a second name of a file that is dear to somebody.
bool is_own_file(const struct stat& file) {
  return S_ISREG(file.st_mode) && file.st_uid == ::geteuid() && file.st_nlink == 1;
}

void check_own_file(const struct stat& file, const std::string& path, const std::string& name) {
  if (is_own_file(file)) return;
  throw SystemError(EPERM, "cannot listen at ipc://" + path + ": " + name +
                               (file.st_uid == ::geteuid()
                                    ? " is no lock file"
                                    : " belongs to user " + std::to_string(file.st_uid)));
}

// Held from before the socket is made until after it is gone.
UniqueFd locked(const std::string& path) {
  const std::string name = lock_of(path);
  for (;;) {
    UniqueFd lock(::open(name.c_str(), O_RDWR | O_CREAT | kCarefully, 0600));
    const int error = errno;
    struct stat mine {};
    struct stat there {};
    if (!lock) {
      if (::lstat(name.c_str(), &there) == 0) check_own_file(there, path, name);
      cannot_listen(path, error);
    }
    if (::fstat(lock.get(), &mine) != 0) cannot_listen(path);
    // A removed one has no name any more, and is tried again below.
    if (mine.st_nlink != 0) check_own_file(mine, path, name);
    if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
      cannot_listen(path, errno == EWOULDBLOCK ? EADDRINUSE : errno);
    }
    // Whoever had it may have removed the file meanwhile.
    if (::lstat(name.c_str(), &there) == 0 && same_file(mine, there)) return lock;
  }
}

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) cannot_listen(path, ENAMETOOLONG);
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

// Whoever listens there knows nothing of lock files, or is of another kind: then it is alive too.
bool is_dead(const std::string& path) {
  const UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const sockaddr_un address = address_of(path);
  if (!socket) cannot_listen(path);
  return ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) !=
             0 &&
         errno == ECONNREFUSED;
}

// What a dead process left behind. Whatever else is there stays.
void clear(const std::string& path) {
  struct stat there {};
  if (::lstat(path.c_str(), &there) != 0) {
    if (errno == ENOENT) return;
    cannot_listen(path);
  }
  if (!S_ISSOCK(there.st_mode)) {
    throw SystemError(EEXIST, "cannot listen at ipc://" + path + ", which is no socket");
  }
  if (!is_dead(path)) cannot_listen(path, EADDRINUSE);
  if (::unlink(path.c_str()) != 0) cannot_listen(path);
}

}  // namespace

SocketPath::SocketPath(const std::string& path, int type, int backlog)
    : path_(path), lock_(locked(path)), creator_(::getpid()) {
  try {
    listen(type, backlog);
  } catch (...) {
    unlink_lock(lock_.get(), path_);
    throw;
  }
}

SocketPath::~SocketPath() {
  if (creator_ != ::getpid()) return;
  unlink_if(file_, path_);
  unlink_lock(lock_.get(), path_);
}

void SocketPath::listen(int type, int backlog) {
  const sockaddr_un address = address_of(path_);
  UniqueFd socket(::socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) cannot_listen(path_);
  clear(path_);
  // The file gets the mode of the socket; the umask is everybody's in this process.
  if (::fchmod(socket.get(), 0600) != 0) cannot_listen(path_);
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    cannot_listen(path_);
  }
  const std::string pid = std::to_string(creator_) + '\n';
  if (::lstat(path_.c_str(), &file_) != 0 || ::listen(socket.get(), backlog) != 0 ||
      ::ftruncate(lock_.get(), 0) != 0 ||
      ::pwrite(lock_.get(), pid.data(), pid.size(), 0) < 0) {
    const int error = errno;
    unlink_if(file_, path_);
    cannot_listen(path_, error);
  }
  socket_ = std::move(socket);
}

pid_t SocketPath::owner(const std::string& path) {
  const UniqueFd file(::open(lock_of(path).c_str(), O_RDONLY | kCarefully));
  struct stat status {};
  if (!file || ::fstat(file.get(), &status) != 0 || !is_own_file(status)) return 0;
  std::array<char, 16> text{};
  const ssize_t size = ::pread(file.get(), text.data(), text.size(), 0);
  pid_t pid = 0;
  if (size > 0) std::from_chars(text.data(), text.data() + size, pid);
  return pid;
}

}  // namespace steward::detail::shm
