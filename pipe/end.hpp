// End: what a Connection is made of.
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
