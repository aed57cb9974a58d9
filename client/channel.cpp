#include <steward/client/channel.hpp>

#include <sys/socket.h>

#include <cerrno>
#include <utility>

namespace steward::client {

std::string Channel::read() {
  std::string bytes(kChunk, '\0');
  for (;;) {
    const ssize_t count = ::recv(fd(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (count > 0) {
      bytes.resize(static_cast<std::size_t>(count));
      under_way_ += bytes.size() + kFrameCost;
      return bytes;
    }
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return {};
    // The user has closed and not read all: the kernel says so once, and before what it had sent.
    if (count < 0 && errno == ECONNRESET && !std::exchange(reset_, true)) continue;
    spoken_ = true;
    return {};
  }
}

bool Channel::taken(std::uint64_t cost) {
  if (cost > under_way_) return false;
  under_way_ -= cost;
  return true;
}

bool Channel::deliver(std::string_view bytes) {
  if (heard_ || bytes.size() > kChunk || received_ >= kWindow) return false;
  received_ += bytes.size() + kFrameCost;
  backlog_.emplace_back(bytes);
  return true;
}

std::uint64_t Channel::write() {
  std::uint64_t through = 0;
  while (!backlog_.empty()) {
    const std::string& first = backlog_.front();
    while (!deaf_ && written_ < first.size()) {
      const ssize_t count = ::send(fd(), first.data() + written_, first.size() - written_,
                                   MSG_DONTWAIT | MSG_NOSIGNAL);
      if (count >= 0) {
        written_ += static_cast<std::size_t>(count);
      } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
        received_ -= through;
        return through;
      } else if (errno != EINTR) {
        deaf_ = true;
      }
    }
    through += first.size() + kFrameCost;
    backlog_.pop_front();
    written_ = 0;
  }
  received_ -= through;
  return through;
}

void Channel::heard_the_end() {
  heard_ = true;
  if (std::exchange(spoken_, true)) return;
  // Who speaks on is told; who waits for room to speak has to be let go first.
  ::shutdown(fd(), SHUT_RD);
  std::string unheard(kChunk, '\0');
  while (::recv(fd(), unheard.data(), unheard.size(), MSG_DONTWAIT) > 0) {
  }
}

void Channel::let_finish() { ::shutdown(fd(), SHUT_RD); }

}  // namespace steward::client
