#include <steward/manager/server/accept.hpp>

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <limits>
#include <mutex>
#include <string_view>
#include <system_error>

#include <steward/manager/server/descriptors.hpp>
#include <steward/manager/server/directory.hpp>

namespace steward::server {
namespace {

using Accept = int (*)(int, sockaddr*, socklen_t*, int);

int open_spare() { return ::open("/dev/null", O_RDONLY | O_CLOEXEC); }

// What libzmq's threads read without a lock: a fork may leave any lock locked in the child, and
// that child may accept connections of its own.
struct Guards {
  std::mutex mutex;  // of guards that come and go
  std::size_t count = 0;
  std::atomic<pid_t> process{0};  // whose guards these are; a forked child has none
  std::atomic<int> ceiling{std::numeric_limits<int>::max()};
  std::atomic<int> spare{-1};     // given up to accept whom there is no descriptor for
};
constinit Guards guards;

// The C library's, or a sanitizer's.
Accept next_accept() {
  static const auto next = reinterpret_cast<Accept>(::dlsym(RTLD_NEXT, "accept4"));
  return next;
}

bool is_guarded(int listening) {
  if (guards.process.load() != ::getpid()) return false;
  sockaddr_un name{};
  socklen_t size = sizeof name;
  if (::getsockname(listening, reinterpret_cast<sockaddr*>(&name), &size) != 0) return false;
  if (name.sun_family != AF_UNIX || size <= offsetof(sockaddr_un, sun_path)) return false;
  const std::string_view path(name.sun_path, size - offsetof(sockaddr_un, sun_path));
  return is_manager_socket(path.substr(0, path.find('\0')));
}

// errno that libzmq takes for a client that was gone again before it was accepted.
int turned_away() {
  errno = ECONNABORTED;
  return -1;
}

// Takes the next connection off the backlog by giving up the spare descriptor for a moment.
int turn_away_next(int listening) {
  const int spare = guards.spare.exchange(-1);
  if (spare >= 0) ::close(spare);
  const int socket = next_accept()(listening, nullptr, nullptr, SOCK_CLOEXEC);
  if (socket >= 0) ::close(socket);
  int nobody = -1;
  const int again = spare >= 0 ? open_spare() : -1;
  if (again >= 0 && !guards.spare.compare_exchange_strong(nobody, again)) ::close(again);
  if (socket >= 0) return turned_away();
  // Somebody else was faster and has taken the spare too. ENFILE is an error that libzmq bears.
  errno = ENFILE;
  return -1;
}

int guarded_accept(int listening, sockaddr* address, socklen_t* size, int flags) {
  const int socket = next_accept()(listening, address, size, flags);
  if (socket >= 0) {
    if (socket < guards.ceiling.load() || !is_guarded(listening)) return socket;
    ::close(socket);
    return turned_away();
  }
  if (errno != EMFILE) return -1;
  if (is_guarded(listening)) return turn_away_next(listening);
  errno = EMFILE;
  return -1;
}

}  // namespace

AcceptGuard::AcceptGuard() {
  const std::lock_guard lock(guards.mutex);
  if (guards.process.exchange(::getpid()) != ::getpid()) {
    guards.count = 0;  // those of the process that this one was forked from
    guards.spare = -1;
  }
  if (guards.spare < 0) guards.spare = open_spare();
  if (guards.spare < 0) {
    throw std::system_error(errno, std::generic_category(), "cannot keep a descriptor in reserve");
  }
  const std::size_t descriptors = raise_descriptor_limit(kReservedDescriptors);
  guards.ceiling = static_cast<int>(descriptors - kReservedDescriptors);
  ++guards.count;
}

AcceptGuard::~AcceptGuard() {
  const std::lock_guard lock(guards.mutex);
  if (guards.process != ::getpid() || --guards.count > 0) return;
  guards.process = 0;
  guards.ceiling = std::numeric_limits<int>::max();
  if (const int spare = guards.spare.exchange(-1); spare >= 0) ::close(spare);
}

}  // namespace steward::server

// As the C library declares it.
extern "C" int accept4(int listening, sockaddr* address, socklen_t* __restrict size, int flags) {
  return steward::server::guarded_accept(listening, address, size, flags);
}
