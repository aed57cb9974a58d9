// Addresses of managers on this host: "ipc://<path of a socket>". In handles "?boot=<id>" follows,
// since a path means something on one host and until its next boot only. The path is taken as it
// stands, whatever characters it has.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace steward::detail::core {

struct IpcAddress {
  std::string path;
  std::string boot;  // empty: not said

  // Without the boot.
  std::string text() const { return "ipc://" + path; }
};

// nullopt: some other kind of address. Throws BadCall if the path is not absolute.
std::optional<IpcAddress> parse_ipc(std::string_view address);

// This host's present boot; empty if the kernel does not say.
std::string boot_id();

}  // namespace steward::detail::core
