// Connection: one end of a channel between two processes, for values of one type.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>

#include <steward/core/auth.hpp>
#include <steward/core/codec.hpp>
#include <steward/core/errors.hpp>
#include <steward/core/interrupt.hpp>
#include <steward/pipe/arriving.hpp>
#include <steward/pipe/closing.hpp>
#include <steward/pipe/message_stream.hpp>
#include <steward/process/passed_fd.hpp>

namespace steward {

struct ConnectOptions;

namespace detail::pipe {
struct ConnectionAccess;

// Of a Connection without an end, since it was closed or for other reasons. Throws Closed, BadCall.
[[noreturn]] void throw_no_end(std::string_view method, bool closed);
}  // namespace detail::pipe

// What one side sends, the other receives, in order and whole: from `pipe<T>()`, from a Listener or
// from connect(). T is whatever can travel; proxies inside stand for their objects on the other
// side, too, which should receive them within a minute (detail::core::Limits::claim_lease), and
// from a Listener or through connect() use each for the first time within it: nothing is dialled
// before (see ConnectOptions::allow). Both sides must mean the same T: a message that is no T
// throws BadCall and is gone; the next one may be right. One for which there is no memory
// (std::bad_alloc) stays for one more try, unless other threads receive as well.
//
// recv waits, try_recv does not, recv_for waits that long; the last two give nullopt where nothing
// has come. What has come in part stays for the next call. When the other side has closed, or its
// process has returned from main() or called exit(), all that it had sent can be received; then
// everything throws Closed. That holds for other ends of a process, too (_exit, a signal), except
// over tcp, where the kernel may forget what had not arrived. For that exit() waits, as long as
// something arrives once a second, there or here, 10 s at most.
//
// A message of more than `set_message_limit` (64 MiB) throws Overloaded: in send(), which sends
// nothing of it then, and in recv(), for which the connection is over: the limit is for what
// strangers say, both sides may raise it.
//
// Who waits with a std::stop_token gets Interrupted once a stop is requested, before or during the
// wait. What has come of a message stays, whole or in part. Of a message that was sent nothing has
// gone then; or a part, if it is longer than what may be under way: then nothing can follow, this
// end sends no more (Closed), and the other side receives what was sent before, then Closed.
//
// A resource: only moves. The end has one owner; as an argument of a Process, or anywhere in one,
// it goes there: `Process child(work, std::move(far)); child.start();` closes it here once the
// process has it, and no other process keeps the far side from seeing it closed. A copy of the
// program as it stands (by fork(), or StartMethod::fork for a target with captures or a subclass)
// has all its ends, too: each counts as closed when both have closed it. Over tcp with a key such
// an end sends only in the process that sends first after the fork, and receives only in the one
// that receives first; the other gets Closed, within a second if it waits in recv(). Where another
// thread was in send() just when the process was forked the copy does not send, and where one was
// about to take something in recv() the copy does not receive: Closed.
//
// Memory: some hundred bytes and, over tcp with a key, a page. What a message takes beside that is
// at most twice what has come of it, and is given back with it.
//
// One whose process could not be started stays with its Process, for another start(); over tcp with
// a key it cannot, since the process might have it all the same.
//
// Thread safety: several threads may send and several may receive at once, and take turns. close(),
// moves and destruction need the object for themselves.
template <class T = Value>
class Connection {
 public:
  // No connection: its functions throw BadCall, until another one is moved there.
  Connection() = default;
  Connection(Connection&&) noexcept = default;
  Connection& operator=(Connection&& other) noexcept {
    if (this == &other) return *this;
    finish();
    end_ = std::move(other.end_);
    stream_ = std::move(other.stream_);
    closed_ = other.closed_;
    return *this;
  }
  ~Connection() { finish(); }

  // To a Listener: "ipc://path" on this host, "tcp://host:port" elsewhere. Throws Disconnected if
  // nobody answers there within options.timeout, AuthenticationError, BadCall for what is no
  // address. Defined in <steward/pipe/listener.hpp>.
  static Connection connect(const std::string& address);
  static Connection connect(const std::string& address, const ConnectOptions& options);

  // Waits while the other side does not read and some hundred kilobytes are under way (over tcp as
  // much as the kernels' windows hold, which may be some megabytes). There is no form with a time:
  // a message that was sent in part cannot be taken back.
  void send(const T& value, std::stop_token stop = {}) {
    const int socket = fd("send");
    std::string message;
    detail::core::pack(message, value);
    stream_->send(socket, message, stop);
  }

  T recv(std::stop_token stop = {}) {
    const int socket = fd("recv");
    return read(socket, *stream_->receive(socket, std::nullopt, stop), claiming({}, stop));
  }
  std::optional<T> try_recv() { return recv_until("try_recv", now()); }
  template <class Rep, class Period>
  std::optional<T> recv_for(std::chrono::duration<Rep, Period> wait, std::stop_token stop = {}) {
    return recv_until("recv_for", detail::core::deadline_after(wait), stop);
  }

  // Sends and receives bytes as they are. They may be mixed with values if both sides know which
  // comes when.
  void send_bytes(std::string_view bytes, std::stop_token stop = {}) {
    const int socket = fd("send_bytes");
    stream_->send(socket, bytes, stop);
  }
  std::string recv_bytes(std::stop_token stop = {}) { return next("recv_bytes", stop); }

  // Whether recv() would not wait: a whole message is there, or the end. Throws BadCall if this end
  // only sends.
  bool poll() { return poll_until(now()); }
  template <class Rep, class Period>
  bool poll(std::chrono::duration<Rep, Period> timeout, std::stop_token stop = {}) {
    return poll_until(detail::core::deadline_after(timeout), stop);
  }

