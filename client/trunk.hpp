// Trunk: what two relays talk over. It carries the frames of many connections, each by its route,
// the name that the trunk gives it.
//
// A frame is a MessagePack array, [1, kind, ...]: docs/protocol.md, section 13.
#pragma once

#include <poll.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace steward::client {

struct TrunkEvent {
  enum class Kind : std::uint8_t { frame, gone };  // gone: the route is, after its last frame
  Kind kind = Kind::frame;
  std::string route;
  std::string frame;
};

// Thread safety: none; a relay's thread only.
class Trunk {
 public:
  virtual ~Trunk() = default;

  // Descriptors whose readability means that receive() may have something. Edge-triggered: after a
  // send() or receive(), ask readable() before waiting.
  virtual const std::vector<pollfd>& poll_fds() const = 0;
  virtual bool readable() = 0;

  // False: nothing is there.
  virtual bool receive(TrunkEvent& event) = 0;
  // False: the route is gone.
  virtual bool send(const std::string& route, std::string_view frame) = 0;
};

enum class FrameKind : std::uint8_t {
  hello = 32,    // the first of a connection, from who connects
  welcome = 33,  // the answer; or
  refused = 34,  // with a reason
  data = 35,     // bytes of the connection
  taken = 36,    // so much of the data has gone on (bytes, and kFrameCost for each frame)
  end = 37,      // this side neither says nor hears anything more; answered with the same
};

struct TrunkFrame {
  FrameKind kind{};
  std::string_view bytes;   // data, or a reason
  std::uint64_t count = 0;  // taken
};

std::string encode_frame(const TrunkFrame& frame);
// nullopt: it is none.
std::optional<TrunkFrame> decode_frame(std::string_view bytes);

}  // namespace steward::client
