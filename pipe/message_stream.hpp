// MessageStream: whole messages over a connected stream socket.
//
// In the stream a message is its length, four bytes with the highest first, and then its bytes: as
// Python's multiprocessing.connection writes it. Over tcp with a key the stream is encrypted
// (Records), else it is what is on the socket. The other side may be anybody: a length is checked
// before it is believed, and memory is taken as bytes arrive.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>

#include <sys/types.h>
#include <unistd.h>

#include <steward/core/auth_stream.hpp>
#include <steward/core/clock.hpp>
#include <steward/core/limits.hpp>

namespace steward::detail::shm {
class StoppablePoll;
}

namespace steward::detail::pipe {

class Records;

// In which direction an end of a pipe may be used.
enum class Direction : std::uint8_t { both, receive, send };

// The state of one end: what of a message has come, and whose turn it is. The socket is the
// caller's, the same one at every call; error texts say "Connection", since that is what the user
// has.
//
// Thread safety: several threads may send and several may receive, and take turns: a message goes
// and comes whole. limit() and destruction need the object for themselves.
class MessageStream {
 public:
  // The longest message that can be written down.
  static constexpr std::size_t kBytesMost = 0x7fffffff;

  // On a Unix socket, or a pair of them.
  explicit MessageStream(Direction direction = Direction::both);
  // On a TCP socket, in both directions; encrypted, if there are records.
  static std::unique_ptr<MessageStream> over_tcp(std::unique_ptr<Records> records);
  MessageStream(const MessageStream&) = delete;
  MessageStream& operator=(const MessageStream&) = delete;
  ~MessageStream();

  // Waits while the other side does not read. Throws Closed if it is gone, Overloaded for a message
  // that is too long (nothing of it was sent), BadCall if this end only receives, Interrupted: then
  // nothing of it was sent, or a part, behind which nothing can follow: this end sends no more.
  void send(int socket, std::string_view message, const std::stop_token& stop = {});
  // Never waits. False: there was no room for all of it, and nothing can follow. REQUIRES: a
  // message that fits into one record.
  bool send_at_once(int socket, std::string_view message);

  // The next message; nullopt once the deadline has passed, even if more comes all the time: what
  // has come of one stays for the next try. Throws Closed when the other side is gone and all that
  // it sent was received, or if what came is not what it had sent; Overloaded once if it sends too
  // long a message, after which this end is at its end; BadCall if this end only sends;
  // Interrupted, by which nothing is lost.
  std::optional<std::string> receive(int socket, core::Deadline deadline,
                                     const std::stop_token& stop = {});

  // Where receive() found this one it is found again, once, unless it found more meanwhile.
  void put_back(std::string message) noexcept;

  // Whether receive() would not wait: a whole message is there, or the end. False once the deadline
  // has passed. Throws BadCall if this end only sends, Interrupted.
  bool poll(int socket, core::Deadline deadline, const std::stop_token& stop = {});

  // Whether receive() would not wait whatever the socket says: what it would give was taken from
  // there already. False, too, while another thread receives.
  bool holds_message();

  // Nothing of a message is kept here: another may go on with the socket, in another process with
  // what state() gives.
  bool between_messages() const;
  // Whether anything was sent or received here, or tried to be. For who has the object alone.
  bool was_used() const { return sending_.was_taken() || receiving_.was_taken(); }
  // Whether this process is a forked copy of the one that the stream is of, and has neither sent
  // nor received. Likewise.
  bool is_unused_copy() const { return sending_.is_of_parent() && receiving_.is_of_parent(); }
  // Whether this end is over because what arrived was not sent by the other side, or because
  // another process has taken the stream over.
  bool was_meddled_with() const { return why_ended_ != nullptr; }

  // What it takes to go on elsewhere, beside direction and limit: kStateBytesMost at most. What is
  // over here is over there. Then an encrypted stream does not go on here: its functions throw
  // Closed, this one too.
  std::string state();
  static constexpr std::size_t kStateBytesMost = 1 + core::StreamCipher::kStateBytes;
  // Throws BadCall if it is no state, Overloaded if there is no memory for it.
  static std::unique_ptr<MessageStream> from_state(Direction direction, std::string_view state);

  Direction direction() const { return direction_; }
  // Longer messages are refused. REQUIRES: at most kBytesMost.
  void limit(std::size_t message_bytes) { message_bytes_ = message_bytes; }
  std::size_t message_bytes() const { return message_bytes_; }

 private:
  // Which one of several threads may go on. In a forked child nobody has it: the thread that had is
  // not there.
  class Turn {
   public:
    // False: the deadline passed before. Throws Interrupted, and BadCall where the calling thread
    // has it already, as it may in an interrupt check, and would wait for itself for ever.
    bool take(core::Deadline deadline, const std::stop_token& stop, std::string_view wait);
    void give();
    // Whether a thread had it when this process was forked. For who has it now.
    bool was_lost() const { return lost_; }
    // Whether any thread ever had it. For who has the object alone.
    bool was_taken() const { return ever_taken_; }
    // Whether nobody has had it since this process was forked. Likewise.
    bool is_of_parent() const { return process_ != ::getpid(); }

   private:
    void make_anew_in_child();

    std::atomic<pid_t> process_ = ::getpid();  // whose the rest is; 0: it is being made anew
    bool lost_ = false;
    std::mutex mutex_;
    std::condition_variable given_;
    bool taken_ = false;
    std::thread::id taker_;
    bool ever_taken_ = false;
  };
  class Hold;
  class Changing;

  enum class Found : std::uint8_t { nothing, message, end };

  Found look(int socket, core::Deadline deadline);
  Found await(int socket, core::Deadline deadline, shm::StoppablePoll& poll);
  ssize_t read_some(int socket, void* to, std::size_t room);
  void read_length(int socket);
  void check_record(int socket);
  void end_of(int socket, int error);
  void hang_up(int socket);
  void end_if_torn();
  void write_all(int socket, std::string_view head, std::string_view body,
                 shm::StoppablePoll& poll);
  void await_room(int socket, bool begun, int error, shm::StoppablePoll& poll);
  void write_sealed(int socket, std::string_view head, std::string_view body,
                    shm::StoppablePoll& poll);
  [[noreturn]] void fail_at_end();
  bool has_left(int socket);
  [[noreturn]] void fail_to_send();

  MessageStream(bool tcp, Direction direction, std::unique_ptr<Records> records);

  const bool tcp_;
  const Direction direction_;
  const std::unique_ptr<Records> records_;  // of an encrypted stream
  std::size_t message_bytes_ = core::Limits().message_bytes;

  Turn sending_;
  bool cut_ = false;  // guarded by the turn: a message was sent in part, nothing can follow
  bool interrupted_ = false;  // likewise: by a wait that was interrupted
  std::atomic<bool> left_ = false;  // the other side was seen to be gone

  // Guarded by the turn.
  Turn receiving_;
  std::atomic<bool> changing_ = false;  // what follows, just now: a child that is forked meanwhile
                                        // has something between two states
  std::array<unsigned char, 4> head_{};
  std::size_t head_size_ = 0;
  std::size_t length_ = 0;     // of the message, once its head is there
  std::string body_;           // grows as bytes arrive
  std::size_t body_size_ = 0;  // of it that has come
  bool whole_ = false;
  bool put_back_ = false;  // this one, already
  bool ended_ = false;
  const char* why_ended_ = nullptr;        // null: because the other side has ended
  bool reset_ = false;                     // the kernel has said that the other side was not read
  std::optional<std::uint64_t> too_long_;  // not told yet
};

}  // namespace steward::detail::pipe
