// Connecting to a Listener at a tcp port.
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <steward/client/tcp_socket.hpp>
#include <steward/client/waiting.hpp>
#include <steward/core/errors.hpp>
#include <steward/pipe/acceptor.hpp>
#include <steward/pipe/greeting.hpp>
#include <steward/pipe/records.hpp>
#include <steward/pipe/tcp_stream.hpp>
#include <steward/shm/poll.hpp>

namespace steward::detail::pipe {
namespace {

// Where somebody listens and has no room.
constexpr std::chrono::milliseconds kAskAgain{20};
constexpr std::chrono::milliseconds kAskAgainMost{500};

// One call at a port: what is said until the messages begin.
class Call {
 public:
  Call(int socket, const std::string& where, const Secret& secret, core::Deadline deadline)
      : socket_(socket), where_(where), secret_(secret), deadline_(deadline) {}

  // Null: not now, and why() says what was wrong. Throws AuthenticationError, Disconnected.
  std::unique_ptr<MessageStream> greet() {
    const Hello hello = make_hello(secret_);
    if (!say(hello.bytes)) return nullptr;
    const std::string bytes = hear_reply();
    if (bytes.empty()) return nullptr;
    Reply reply = read_reply(bytes, hello, secret_);
    check(reply.verdict);
    std::unique_ptr<Records> records;
    if (reply.cipher) {
      if (!say(reply.cipher->begin())) return nullptr;
      records = std::make_unique<Records>(*std::move(reply.cipher));
    }
    auto stream = MessageStream::over_tcp(std::move(records));
    return hear_word(*stream, reply.verdict) ? std::move(stream) : nullptr;
  }

  const std::string& why() const { return why_; }

 private:
  [[noreturn]] void late() const {
    throw Disconnected("no Listener answers at " + where_ + " in time");
  }

  // There is room for it: nothing was sent before.
  bool say(std::string_view bytes) {
    if (::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT) ==
        static_cast<ssize_t>(bytes.size())) {
      return true;
    }
    why_ = "the other side hangs up";
    return false;
  }

  // Empty: the other side has hung up before it said anything.
  std::string hear_reply() {
    std::string heard;
    std::array<char, kReplyBytes> bytes;
    while (heard.size() < kReplyBytes) {
      const ssize_t count =
          ::recv(socket_, bytes.data(), kReplyBytes - heard.size(), MSG_DONTWAIT);
      if (count > 0) {
        heard.append(bytes.data(), static_cast<std::size_t>(count));
        check_is_listener(heard);
      } else if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        if (!shm::poll_until(socket_, POLLIN, deadline_)) late();
      } else if (count == 0 || errno != EINTR) {
        why_ = "the other side hangs up";
        return {};
      }
    }
    return heard;
  }

  void check_is_listener(std::string_view heard) const {
    if (may_be_reply(heard)) return;
    // The first byte that every ZeroMQ socket says.
    throw Disconnected("what answers at " + where_ +
                       (heard.front() == '\xff' ? " is a manager, or another ZeroMQ socket, and no "
                                                  "Listener"
                                                : " is no Listener, or one of another version"));
  }

  void check(Verdict verdict) const {
    switch (verdict) {
      case Verdict::go_on_sealed:
      case Verdict::go_on_plain: return;
      case Verdict::wants_key:
        refused("it wants a key: give the one it was started with (ConnectOptions::key, or "
                "--key-file)");
      case Verdict::has_no_key: refused("it has no key: connect without one");
      case Verdict::wrong_key:
        refused("it does not accept this key: it was started with another one");
      case Verdict::not_understood: break;
    }
    not_understood();
  }

  [[noreturn]] void not_understood() const {
    throw Disconnected("the Listener at " + where_ + " and this program do not understand each "
                       "other");
  }

  // Nobody has shown yet that the words are a Listener's: they are not repeated.
  [[noreturn]] void refused_for_unknown_reason() const {
    throw Disconnected("the Listener at " + where_ + " refused the connection, for a reason that "
                       "this version does not know");
  }

  [[noreturn]] void refused(const std::string& why) const {
    throw AuthenticationError("the Listener at " + where_ + " refused the connection: " + why);
  }

  // What it says in the stream: whether it has let us in.
  bool hear_word(MessageStream& stream, Verdict verdict) {
    const std::size_t limit = stream.message_bytes();
    stream.limit(kReplyBytes);
    try {
      if (verdict == Verdict::go_on_sealed) stream.send(socket_, {});  // that we have the keys
      const auto word = stream.receive(socket_, deadline_);
      if (!word) late();
      if (!word->empty() && *word != kTooMany) refused_for_unknown_reason();
      why_ = *word;
    } catch (const Closed&) {
      if (stream.was_meddled_with()) refused("it has shown no proof that it holds this key");
      why_ = "the other side hangs up";
    } catch (const Overloaded&) {
      not_understood();
    }
    stream.limit(limit);
    return why_.empty();
  }

  const int socket_;
  const std::string& where_;
  const Secret& secret_;
  const core::Deadline deadline_;
  std::string why_;
};

}  // namespace

End connect_to(const core::TcpAddress& address, const ConnectOptions& options) {
  if (address.port == 0) throw BadCall(address.text() + " names no port to connect to");
  const std::string where = address.text();
  const core::Deadline deadline = core::deadline_after(options.timeout);
  const Secret secret = secret_of(options.key);
  for (auto pause = kAskAgain;; pause = std::min(2 * pause, kAskAgainMost)) {
    int error = 0;
    process::PassedFd socket(client::connect_tcp(address, deadline, error));
    if (!socket) {
      throw Disconnected("nobody listens at " + where + ": " +
                         std::generic_category().message(error));
    }
    prepare_tcp(socket.get());
    Call call(socket.get(), where, secret, deadline);
    if (auto stream = call.greet()) return {std::move(socket), std::move(stream)};
    socket.close();
    std::vector<pollfd> nothing;
    shm::poll_until(nothing, client::earliest(core::deadline_after(pause), deadline));
    if (client::has_passed(deadline)) {
      throw Disconnected("no Listener answers at " + where + " in time: " + call.why());
    }
  }
}

}  // namespace steward::detail::pipe
