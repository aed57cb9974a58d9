#include <steward/manager/server/flood_guard.hpp>

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <time.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>

namespace steward::detail::server {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLook{50};
// While somebody is past the bound, for those who are.
constexpr milliseconds kCloseLook{5};
// After so much work all are asked. To read a bound's worth takes several times as much; an idle
// manager has worked so long after some seconds.
constexpr core::Duration kLeastWork = milliseconds(5);
// And so much more for each peer, who is asked in a twentieth of it.
constexpr core::Duration kWorkForEach = std::chrono::microseconds(80);
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

core::Duration worked() {
  timespec used{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
}

}  // namespace

FloodGuard::FloodGuard(std::size_t message_bytes)
    : FloodGuard(message_bytes, {bytes_received, end_connection, worked}) {}

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

void FloodGuard::cut(int fd) {
  if (const auto peer = peers_.find(fd); peer != peers_.end()) cut(fd, peer->second);
}

// Unless it is not there any more.
void FloodGuard::cut(int fd, const Peer& peer) {
  const sockaddr_storage name = peer_of(fd);
  if (std::memcmp(&name, &peer.name, sizeof name) != 0) return;
  kernel_.cut(fd);
  ++cut_;
}

bool FloodGuard::is_over(Peer& peer, std::uint64_t received) {
  if (std::exchange(peer.delivered, false)) {
    peer.whole = received;
    peer.over_round = 0;
  }
  return received > peer.whole + bound_;
}

void FloodGuard::ask(int fd, Peer& peer) {
  const std::optional<std::uint64_t> received = kernel_.bytes_received(fd);
  if (!received || !is_over(peer, *received)) return;
  if (peer.over_round == 0) {
    peer.over_round = round_;
  } else if (round_ >= peer.over_round + 2) {
    // Of two rounds since then one is whole: what had come by then was no message that waits here.
    cut(fd, peer);
    peer.whole = *received;
    peer.over_round = 0;
  }
  over_ = over_ || peer.over_round != 0;
}

std::size_t FloodGuard::look(core::Time now) {
  if (peers_.empty() || now < *next_look()) return std::exchange(cut_, 0);
  last_look_ = now;
  const core::Duration worked = kernel_.worked();
  const bool all = worked - worked_ >= kLeastWork + peers_.size() * kWorkForEach;
  if (!all && !over_) return std::exchange(cut_, 0);
  if (all) worked_ = worked;
  over_ = false;
  for (auto& [fd, peer] : peers_) {
    if (all || peer.over_round != 0) ask(fd, peer);
  }
  return std::exchange(cut_, 0);
}

core::Deadline FloodGuard::next_look() const {
  if (peers_.empty()) return std::nullopt;
  return last_look_ + (over_ ? kCloseLook : kLook);
}

}  // namespace steward::detail::server
