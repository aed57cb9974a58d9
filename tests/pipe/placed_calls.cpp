#include <steward/tests/pipe/placed_calls.hpp>

#include <dlfcn.h>
#include <netdb.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace test = steward::detail::test;

namespace {

// Behind those here: the C library's, or a sanitizer's.
template <class F>
F* next(const char* name) {
  return reinterpret_cast<F*>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

// Instead of the C library's.
extern "C" ssize_t recv(int fd, void* to, size_t size, int flags) {
  static const auto real = next<ssize_t(int, void*, size_t, int)>("recv");
  auto* const placed = std::exchange(test::at_recv, nullptr);
  if (placed != nullptr && (flags & MSG_PEEK) == 0) placed();
  const ssize_t count = real(fd, to, std::min(size, test::recv_most.load()), flags);
  const int error = errno;
  if (placed != nullptr && (flags & MSG_PEEK) != 0) placed();
  errno = error;
  return count;
}

extern "C" ssize_t send(int fd, const void* bytes, size_t size, int flags) {
  static const auto real = next<ssize_t(int, const void*, size_t, int)>("send");
  if (size == 1 && test::words_are_lost) {
    errno = EAGAIN;
    return -1;
  }
  return real(fd, bytes, size, flags);
}

extern "C" ssize_t sendmsg(int fd, const msghdr* message, int flags) {
  static const auto real = next<ssize_t(int, const msghdr*, int)>("sendmsg");
  if (test::send_without_memory > 0 && --test::send_without_memory == 0) {
    errno = ENOBUFS;
    return -1;
  }
  return real(fd, message, flags);
}

extern "C" int eventfd(unsigned int count, int flags) noexcept {
  static const auto real = next<int(unsigned int, int)>("eventfd");
  if (test::events_are_refused) {
    errno = EMFILE;
    return -1;
  }
  return real(count, flags);
}

extern "C" int socket(int domain, int type, int protocol) noexcept {
  static const auto real = next<int(int, int, int)>("socket");
  const int made = real(domain, type, protocol);
  const int size = test::receive_buffer;
  if (made >= 0 && size > 0) ::setsockopt(made, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  return made;
}

// The real one without a look for it: a sanitizer's runtime asks for the time before it is ready.
extern "C" int clock_gettime(clockid_t clock, timespec* time) noexcept {
  test::PlacedClock* const placed = test::steady_clock;
  if (placed == nullptr || clock != CLOCK_MONOTONIC) {
    return static_cast<int>(::syscall(SYS_clock_gettime, clock, time));
  }
  ++placed->looks;
  const auto now = placed->now.load();
  const auto seconds = std::chrono::floor<std::chrono::seconds>(now);
  *time = {seconds.count(), (now - seconds).count()};
  return 0;
}

extern "C" int getaddrinfo(const char* name, const char* service, const addrinfo* hints,
                           addrinfo** found) {
  static const auto real =
      next<int(const char*, const char*, const addrinfo*, addrinfo**)>("getaddrinfo");
  if (name == nullptr || std::string(name) != "two.test") return real(name, service, hints, found);
  addrinfo** end = found;
  for (const std::string& address : test::two_addresses) {
    const std::size_t colon = address.find(':');
    const int error =
        real(address.substr(0, colon).c_str(), address.substr(colon + 1).c_str(), hints, end);
    if (error != 0) return error;
    end = &(*end)->ai_next;
  }
  return 0;
}
