// End: the socket and the message stream of one end of a connection, before a Connection owns them.
// Movable; thread safety: none.
#pragma once

#include <memory>

#include <steward/pipe/message_stream.hpp>
#include <steward/process/passed_fd.hpp>

namespace steward::detail::pipe {

struct End {
  process::PassedFd socket;
  std::unique_ptr<MessageStream> stream;
};

}  // namespace steward::detail::pipe
