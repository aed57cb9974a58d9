#include <steward/pipe/message_stream.hpp>

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <new>
#include <utility>

#include <steward/client/waiting.hpp>
#include <steward/core/errors.hpp>
#include <steward/core/stoppable_condition.hpp>
#include <steward/pipe/closing.hpp>
#include <steward/pipe/records.hpp>
#include <steward/shm/poll.hpp>

namespace steward::detail::pipe {
namespace {

// So much memory a message is given before its first byte is there.
constexpr std::size_t kFirstPiece = 4U << 10U;
// So often something is taken from a socket before the time is looked at.
constexpr int kPiecesAtOnce = 64;
// Nobody tells a process that sleeps on a socket that another one has gone on with it.
constexpr std::chrono::seconds kNextLook{1};

// So long one who has begun a message lets the system find memory for the rest.
constexpr std::chrono::milliseconds kTryAgain{10};

// The waits, as Interrupted names them.
constexpr std::string_view kSend = "Connection.send";
constexpr std::string_view kRecv = "Connection.recv";
constexpr std::string_view kPoll = "Connection.poll";

// Before the state of a cipher, or alone.
constexpr char kOverTcp = 't';
// Instead: this end is at its end.
constexpr std::string_view kOver = "e";

std::array<char, 4> head_of(std::size_t length) {
  return {static_cast<char>(length >> 24U & 0xffU), static_cast<char>(length >> 16U & 0xffU),
          static_cast<char>(length >> 8U & 0xffU), static_cast<char>(length & 0xffU)};
}

std::string too_long(std::uint64_t length, std::size_t limit) {
  return "a message of " + std::to_string(length) + " bytes, " + std::to_string(limit) +
         " are allowed";
}

bool is_want_of_memory(int error) { return error == ENOBUFS || error == ENOMEM; }

// 0, and errno, if nothing could be written.
std::size_t write_some(int socket, std::string_view head, std::string_view body) {
  std::array<iovec, 2> parts{{{const_cast<char*>(head.data()), head.size()},
                              {const_cast<char*>(body.data()), body.size()}}};
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  const ssize_t count = ::sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  return count > 0 ? static_cast<std::size_t>(count) : 0;
}

}  // namespace

MessageStream::MessageStream(bool tcp, Direction direction, std::unique_ptr<Records> records)
    : tcp_(tcp), direction_(direction), records_(std::move(records)) {}
MessageStream::MessageStream(Direction direction) : MessageStream(false, direction, nullptr) {}
MessageStream::~MessageStream() = default;

std::unique_ptr<MessageStream> MessageStream::over_tcp(std::unique_ptr<Records> records) {
  settle_at_end();
  return std::unique_ptr<MessageStream>(
      new MessageStream(true, Direction::both, std::move(records)));
}

// ---- Turns ----

// A mutex that was locked when this process was forked would be for ever.
void MessageStream::Turn::make_anew_in_child() {
  const pid_t here = ::getpid();
  pid_t known = process_.load(std::memory_order_acquire);
  while (known != here) {
    if (known != 0 && process_.compare_exchange_strong(known, 0)) {
      new (&mutex_) std::mutex;
      new (&given_) std::condition_variable;
      lost_ = std::exchange(taken_, false);
      settle_at_end();  // it uses what its parent has, too
      process_.store(here, std::memory_order_release);
      return;
    }
    known = process_.load(std::memory_order_acquire);  // another thread of this process makes it
  }
}

bool MessageStream::Turn::take(core::Deadline deadline, const std::stop_token& stop,
                               std::string_view wait) {
  make_anew_in_child();
  core::StoppableCondition condition(given_, mutex_, stop, wait);
  std::unique_lock lock(mutex_);
  if (!deadline && taken_ && taker_ == std::this_thread::get_id()) {
    throw BadCall(std::string(wait) +
                  ": this thread waits at this Connection already, and would wait for itself");
  }
  if (!condition.until(lock, deadline, [&] { return !taken_; })) return false;
  taker_ = std::this_thread::get_id();
  return ever_taken_ = taken_ = true;
}

void MessageStream::Turn::give() {
  const std::lock_guard lock(mutex_);
  taken_ = false;
  given_.notify_one();
}

class MessageStream::Hold {
 public:
  Hold(Turn& turn, core::Deadline deadline, const std::stop_token& stop, std::string_view wait)
      : turn_(turn), mine_(turn.take(deadline, stop, wait)) {}
  Hold(const Hold&) = delete;
  Hold& operator=(const Hold&) = delete;
  ~Hold() {
    if (mine_) turn_.give();
  }
  explicit operator bool() const { return mine_; }

