#include <steward/manager/server/flood_guard.hpp>

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>

#include <steward/manager/server/resident_bytes.hpp>

namespace steward::detail::server {
namespace {

using std::chrono::milliseconds;

// While nothing happens, and while somebody has much under way.
constexpr milliseconds kLook{50};
constexpr milliseconds kCloseLook{5};
constexpr std::size_t kMuch = 1U << 20U;
// A byte of a message may become so many: a list of one small number has two, and takes 170.
constexpr std::uint64_t kGrowth = 200;
// Buffers, threads, the allocator's leftovers.
constexpr std::uint64_t kSlack = 64U << 20U;
// What ZeroMQ and CURVE add to a message that is as long as may be, rounded up.
constexpr std::size_t kFraming = 1U << 20U;

sockaddr_storage peer_of(int fd) {
  sockaddr_storage name{};
  socklen_t size = sizeof name;
  if (::getpeername(fd, reinterpret_cast<sockaddr*>(&name), &size) != 0) return {};
  return name;
}

std::optional<std::uint64_t> bytes_received(int fd) {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return std::nullopt;
  // What ZeroMQ has not read yet takes no memory of ours, and may be any number of messages.
  int unread = 0;
  if (::ioctl(fd, FIONREAD, &unread) != 0 || unread < 0) return std::nullopt;
  return info.tcpi_bytes_received - std::min<std::uint64_t>(info.tcpi_bytes_received,
                                                            static_cast<std::uint64_t>(unread));
}

// At once, whatever the other side does: after shutdown() the kernel may keep the connection with a
// closed window, in which a peer that sends is stuck. ZeroMQ's thread finds it gone.
void end_connection(int fd) {
  sockaddr nobody{};
  nobody.sa_family = AF_UNSPEC;
  ::connect(fd, &nobody, sizeof nobody);
}

}  // namespace

FloodGuard::FloodGuard(std::size_t message_bytes)
    : FloodGuard(message_bytes, {bytes_received, end_connection, resident_bytes}) {}

FloodGuard::FloodGuard(std::size_t message_bytes, Kernel kernel)
    : bound_(message_bytes + kFraming), kernel_(std::move(kernel)) {}

void FloodGuard::accepted(int fd) {
  Peer peer;
  peer.name = peer_of(fd);
  peers_.insert_or_assign(fd, peer);
}

void FloodGuard::delivered(int fd) {
  if (const auto peer = peers_.find(fd); peer != peers_.end()) peer->second.delivered = true;
  if (++taken_ <= peers_.size()) return;
  taken_ = 0;
  ++round_;
}

// Since its last whole message, if that is much.
std::uint64_t FloodGuard::under_way(int fd, Peer& peer) {
  const std::optional<std::uint64_t> received = kernel_.bytes_received(fd);
  if (!received) return 0;
  if (std::exchange(peer.delivered, false)) {
    peer.whole = *received;
    peer.since_round = 0;
  }
  const std::uint64_t since = *received - std::min(*received, peer.whole);
  if (since > kMuch && peer.since_round == 0) peer.since_round = round_;
  // Of two rounds since then one is whole: what is under way is no message that waits here.
  return peer.since_round != 0 && round_ >= peer.since_round + 2 ? since : 0;
}

bool FloodGuard::grows_unexplained(std::uint64_t under_way, std::uint64_t moved) {
  const std::size_t resident = kernel_.resident();
  const std::size_t before = std::exchange(resident_, resident);
  const std::uint64_t messages = moved - std::exchange(moved_, moved);
  const std::uint64_t parts = under_way - std::min(under_way, std::exchange(under_way_, under_way));
  if (before == 0) return false;  // it has just begun
  if (resident > before) {
    const std::uint64_t growth = resident - before;
    unexplained_ += growth - std::min(growth, messages * kGrowth + parts);
  } else {
    unexplained_ -= std::min<std::uint64_t>(unexplained_, before - resident);
  }
  return unexplained_ > kSlack;
}

// False: it is not there any more.
bool FloodGuard::cut(int fd, Peer& peer) {
  const sockaddr_storage name = peer_of(fd);
  if (std::memcmp(&name, &peer.name, sizeof name) != 0) return false;
  kernel_.cut(fd);
  peer.whole += std::exchange(peer.under_way, 0);
  return true;
}

std::size_t FloodGuard::look(core::Time now, std::uint64_t moved) {
  if (peers_.empty() || now < *next_look()) return 0;
  last_look_ = now;
  std::uint64_t all = 0;
  std::size_t cut_off = 0;
  close_ = false;
  for (auto& [fd, peer] : peers_) {
    peer.under_way = under_way(fd, peer);
    close_ = close_ || peer.since_round != 0;
    if (peer.under_way > bound_ && cut(fd, peer)) ++cut_off;
    if (peer.under_way > kMuch) all += peer.under_way;
  }
  if (all == 0) {
    resident_ = unexplained_ = 0;
    return cut_off;
  }
  if (!grows_unexplained(all, moved)) return cut_off;
  unexplained_ = 0;
  for (auto& [fd, peer] : peers_) {
    if (peer.under_way > kMuch && cut(fd, peer)) ++cut_off;
  }
  return cut_off;
}

core::Deadline FloodGuard::next_look() const {
  if (peers_.empty()) return std::nullopt;
  return last_look_ + (close_ ? kCloseLook : kLook);
}

}  // namespace steward::detail::server
