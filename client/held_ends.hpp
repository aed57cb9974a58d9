// HeldEnds: the relays' ends of their users' sockets, and the users' until they have them. A forked
// child has copies of them and no relay: it closes them, or nobody who has the other end would see
// that this one was closed.
#pragma once

#include <mutex>
#include <unordered_set>
#include <utility>

#include <steward/shm/fd_passing.hpp>
#include <steward/shm/unique_fd.hpp>

namespace steward::client {

// Thread safety: any thread may call any function. It outlives the ends.
class HeldEnds {
 public:
  // One of them. A resource: only moves; closes what it has.
  class End {
   public:
    End() = default;
    End(End&& other) noexcept : all_(other.all_), fd_(std::move(other.fd_)) {}
    End& operator=(End&& other) noexcept {
      reset();
      all_ = other.all_;
      fd_ = std::move(other.fd_);
      return *this;
    }
    ~End() { reset(); }

    int get() const { return fd_.get(); }
    explicit operator bool() const { return static_cast<bool>(fd_); }
    void reset() noexcept {
      if (fd_) all_->close(fd_);
    }
    // It is somebody else's from now on.
    shm::UniqueFd release() { return fd_ ? all_->release(fd_) : shm::UniqueFd(); }

   private:
    friend class HeldEnds;
    End(HeldEnds& all, shm::UniqueFd fd) : all_(&all), fd_(std::move(fd)) {}

    HeldEnds* all_ = nullptr;
    shm::UniqueFd fd_;
  };

  // Connected sockets: the user's end, and the relay's, which is non-blocking.
  struct Pair {
    End user;
    End relay;
  };
  Pair stream_pair();
  Pair seqpacket_pair();

  // Around a fork, in both; in the child with all its copies closed before.
  void lock() { mutex_.lock(); }
  void unlock() { mutex_.unlock(); }
  void abandon() noexcept;

 private:
  Pair held(shm::SocketPair (*make)());
  void close(shm::UniqueFd& fd) noexcept;
  shm::UniqueFd release(shm::UniqueFd& fd);

  std::mutex mutex_;
  std::unordered_set<int> fds_;  // guarded by mutex_, as is their opening and closing
};

}  // namespace steward::client
