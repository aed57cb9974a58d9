// Where a manager of this host is met: at its control socket, and at its ZeroMQ socket. One in a
// directory of its own, "ipc://<directory>/manager.sock", has its control socket beside that
// socket. Any other path is a control socket, whose manager says where the rest is.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace steward::detail::client {

struct IpcAddress {
  std::string text;      // "ipc://<path>"
  std::string control;      // path of the control socket
  std::string endpoint;  // what ZeroMQ is given; empty: the manager says it at the control socket
  std::string boot;      // empty: not said
};

// nullopt: some other kind of address. Throws BadCall if the path is not absolute.
std::optional<IpcAddress> parse_ipc(std::string_view address);

// Whether the path means anything here and now.
bool is_local(const IpcAddress& address);

}  // namespace steward::detail::client
