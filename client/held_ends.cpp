#include <steward/client/held_ends.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <steward/shm/message_stream.hpp>

namespace steward::client {

HeldEnds::Pair HeldEnds::held(shm::SocketPair (*make)()) {
  const std::lock_guard lock(mutex_);
  shm::SocketPair sockets = make();
  ::fcntl(sockets.b.get(), F_SETFL, O_NONBLOCK);
  fds_.insert({sockets.a.get(), sockets.b.get()});
  return {End(*this, std::move(sockets.a)), End(*this, std::move(sockets.b))};
}

HeldEnds::Pair HeldEnds::stream_pair() { return held(shm::stream_pair); }
HeldEnds::Pair HeldEnds::seqpacket_pair() { return held(shm::seqpacket_pair); }

void HeldEnds::close(shm::UniqueFd& fd) noexcept {
  const std::lock_guard lock(mutex_);
  fds_.erase(fd.get());
  fd.reset();
}

shm::UniqueFd HeldEnds::release(shm::UniqueFd& fd) {
  const std::lock_guard lock(mutex_);
  fds_.erase(fd.get());
  return std::move(fd);
}

void HeldEnds::abandon() noexcept {
  for (const int fd : fds_) ::close(fd);
  fds_.clear();
}

}  // namespace steward::client
