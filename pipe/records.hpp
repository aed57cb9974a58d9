// Records: a stream of bytes, encrypted, on a connected socket.
//
// A record is the length of what follows, two bytes with the highest first, and a sealed piece of
// the stream (detail::core::StreamCipher). It holds one byte at least, and bytes of one message
// only: so nothing of the next message has been taken from the socket when one is whole, poll(2)
// sees it, and another process may go on with the socket. All but the last of a message are full:
// nobody can make the other side open thousands for one message.
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
// refused before it takes anything from the socket; and after state() this object is.
//
// Memory: some hundred bytes and a page that forked copies share. Beside that up to 128 KiB while
// a long message is under way in both directions, which rest() gives back.
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
  // had sent here. EBUSY: another process goes on. EINTR: much has come in small pieces, and no
  // record is whole yet. Throws std::bad_alloc; nothing is lost, and the next call goes on.
  ssize_t receive(int socket, void* to, std::size_t room);

  // Whether receive() has given all of the record that was opened last.
  bool given_all() const { return given_ == plain_.size(); }
  // Whether that was as long as a record may be: others end their message.
  bool was_full() const { return plain_.size() == kBytesMost; }
  // Whether it has given all that was taken from the socket.
  bool between() const { return taken_ == 0 && given_all(); }

  // What of the socket may be shut down here, as of shutdown(2): nothing that another process goes
  // on with. -1: nothing at all.
  int may_shut_down() const;

  // Gives back the memory that long messages took. For the thread that receives, between messages;
  // for the one that seals, when its record was sent.
  void rest_receiving();
  void rest_sealing();

  // The state with which another object goes on (core::StreamCipher::state()); this one must not be
  // used any more. Throws Closed if another process goes on already.
  std::string state();

 private:
  // How often this process has used one direction, and how often any that shares the socket by a
  // fork. Who comes second after a fork finds that the others' number is not its own any more.
  class Count {
   public:
    explicit Count(std::atomic<std::uint64_t>& all) : all_(all) {}
    bool is_ours() const { return all_.load() == own_.load(std::memory_order_relaxed); }
    // Before each use. False: another process was faster.
    bool claim() {
      std::uint64_t expected = own_.load(std::memory_order_relaxed);
      if (!all_.compare_exchange_strong(expected, expected + 1)) return false;
      own_.store(expected + 1, std::memory_order_relaxed);
      return true;
    }

   private:
    std::atomic<std::uint64_t>& all_;
    std::atomic<std::uint64_t> own_ = 0;  // of one thread; others may ask is_ours()
  };
  struct Shared {
    std::atomic<std::uint64_t> sealed = 0;
    std::atomic<std::uint64_t> received = 0;
  };
  struct Unmap {
    void operator()(Shared* shared) const;
  };

  ssize_t fill(int socket);
  ssize_t look_ahead(int socket);
  ssize_t open_whole();

  core::StreamCipher cipher_;
  const std::unique_ptr<Shared, Unmap> shared_;
  bool went_ = false;  // elsewhere

  // Of the thread that seals.
  Count sealed_;
  std::string piece_;
  std::string record_;

  // Of the one that receives.
  Count received_;
  std::string arriving_;     // a record with its head, grows as bytes come
  std::size_t taken_ = 0;    // of it that has come
  std::size_t size_ = 0;     // of the record, once its head is known
  std::string plain_;
  std::size_t given_ = 0;
};

}  // namespace steward::detail::pipe
