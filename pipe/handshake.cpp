#include <steward/pipe/handshake.hpp>

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <exception>
#include <utility>

#include <steward/pipe/records.hpp>

namespace steward::detail::pipe {
namespace {

// There is room for it: nothing else was sent here.
bool say(int socket, std::string_view bytes) {
  return ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT) ==
         static_cast<ssize_t>(bytes.size());
}

// What was said last would not arrive if something were unread when the socket is closed.
void leave_unheard(int socket) {
  ::shutdown(socket, SHUT_WR);
  std::array<char, 4096> rest;
  for (int i = 0; i < 16; ++i) {
    if (::recv(socket, rest.data(), rest.size(), MSG_DONTWAIT) <= 0) return;
  }
}

}  // namespace

Handshake::State Handshake::advance(const Secret& secret, const IsPending& is_pending) {
  State state = State::proven;
  if (stage_ == Stage::hello) state = hear_hello(secret, is_pending);
  if (state == State::proven && stage_ == Stage::begin) state = hear_begin();
  if (state == State::proven && stage_ == Stage::proof) state = hear_proof();
  return state;
}

// Until `heard_` has as many bytes, and never beyond: what follows is the next stage's.
Handshake::State Handshake::fill(std::size_t size) {
  std::array<char, kHelloBytes> bytes;
  while (heard_.size() < size) {
    const ssize_t count = ::recv(fd(), bytes.data(), size - heard_.size(), MSG_DONTWAIT);
    if (count > 0) {
      heard_.append(bytes.data(), static_cast<std::size_t>(count));
    } else if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      return State::more;
    } else if (count == 0 || errno != EINTR) {
      return State::over;
    }
  }
  return State::proven;
}

Handshake::State Handshake::hear_hello(const Secret& secret, const IsPending& is_pending) {
  const State state = fill(kHelloBytes);
  // A stranger may wait for an answer to what it has said, which is shorter.
  if (state == State::over || (state == State::more && may_be_hello(heard_))) return state;
  // A hello that somebody has recorded holds one place, however often he says it.
  const bool whole = secret && heard_.size() == kHelloBytes && may_be_hello(heard_);
  if (whole && is_pending(public_key_in(heard_))) return State::over;
  Reply reply = reply_to(heard_, secret);
  had_wrong_key_ =
      reply.verdict == Verdict::wrong_key || reply.verdict == Verdict::wants_key;
  const bool said = say(fd(), reply.bytes);
  if (reply.verdict == Verdict::go_on_plain && said) {
    stream_ = MessageStream::over_tcp(nullptr);
    return State::proven;
  }
  if (reply.verdict != Verdict::go_on_sealed || !said) {
    leave_unheard(fd());
    return State::over;
  }
  cipher_ = std::move(reply.cipher);
  public_key_ = public_key_in(heard_);
  heard_.clear();
  stage_ = Stage::begin;
  return State::proven;
}

Handshake::State Handshake::hear_begin() {
  const State state = fill(core::StreamCipher::kBeginBytes);
  if (state != State::proven) return state;
  cipher_->open_from(heard_);
  stream_ = MessageStream::over_tcp(std::make_unique<Records>(*std::move(cipher_)));
  stream_->limit(0);
  stage_ = Stage::proof;
  return state;
}

// An empty message, which only who has made the other key pair can seal, now.
Handshake::State Handshake::hear_proof() {
  try {
    const auto proof = stream_->receive(fd(), std::chrono::steady_clock::now());
    if (!proof) return State::more;
    stream_->limit(kTooMany.size());
    return State::proven;
  } catch (const std::exception&) {
    return State::over;
  }
}

}  // namespace steward::detail::pipe
