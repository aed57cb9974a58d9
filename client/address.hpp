// Where a manager of this host is met: at its side door, and at its ZeroMQ socket. One in a
// directory of its own, "ipc://<directory>/manager.sock", has its door beside that socket. Any
// other path is a door, whose manager says where the rest is.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace steward::client {

struct IpcAddress {
  std::string text;      // "ipc://<path>"
  std::string door;      // path of the side door
  std::string endpoint;  // what ZeroMQ is given; empty: the manager says it at the door
  std::string boot;      // empty: not said
};

// nullopt: some other kind of address. Throws BadCall if the path is not absolute.
std::optional<IpcAddress> parse_ipc(std::string_view address);

// Whether the path means anything here and now.
bool is_local(const IpcAddress& address);

}  // namespace steward::client
