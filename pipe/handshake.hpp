// Handshake: the listener's side of the greeting, with one peer that has connected to a tcp port
// and has not shown yet that it may. (client::Handshake is that of a session.) It never waits:
// advance() does what the bytes that have come allow. A stranger costs one descriptor, some hundred
// bytes and, for each hello, one hash.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <steward/core/clock.hpp>
#include <steward/pipe/greeting.hpp>
#include <steward/pipe/message_stream.hpp>
#include <steward/process/passed_fd.hpp>

namespace steward::detail::pipe {

// Thread safety: none.
class Handshake {
 public:
  Handshake(process::PassedFd socket, core::Time until)
      : until_(until), socket_(std::move(socket)) {}

  int fd() const { return socket_.get(); }
  core::Time until() const { return until_; }

  // `over`: the peer has gone, or must go, and was told why. `is_pending`: whether another one with
  // this public key is; then it goes without an answer.
  enum class State : std::uint8_t { more, proven, over };
  using IsPending = std::function<bool(std::string_view public_key)>;
  State advance(const Secret& secret, const IsPending& is_pending);

  // Whether the peer has said a hello with a right proof, and has still to show that it is its own.
  bool is_expected() const { return stage_ != Stage::hello; }
  // Of such a hello; else empty.
  const std::string& public_key() const { return public_key_; }
  // Whether the peer had no key, or another one.
  bool had_wrong_key() const { return had_wrong_key_; }

  // To a peer that is proven: kWelcome, or why it is not let in. False if there is no room for it,
  // and then the peer has to go. Throws Closed.
  bool answer(std::string_view word) { return stream_->send_at_once(fd(), word); }
  // For another, who goes on with it; this one is over then.
  process::PassedFd take_socket() { return std::move(socket_); }
  // The state with which another object goes on with the stream; this one must not use it any more.
  std::string stream_state() { return stream_->state(); }

 private:
  enum class Stage : std::uint8_t { hello, begin, proof };

  State hear_hello(const Secret& secret, const IsPending& is_pending);
  State hear_begin();
  State hear_proof();
  State fill(std::size_t size);

  core::Time until_;
  process::PassedFd socket_;
  Stage stage_ = Stage::hello;
  bool had_wrong_key_ = false;
  std::string heard_;
  std::string public_key_;
  std::optional<core::StreamCipher> cipher_;
  std::unique_ptr<MessageStream> stream_;
};

}  // namespace steward::detail::pipe
