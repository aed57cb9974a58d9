// MessageStream: whole messages over a connected stream socket.
//
// On the socket a message is its length, four bytes with the highest first, and then its bytes: as
// Python's multiprocessing.connection writes it. The other side may be anybody: a length is checked
// before it is believed, and memory is taken as bytes arrive.
#pragma once

#include <array>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include <steward/core/clock.hpp>
#include <steward/core/limits.hpp>
#include <steward/shm/fd_passing.hpp>

namespace steward::shm {

// Connected stream sockets, close-on-exec. Throws SystemError.
SocketPair stream_pair();

// What an end may be used for.
enum class Direction : std::uint8_t { both, receive, send };

// The state of one end: what of a message has come, and whose turn it is. The socket is the
// caller's, the same one at every call; errors name a Connection, whose inside this is.
//
// Thread safety: several threads may send and several may receive, and take turns: a message goes
// and comes whole. limit() and destruction need the object for themselves.
class MessageStream {
 public:
  // The longest message that can be written down.
  static constexpr std::size_t kBytesMost = 0x7fffffff;

  explicit MessageStream(Direction direction = Direction::both) : direction_(direction) {}
  MessageStream(const MessageStream&) = delete;
  MessageStream& operator=(const MessageStream&) = delete;

  // Waits while the other side does not read. Throws Closed if it is gone, Overloaded for a message
  // that is too long (nothing of it was sent), BadCall if this end only receives.
  void send(int socket, std::string_view message);

  // The next message; nullopt once the deadline has passed: what has come of one stays for the next
  // try. Throws Closed when the other side is gone and all that it sent was received; Overloaded
  // once if it sends too long a message, after which this end is at its end; BadCall if this end
  // only sends.
  std::optional<std::string> receive(int socket, core::Deadline deadline);

  // Whether receive() would not wait: a whole message is there, or the end. False once the deadline
  // has passed. Throws BadCall if this end only sends.
  bool poll(int socket, core::Deadline deadline);

  // Nothing of a message is kept here: another may go on with the socket.
  bool between_messages() const { return head_size_ == 0 || ended_; }

  Direction direction() const { return direction_; }
  // Longer messages are refused. REQUIRES: at most kBytesMost.
  void limit(std::size_t message_bytes) { message_bytes_ = message_bytes; }
  std::size_t message_bytes() const { return message_bytes_; }

 private:
  // Which one of several threads may go on.
  class Turn {
   public:
    bool take(core::Deadline deadline);
    void give();

   private:
    std::mutex mutex_;
    std::condition_variable given_;
    bool taken_ = false;
  };
  class Hold;

  enum class Found : std::uint8_t { nothing, message, end };

  Found look(int socket);
  Found await(int socket, core::Deadline deadline);
  void read_length();
  void write_all(int socket, std::string_view head, std::string_view body);
  [[noreturn]] void fail_at_end();

  const Direction direction_;
  std::size_t message_bytes_ = core::Limits().message_bytes;

  Turn sending_;
  bool cut_ = false;  // guarded by the turn: a message was sent in part, nothing can follow

  // Guarded by the turn.
  Turn receiving_;
  std::array<unsigned char, 4> head_{};
  std::size_t head_size_ = 0;
  std::size_t length_ = 0;     // of the message, once its head is there
  std::string body_;           // grows as bytes arrive
  std::size_t body_size_ = 0;  // of it that has come
  bool whole_ = false;
  bool ended_ = false;
  bool reset_ = false;                     // the kernel has said that the other side was not read
  std::optional<std::uint64_t> too_long_;  // not told yet
};

}  // namespace steward::shm