 private:
  Turn& turn_;
  bool mine_;
};

// While what is received goes from one state into the next.
class MessageStream::Changing {
 public:
  explicit Changing(MessageStream& stream) : stream_(stream) { stream_.changing_ = true; }
  Changing(const Changing&) = delete;
  Changing& operator=(const Changing&) = delete;
  ~Changing() { stream_.changing_ = false; }

 private:
  MessageStream& stream_;
};

// ---- Sending ----

void MessageStream::send(int socket, std::string_view message, const std::stop_token& stop) {
  if (direction_ == Direction::receive) throw BadCall("Connection.send: this end only receives");
  if (message.size() > message_bytes_) {
    throw Overloaded("Connection.send: " + too_long(message.size(), message_bytes_));
  }
  const std::array<char, 4> head = head_of(message.size());
  shm::StoppablePoll poll(stop, kSend);
  const Hold turn(sending_, std::nullopt, stop, kSend);
  if (cut_ || sending_.was_lost() || has_left(socket)) fail_to_send();
  if (records_ != nullptr) return write_sealed(socket, {head.data(), head.size()}, message, poll);
  cut_ = true;
  write_all(socket, {head.data(), head.size()}, message, poll);
  cut_ = false;
}

bool MessageStream::send_at_once(int socket, std::string_view message) {
  const std::array<char, 4> length = head_of(message.size());
  std::string_view head(length.data(), length.size());
  const Hold turn(sending_, std::nullopt, {}, kSend);
  if (cut_ || sending_.was_lost()) return false;
  if (records_ != nullptr) {
    message = records_->seal(head, message);
    head = {};
  }
  cut_ = write_some(socket, head, message) != head.size() + message.size();
  return !cut_;
}

// What is sealed has to be sent, and in order: after an error in between nothing can follow. So who
// may be interrupted waits for room before the message is begun.
void MessageStream::write_sealed(int socket, std::string_view head, std::string_view body,
                                 shm::StoppablePoll& poll) {
  if (poll.may_be_interrupted()) poll.until(socket, POLLOUT, std::nullopt);
  do {
    const std::size_t size = std::min(body.size(), Records::kBytesMost - head.size());
    const std::string_view record = records_->seal(head, body.substr(0, size));
    cut_ = true;
    write_all(socket, {}, record, poll);
    head = {};
    body.remove_prefix(size);
  } while (!body.empty());
  records_->rest_sealing();
  cut_ = false;
}

void MessageStream::write_all(int socket, std::string_view head, std::string_view body,
                              shm::StoppablePoll& poll) {
  const std::size_t all = head.size() + body.size();
  std::size_t sent = 0;
  while (sent < all) {
    const std::size_t of_head = std::min(sent, head.size());
    const std::size_t count =
        write_some(socket, head.substr(of_head), body.substr(sent - of_head));
    if (count > 0) {
      sent += count;
    } else if (errno == EAGAIN || errno == EWOULDBLOCK || is_want_of_memory(errno)) {
      await_room(socket, sent > 0 || records_ != nullptr, errno, poll);
    } else if (errno != EINTR) {
      fail_to_send();
    }
  }
}

// Where nothing of the message has gone another one may be sent. Else the other side must not wait
// for the rest.
void MessageStream::await_room(int socket, bool begun, int error, shm::StoppablePoll& poll) {
  try {
    if (!is_want_of_memory(error)) {
      poll.until(socket, POLLOUT, std::nullopt);
    } else if (begun) {
      poll.until(socket, 0, core::deadline_after(kTryAgain));
    } else {
      throw Overloaded("Connection.send: the system has no memory for it");
    }
  } catch (const std::exception&) {
    cut_ = interrupted_ = begun;
    const bool alone = records_ == nullptr || records_->may_shut_down() == SHUT_RDWR;
    if (begun && alone) ::shutdown(socket, SHUT_WR);
    throw;
  }
}

// A Unix socket tells it by itself; a TCP socket takes what nobody will ever read.
bool MessageStream::has_left(int socket) {
  if (!tcp_) return false;
  pollfd entry{socket, POLLRDHUP, 0};
  if (left_ || ::poll(&entry, 1, 0) > 0) left_ = true;
  return left_;
}

void MessageStream::fail_to_send() {
  if (sending_.was_lost()) {
    throw Closed("Connection.send: this process was forked while another thread sent");
  }
  throw Closed(interrupted_ ? "Connection.send: a message was interrupted half-way, and nothing "
                              "can follow it"
                            : "Connection.send: the other side has closed, or ended");
}

// ---- Receiving ----

std::optional<std::string> MessageStream::receive(int socket,
                                                  core::Deadline deadline,
                                                  const std::stop_token& stop) {
  if (direction_ == Direction::send) throw BadCall("Connection.recv: this end only sends");
  shm::StoppablePoll poll(stop, kRecv);
  const Hold turn(receiving_, deadline, stop, kRecv);
  if (!turn) return std::nullopt;
  switch (await(socket, deadline, poll)) {
    case Found::nothing: return std::nullopt;
    case Found::end: fail_at_end();
    case Found::message: break;
  }
  const Changing now(*this);
  if (records_ != nullptr) records_->rest_receiving();
  std::string message = std::move(body_);
  body_.clear();
  head_size_ = length_ = body_size_ = 0;
  whole_ = false;
  return message;
}

void MessageStream::put_back(std::string message) noexcept try {
  const Hold turn(receiving_, std::chrono::steady_clock::now(), {}, kRecv);
  if (!turn || ended_ || put_back_ || !between_messages()) return;
  const Changing now(*this);
  head_size_ = head_.size();
  length_ = body_size_ = message.size();
  body_ = std::move(message);
  whole_ = true;
  put_back_ = true;
} catch (const std::exception&) {
  // Interrupted, which this wait, of no time, is not.
}

bool MessageStream::poll(int socket, core::Deadline deadline, const std::stop_token& stop) {
  if (direction_ == Direction::send) throw BadCall("Connection.poll: this end only sends");
  shm::StoppablePoll poll(stop, kPoll);
  const Hold turn(receiving_, deadline, stop, kPoll);
  return turn && await(socket, deadline, poll) != Found::nothing;
}

bool MessageStream::holds_message() {
  const Hold turn(receiving_, std::chrono::steady_clock::now(), {}, kPoll);
  if (!turn) return false;
  end_if_torn();
  return whole_ || ended_;
}

// In a child: the thread that had the turn was in the middle of taking something.
void MessageStream::end_if_torn() {
  if (!receiving_.was_lost() || !changing_) return;
  changing_ = false;
  ended_ = true;
  whole_ = false;
  why_ended_ = "Connection.recv: this process was forked while another thread received";
}

bool MessageStream::between_messages() const {
  return ended_ || (head_size_ == 0 && (records_ == nullptr || records_->between()));
}

std::string MessageStream::state() {
  const Hold sending(sending_, std::nullopt, {}, kSend);
  const Hold receiving(receiving_, std::nullopt, {}, kRecv);
  if (sending_.was_lost() || (receiving_.was_lost() && changing_)) {
    throw Closed("this process was forked while another thread used this Connection");
  }
  if (ended_ && (records_ == nullptr || records_->may_shut_down() >= 0)) return std::string(kOver);
  if (!tcp_) return {};
  std::string state(1, kOverTcp);
  if (records_ == nullptr) return state;
  std::string ciphers = records_->state();
  state += ciphers;
  core::erase(ciphers);
  return state;
}

std::unique_ptr<MessageStream> MessageStream::from_state(Direction direction,
                                                         std::string_view state) {
  if (state.empty()) return std::make_unique<MessageStream>(direction);
  if (state == kOver) {
    auto over = std::make_unique<MessageStream>(direction);
    over->ended_ = over->cut_ = true;
    return over;
  }
  if (state.size() == 1) return over_tcp(nullptr);
  auto cipher = core::StreamCipher::from_state(state.substr(1));
  if (!cipher) throw BadCall("Connection: no end of one is in such a state");
  return over_tcp(std::make_unique<Records>(*std::move(cipher)));
}

MessageStream::Found MessageStream::await(int socket, core::Deadline deadline,
                                          shm::StoppablePoll& poll) {
  end_if_torn();
  for (;;) {
    const Found found = look(socket, deadline);
    if (found != Found::nothing || client::has_passed(deadline)) return found;
    const bool shared = records_ != nullptr;
    const core::Deadline again = shared ? core::deadline_after(kNextLook) : std::nullopt;
    static_cast<void>(poll.until(socket, POLLIN, client::earliest(deadline, again)));
  }
}

// Never reads beyond the message: what follows it stays where poll(2) sees it. Whoever sends as
// fast as this reads does not hold it past its deadline.
MessageStream::Found MessageStream::look(int socket, core::Deadline deadline) {
  const Changing now(*this);
  for (int pieces = 1; !whole_ && !ended_; ++pieces) {
    if (pieces % kPiecesAtOnce == 0 && client::has_passed(deadline) &&
        (records_ == nullptr || records_->given_all())) {
      return Found::nothing;
    }
    const bool in_head = head_size_ < head_.size();
    if (!in_head && body_size_ == body_.size()) {
      body_.resize(std::min(length_, std::max(kFirstPiece, 2 * body_size_)));
    }
    void* const to = in_head ? static_cast<void*>(head_.data() + head_size_)
                             : static_cast<void*>(body_.data() + body_size_);
    const std::size_t room = in_head ? head_.size() - head_size_ : body_.size() - body_size_;
    const ssize_t count = read_some(socket, to, room);
    if (count > 0) {
      (in_head ? head_size_ : body_size_) += static_cast<std::size_t>(count);
      if (in_head && head_size_ == head_.size()) read_length(socket);
      whole_ = !ended_ && head_size_ == head_.size() && body_size_ == length_;
      if (!ended_ && records_ != nullptr) check_record(socket);
    } else if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      return Found::nothing;
    } else if (count == 0 || errno != EINTR) {
      end_of(socket, count == 0 ? 0 : errno);
    }
  }
  return whole_ ? Found::message : Found::end;
}

