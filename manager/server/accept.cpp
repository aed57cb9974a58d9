#include <steward/manager/server/accept.hpp>

#include <arpa/inet.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <mutex>
#include <string_view>

#include <steward/core/errors.hpp>
#include <steward/manager/server/descriptors.hpp>
#include <steward/manager/server/directory.hpp>

namespace steward::detail::server {
namespace {

// One of so many descriptors is for local clients, whoever connects over tcp.
constexpr std::size_t kLocalShare = 8;

using Accept = int (*)(int, sockaddr*, socklen_t*, int);

int open_spare() { return ::open("/dev/null", O_RDONLY | O_CLOEXEC); }

// What libzmq's threads read without a lock: a fork may leave any lock locked in the child, and
// that child may accept connections of its own.
struct Guards {
  std::mutex mutex;  // of guards that come and go
  std::size_t count = 0;
  std::atomic<pid_t> process{0};  // whose guards these are; a forked child has none
  std::atomic<int> ceiling{std::numeric_limits<int>::max()};
  std::atomic<int> tcp_ceiling{std::numeric_limits<int>::max()};
  std::atomic<int> spare{-1};     // given up to accept whom there is no descriptor for
  std::array<std::atomic<std::uint16_t>, 16> ports{};  // 0: free
};
constinit Guards guards;

// The C library's, or a sanitizer's.
Accept next_accept() {
  static const auto next = reinterpret_cast<Accept>(::dlsym(RTLD_NEXT, "accept4"));
  return next;
}

bool is_guarded_port(std::uint16_t network_order) {
  const std::uint16_t port = ntohs(network_order);
  return std::ranges::any_of(guards.ports, [port](const auto& one) { return one.load() == port; });
}

enum class Guarded { no, local, tcp };

Guarded what_guards(int listening) {
  if (guards.process.load() != ::getpid()) return Guarded::no;
  union {
    sockaddr any;
    sockaddr_un local;
    sockaddr_in v4;
    sockaddr_in6 v6;
  } name{};
  socklen_t size = sizeof name;
  if (::getsockname(listening, &name.any, &size) != 0) return Guarded::no;
  switch (name.any.sa_family) {
    case AF_INET: return is_guarded_port(name.v4.sin_port) ? Guarded::tcp : Guarded::no;
    case AF_INET6: return is_guarded_port(name.v6.sin6_port) ? Guarded::tcp : Guarded::no;
    case AF_UNIX: break;
    default: return Guarded::no;
  }
  if (size <= offsetof(sockaddr_un, sun_path)) return Guarded::no;
  const std::string_view path(name.local.sun_path, size - offsetof(sockaddr_un, sun_path));
  const bool managers = is_manager_socket(path.substr(0, path.find('\0')));
  return managers ? Guarded::local : Guarded::no;
}

// errno that libzmq takes for a client that was gone again before it was accepted.
int turned_away() {
  errno = ECONNABORTED;
  return -1;
}

// It may be gone: where another thread took the descriptor that it was given up for.
void keep_spare() {
  int nobody = -1;
  const int again = open_spare();
  if (again >= 0 && !guards.spare.compare_exchange_strong(nobody, again)) ::close(again);
}

// Takes the next connection off the backlog by giving up the spare descriptor for a moment.
int turn_away_next(int listening) {
  const int spare = guards.spare.exchange(-1);
  if (spare >= 0) ::close(spare);
  const int socket = next_accept()(listening, nullptr, nullptr, SOCK_CLOEXEC);
  if (socket >= 0) ::close(socket);
  keep_spare();
  if (socket >= 0) return turned_away();
  // Somebody else was faster and has taken the spare too. ENFILE is an error that libzmq bears.
  errno = ENFILE;
  return -1;
}

int guarded_accept(int listening, sockaddr* address, socklen_t* size, int flags) {
  const int socket = next_accept()(listening, address, size, flags);
  if (socket >= 0) {
    const bool spared = guards.spare.load() >= 0;
    if (spared && socket < guards.tcp_ceiling.load()) return socket;
    const Guarded guarded = what_guards(listening);
    if (!spared && guarded != Guarded::no) keep_spare();
    if (socket < guards.tcp_ceiling.load()) return socket;
    const bool local = guarded == Guarded::local && socket < guards.ceiling.load();
    if (local || guarded == Guarded::no) return socket;
    ::close(socket);
    return turned_away();
  }
  if (errno != EMFILE) return -1;
  if (what_guards(listening) != Guarded::no) return turn_away_next(listening);
  errno = EMFILE;
  return -1;
}

}  // namespace

AcceptGuard::AcceptGuard() {
  const std::lock_guard lock(guards.mutex);
  if (guards.process.exchange(::getpid()) != ::getpid()) {
    guards.count = 0;  // those of the process that this one was forked from
    guards.spare = -1;
    for (auto& port : guards.ports) port = 0;
  }
  if (guards.spare < 0) guards.spare = open_spare();
  if (guards.spare < 0) {
    throw SystemError(errno, "cannot keep a descriptor in reserve");
  }
  const std::size_t descriptors = raise_descriptor_limit(kReservedDescriptors);
  guards.ceiling = static_cast<int>(descriptors - kReservedDescriptors);
  guards.tcp_ceiling = static_cast<int>(descriptors - kReservedDescriptors -
                                        descriptors / kLocalShare);
  ++guards.count;
}

void AcceptGuard::guard_port(std::uint16_t port) {
  const std::lock_guard lock(guards.mutex);
  const auto free = std::ranges::find_if(guards.ports, [](const auto& one) { return one == 0; });
  if (free == guards.ports.end()) return;
  *free = port;
  port_ = port;
}

AcceptGuard::~AcceptGuard() {
  const std::lock_guard lock(guards.mutex);
  if (guards.process != ::getpid()) return;
  const auto mine = std::ranges::find_if(guards.ports, [this](const auto& one) {
    return port_ != 0 && one == port_;
  });
  if (mine != guards.ports.end()) *mine = 0;
  if (--guards.count > 0) return;
  guards.process = 0;
  guards.ceiling = guards.tcp_ceiling = std::numeric_limits<int>::max();
  if (const int spare = guards.spare.exchange(-1); spare >= 0) ::close(spare);
}

}  // namespace steward::detail::server

// As the C library declares it.
extern "C" [[gnu::visibility("default")]] int accept4(int listening, sockaddr* address,
                                                      socklen_t* __restrict size, int flags) {
  return steward::detail::server::guarded_accept(listening, address, size, flags);
}
