// The addresses of managers on this host. "ipc://<directory>/manager.sock" names the ZeroMQ socket
// of a manager in a directory of its own; the control socket is beside it. Any other path is that
// of a control socket, and its manager says there where the ZeroMQ socket is.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace steward::detail::client {

struct IpcAddress {
  std::string text;      // "ipc://<path>"
  std::string control;   // path of the control socket
  std::string endpoint;  // what ZeroMQ is given; empty: the manager says it at the control socket
  std::string boot;      // empty: not said
};

// nullopt: some other kind of address. Throws BadCall if the path is not absolute.
std::optional<IpcAddress> parse_ipc(std::string_view address);

// Whether the address is of this host and of its present boot.
bool is_local(const IpcAddress& address);

}  // namespace steward::detail::client
