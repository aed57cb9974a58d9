// Handshake: with a peer that has connected to a tcp port and has not shown yet that it may. It
// never waits: advance() does what the bytes that have come allow. A stranger costs one descriptor,
// some hundred bytes and, for each hello, one hash.
#pragma once

#include <cstdint>
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

  // `over`: the peer has gone, or must go, and was told why.
  enum class State : std::uint8_t { more, proven, over };
  State advance(const Secret& secret);

  // To a peer that is proven: kWelcome, or why it is not let in. Throws Closed if it is gone.
  void answer(std::string_view word) { stream_->send(fd(), word); }
  // How another goes on with the stream, which is not this one's any more.
  std::string stream_state() { return stream_->state(); }

 private:
  enum class Stage : std::uint8_t { hello, begin, proof };

  State hear_hello(const Secret& secret);
  State hear_begin();
  State hear_proof();
  State fill(std::size_t size);

  core::Time until_;
  process::PassedFd socket_;
  Stage stage_ = Stage::hello;
  std::string heard_;
  std::optional<core::StreamCipher> cipher_;
  std::unique_ptr<MessageStream> stream_;
};

}  // namespace steward::detail::pipe
