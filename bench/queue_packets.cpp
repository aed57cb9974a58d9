#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <system_error>

#include <steward/bench/queue_channels.hpp>

namespace steward::bench {
namespace {

[[noreturn]] void fail(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

sockaddr_un address_of(const ChannelSpec& spec) {
  const std::string path = spec.where + "-" + spec.name;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) throw std::runtime_error(path + " is too long");
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

// As much as the capacity says, if the system lets it; else as much as it lets.
void make_room(int fd, const ChannelSpec& spec) {
  const int bytes = static_cast<int>(spec.bytes * spec.capacity());
  if (::setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes) == 0) return;
  ::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
}

}  // namespace

PacketSocket::PacketSocket(const ChannelSpec& spec) {
  const sockaddr_un address = address_of(spec);
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  const int fd = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("cannot open a socket");
  if (spec.side == Side::get) {
    listening_ = fd;
    if (::bind(fd, generic, sizeof address) != 0 || ::listen(fd, 1) != 0) fail("cannot listen");
    return;
  }
  fd_ = fd;
  make_room(fd, spec);
  if (::connect(fd, generic, sizeof address) != 0) fail("cannot connect");
}

PacketSocket::~PacketSocket() {
  for (const int fd : {listening_, fd_}) {
    if (fd >= 0) ::close(fd);
  }
}

void PacketSocket::send(const void* bytes, std::size_t size) {
  while (::send(fd_, bytes, size, MSG_NOSIGNAL) < 0) {
    if (errno != EINTR) fail("cannot send a packet");
  }
}

void PacketSocket::receive(void* bytes, std::size_t size) {
  if (fd_ < 0) fd_ = ::accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC);
  if (fd_ < 0) fail("cannot accept");
  ssize_t received = -1;
  while ((received = ::recv(fd_, bytes, size, 0)) < 0) {
    if (errno != EINTR) fail("cannot receive a packet");
  }
  if (static_cast<std::size_t>(received) != size) {
    throw std::runtime_error("a message has the wrong size");
  }
}

}  // namespace steward::bench
