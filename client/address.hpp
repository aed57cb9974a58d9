// Addresses of managers on this host, as handles carry them: "ipc://<directory>/manager.sock", with
// "?boot=<id>" behind it, since a path means something on one host and until its next boot only.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace steward::client {

struct IpcAddress {
  std::string endpoint;   // "ipc://<directory>/manager.sock": what ZeroMQ is given
  std::string directory;  // where the side door stands too
  std::string boot;       // empty: not said
};

// nullopt: some other kind of address. Throws BadCall if it is an ipc address without a directory.
std::optional<IpcAddress> parse_ipc(std::string_view address);

// This host's present boot; empty if the kernel does not say.
std::string boot_id();

// Whether the path means anything here and now.
bool is_local(const IpcAddress& address);

}  // namespace steward::client