ssize_t MessageStream::read_some(int socket, void* to, std::size_t room) {
  if (records_ != nullptr) return records_->receive(socket, to, room);
  return ::recv(socket, to, room, MSG_DONTWAIT);
}

// A record ends with its message, or is full.
void MessageStream::check_record(int socket) {
  if (whole_ ? records_->given_all() : !records_->given_all() || records_->was_full()) return;
  end_of(socket, EBADMSG);
}

void MessageStream::end_of(int socket, int error) {
  // The other side has closed and not read all: the kernel says so once, and before what that side
  // had said.
  if (error == ECONNRESET && !std::exchange(reset_, true)) return;
  whole_ = false;
  ended_ = true;
  if (error != EBUSY) left_ = true;
  if (error == EBUSY) {
    why_ended_ = "Connection.recv: another process has this end, too, and goes on with it";
  } else if (error == EBADMSG) {
    why_ended_ = "Connection.recv: what came is not what the other side had sent: somebody meddles "
                 "with the connection, or it is another program's";
    hang_up(socket);
  }
}

// There is nothing that both could agree on any more.
void MessageStream::hang_up(int socket) {
  const int what = records_ != nullptr ? records_->may_shut_down() : SHUT_RDWR;
  if (what >= 0) ::shutdown(socket, what);
}

void MessageStream::read_length(int socket) {
  put_back_ = false;  // another message
  length_ = 0;
  for (const unsigned char byte : head_) length_ = length_ << 8U | byte;
  if (length_ <= message_bytes_) return;
  too_long_ = length_;
  ended_ = true;
  left_ = true;
  hang_up(socket);
}

void MessageStream::fail_at_end() {
  if (const auto length = std::exchange(too_long_, std::nullopt)) {
    throw Overloaded("Connection.recv: the other side sends " +
                     too_long(*length, message_bytes_));
  }
  if (why_ended_ != nullptr) throw Closed(why_ended_);
  const bool begun = head_size_ > 0 || (records_ != nullptr && !records_->between());
  throw Closed(begun ? "Connection.recv: the other side ended in the middle of a message"
                     : "Connection.recv: the other side has closed, or ended");
}

}  // namespace steward::detail::pipe