  // The other side receives what was sent, then Closed. Neither this nor the destructor waits for
  // that: over tcp a thread of the library has the socket until the other side's kernel has all,
  // for 30 s at most and of 256 sockets at most (what a peer has not taken by then is lost), or
  // until the end of the process, where exit() waits for all of them together (see above). May be
  // called again.
  void close() {
    if (closed_) return;
    static_cast<void>(fd("close"));
    finish(true);
    end_.close();
    stream_.reset();
    closed_ = true;
  }
  bool closed() const { return closed_; }

  // For poll(2): readable when bytes have come, or the end. Then call try_recv() until it gives
  // nullopt: what poll(), wait() or try_recv() has seen of a message is not seen there any more.
  int fileno() const { return fd("fileno"); }

  // The longest message that may come or go, at most 2 GiB - 1 (else BadCall).
  void set_message_limit(std::size_t bytes) {
    static_cast<void>(fd("set_message_limit"));
    if (bytes > detail::pipe::MessageStream::kBytesMost) {
      throw BadCall("Connection.set_message_limit: at most 2147483647 bytes");
    }
    stream_->limit(bytes);
  }

  // As an argument of a Process; for anything else BadCall.
  template <class Packer>
  void msgpack_pack(Packer& packer) const {
    static_cast<void>(fd("as an argument"));
    if (!stream_->between_messages()) {
      throw BadCall("Connection as an argument: it goes to another process between messages, and "
                    "has begun to receive one: call recv() first");
    }
    end_.check_packing();
    const auto direction = static_cast<std::uint8_t>(stream_->direction());
    const std::uint64_t limit = stream_->message_bytes();
    std::string state = stream_->state();
    msgpack::type::make_define_array(direction, limit, state, end_).msgpack_pack(packer);
    detail::core::erase(state);
  }
  void msgpack_unpack(const msgpack::object& packed) {
    std::uint8_t direction = 0;
    std::uint64_t limit = 0;
    std::string state;
    msgpack::type::make_define_array(direction, limit, state, end_).msgpack_unpack(packed);
    if (direction > static_cast<std::uint8_t>(detail::pipe::Direction::send)) {
      throw BadCall("Connection: no end of one has such a direction");
    }
    stream_ = detail::pipe::MessageStream::from_state(
        static_cast<detail::pipe::Direction>(direction), state);
    detail::core::erase(state);
    set_message_limit(limit);
  }

 private:
  friend struct detail::pipe::ConnectionAccess;

  // `method` is what needs it: for the error.
  int fd(std::string_view method) const {
    if (const int number = end_.get(); number >= 0) return number;
    detail::pipe::throw_no_end(method, closed_);
  }
  // What was sent is finished by the process that sent it.
  void finish(bool closed = false) noexcept {
    if (stream_ != nullptr && stream_->is_unused_copy()) return;
    detail::pipe::finish_sending(end_, closed || (stream_ != nullptr && stream_->was_used()));
  }
  static detail::core::Deadline now() { return std::chrono::steady_clock::now(); }
  std::string next(std::string_view method, const std::stop_token& stop) {
    const int socket = fd(method);
    return *stream_->receive(socket, std::nullopt, stop);
  }
  std::optional<T> recv_until(std::string_view method, detail::core::Deadline deadline,
                              const std::stop_token& stop = {}) {
    const int socket = fd(method);
    std::optional<std::string> message = stream_->receive(socket, deadline, stop);
    if (!message) return std::nullopt;
    return read(socket, *std::move(message), claiming(deadline, stop));
  }
  bool poll_until(detail::core::Deadline deadline, const std::stop_token& stop = {}) const {
    const int socket = fd("poll");
    return stream_->poll(socket, deadline, stop);
  }
  // A claim hears no stop, and an interrupt would end it.
  static detail::core::Claiming claiming(detail::core::Deadline deadline,
                                         const std::stop_token& stop) {
    using When = detail::core::Claiming::When;
    const bool may_end = stop.stop_possible() || detail::core::may_be_interrupted();
    return {may_end ? When::soon : When::at_once, deadline};
  }
  T read(int socket, std::string message, const detail::core::Claiming& claiming) {
    try {
      detail::pipe::Arriving arriving(socket, claiming);
      const detail::core::HandleCodecScope scope(arriving);
      return detail::core::unpack<T>(message);
    } catch (const BadCall& error) {
      throw BadCall(std::string("Connection.recv: ") + error.what());
    } catch (const std::bad_alloc&) {
      stream_->put_back(std::move(message));
      throw;
    }
  }

  detail::process::PassedFd end_;
  std::unique_ptr<detail::pipe::MessageStream> stream_;  // whenever there is an end
  bool closed_ = false;
};

namespace detail::pipe {

// For the library's other code: makes Connections of sockets, and looks inside.
struct ConnectionAccess {
  template <class T>
  static Connection<T> over(process::PassedFd end, std::unique_ptr<MessageStream> stream) {
    Connection<T> connection;
    connection.end_ = std::move(end);
    connection.stream_ = std::move(stream);
    return connection;
  }
  template <class T>
  static Connection<T> over(process::PassedFd end, Direction direction = Direction::both) {
    return over<T>(std::move(end), std::make_unique<MessageStream>(direction));
  }
  // As poll(), for wait(), which has asked poll(2) itself: `readable` is what that said.
  template <class T>
  static bool is_ready(const Connection<T>& connection, bool readable) {
    if (readable) return connection.poll_until(Connection<T>::now());
    static_cast<void>(connection.fd("poll"));
    return connection.stream_->holds_message();
  }
};

}  // namespace detail::pipe
}  // namespace steward
