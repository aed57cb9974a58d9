// RawSession: a session without the client library, from docs/protocol.md alone: a DEALER, a hello,
// envelopes made by hand. It costs next to nothing, so that what is measured is the server, and a
// process may have thousands.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include <zmq.hpp>

namespace steward::bench {

// A resource; one thread.
class RawSession {
 public:
  // Sends the hello: through the control socket for ipc://, without one for tcp://.
  RawSession(zmq::context_t& context, const std::string& address);
  RawSession(RawSession&&) noexcept;
  RawSession& operator=(RawSession&&) = delete;
  // Says bye, without waiting for the answer.
  ~RawSession();

  // Throws std::runtime_error if the manager refuses.
  void await_welcome();
  // How long the manager waits for a word; 0: for ever.
  std::chrono::milliseconds lease() const { return lease_; }
  void renew();

  // Opens the object of that name and class, which must exist; returns its number.
  std::uint32_t open(std::string_view type, std::string_view name);

  // `count` calls of dict.at(key), `window` of them under way, `group` of them in one envelope.
  // Each answer is checked. Throws std::runtime_error if one is not `expected` (below 128).
  void get(std::uint32_t dict, std::string_view key, unsigned expected, std::size_t count,
           std::size_t window, std::size_t group);

 private:
  void receive();  // into message_; throws if nothing comes
  std::size_t take_replies(unsigned expected);

  zmq::socket_t dealer_;
  int control_ = -1;  // stays open as long as the session
  std::chrono::milliseconds lease_{0};
  std::uint32_t next_seq_ = 1;
  std::uint32_t answered_ = 0;  // the last of the calls that are all answered
  zmq::message_t message_;
};

}  // namespace steward::bench
