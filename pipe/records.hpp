// Records: a stream of bytes, encrypted, on a connected socket.
//
// A record is the length of what follows, two bytes with the highest first, and a sealed piece of
// the stream (detail::core::StreamCipher). It holds one byte at least, and bytes of one message
// only: so nothing of the next message has been taken from the socket when one is whole, poll(2)
// sees it, and another process may go on with the socket.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <steward/core/auth_stream.hpp>

namespace steward::detail::pipe {

// Thread safety: one thread may seal while another receives; all else needs the object for itself.
// Two processes must not go on with one cipher: they would encrypt two texts with one key. After a
// fork the one that sends (or receives) first goes on with that direction, and the other is
// refused; and after state() this object is.
class Records {
 public:
  static constexpr std::size_t kBytesMost = 32U << 10U;  // of the stream, in one record

  // Throws Overloaded if there is no memory for it.
  explicit Records(core::StreamCipher cipher);
  Records(const Records&) = delete;
  Records& operator=(const Records&) = delete;

  // The record of both parts together, good until the next one. Throws Closed if another process
  // goes on. REQUIRES: 1 to kBytesMost bytes in all.
  std::string_view seal(std::string_view head, std::string_view body);

  // As recv(2) with MSG_DONTWAIT, of the stream. EBADMSG: what has come is not what the other side
  // had sent here. EBUSY: another process goes on.
  ssize_t receive(int socket, void* to, std::size_t room);

  // Whether receive() has given all of the record that was opened last.
  bool given_all() const { return given_ == plain_.size(); }
  // Whether it has given all that was taken from the socket.
  bool between() const { return head_size_ == 0 && given_all(); }

  // To go on elsewhere, and no longer here: core::StreamCipher::state(). Throws Closed if another
  // process goes on already.
  std::string state();

 private:
  // How many records this process has sealed, and how many any that shares the socket by a fork.
  class Count {
   public:
    explicit Count(std::atomic<std::uint64_t>& all) : all_(all) {}
    bool is_ours() const { return all_.load() == own_; }
    bool next() {
      std::uint64_t expected = own_;
      if (!all_.compare_exchange_strong(expected, own_ + 1)) return false;
      ++own_;
      return true;
    }

   private:
    std::atomic<std::uint64_t>& all_;
    std::uint64_t own_ = 0;
  };
  struct Shared {
    std::atomic<std::uint64_t> sealed = 0;
    std::atomic<std::uint64_t> received = 0;
  };
  struct Unmap {
    void operator()(Shared* shared) const;
  };

  ssize_t fill(int socket);

  core::StreamCipher cipher_;
  const std::unique_ptr<Shared, Unmap> shared_;
  bool went_ = false;  // elsewhere

  // Of the thread that seals.
  Count sealed_;
  std::string piece_;
  std::string record_;

  // Of the one that receives.
  Count received_;
  unsigned char head_[2] = {};
  std::size_t head_size_ = 0;
  std::string sealed_piece_;       // as long as its head says
  std::size_t sealed_size_ = 0;    // of it that has come
  std::string plain_;
  std::size_t given_ = 0;
};

}  // namespace steward::detail::pipe
