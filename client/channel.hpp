// Channel: one connection as a relay has it: a local stream socket, whose other end is the user's,
// and what is under way between it and the far relay. Bytes only: where a message ends, the two
// users know.
//
// Thread safety: none; the relay's thread only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <utility>

#include <steward/client/held_ends.hpp>

namespace steward::client {

class Channel {
 public:
  // So much may be under way in one direction and not be taken yet: bytes, and kFrameCost for each
  // frame. Whoever has less than that under way may send one more frame.
  static constexpr std::size_t kWindow = 512U << 10U;
  static constexpr std::size_t kFrameCost = 512;
  static constexpr std::size_t kChunk = 32U << 10U;  // the bytes of a frame, at most

  explicit Channel(HeldEnds::End local) : local_(std::move(local)) {}

  int fd() const { return local_.get(); }

  // ---- From here to the far side ----

  bool wants_to_read() const { return !spoken_ && under_way_ < kWindow; }
  // What the user has sent, at most kChunk of it; empty: nothing for now, or its end (spoken()).
  std::string read();
  // The user has closed and all that it sent was read, or nobody will hear it.
  bool spoken() const { return spoken_; }
  // False: more than was under way.
  bool taken(std::uint64_t cost);

  // ---- From the far side to here ----

  // False: more than the window.
  bool deliver(std::string_view bytes);
  bool wants_to_write() const { return !backlog_.empty(); }
  // Hands the user what it takes; the cost of the frames that are through.
  std::uint64_t write();
  // Nothing more will come, and nobody hears what is said here.
  void heard_the_end();
  bool heard() const { return heard_; }

  // Both users are done with it, as far as this side can know.
  bool finished() const { return heard_ && backlog_.empty(); }

  // What the user has sent by now is its last word.
  void let_finish();

 private:
  HeldEnds::End local_;
  bool spoken_ = false;
  bool heard_ = false;
  bool deaf_ = false;  // the user has closed: what comes is dropped, but taken
  bool reset_ = false;
  std::uint64_t under_way_ = 0;
  std::deque<std::string> backlog_;
  std::size_t written_ = 0;     // of the first
  std::uint64_t received_ = 0;  // and not said to be taken
};

}  // namespace steward::client
