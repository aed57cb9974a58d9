#include <steward/pipe/connection.hpp>

namespace steward::detail::pipe {

void throw_no_end(std::string_view method, bool closed) {
  const std::string call = "Connection." + std::string(method) + ": ";
  if (closed) throw Closed(call + "it was closed");
  throw BadCall(call + "it is empty: it was moved, or never connected, or is an end that this "
                "process was not given");
}

}  // namespace steward::detail::pipe
