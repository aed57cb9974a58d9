#include <steward/core/ipc_address.hpp>

#include <fstream>

#include <steward/core/errors.hpp>

namespace steward::detail::core {

std::optional<IpcAddress> parse_ipc(std::string_view address) {
  constexpr std::string_view kScheme = "ipc://";
  constexpr std::string_view kBoot = "?boot=";
  if (!address.starts_with(kScheme)) return std::nullopt;
  std::string_view path = address.substr(kScheme.size());
  IpcAddress parsed;
  // A directory's name may look like that too.
  const std::size_t query = path.rfind(kBoot);
  if (query != std::string_view::npos && path.find('/', query) == std::string_view::npos) {
    parsed.boot = path.substr(query + kBoot.size());
    path = path.substr(0, query);
  }
  if (!path.starts_with('/') || path.ends_with('/') || path.find('\0') != std::string_view::npos) {
    throw BadCall("not a manager's address: \"" + std::string(address) +
                  "\" has no absolute path of a socket");
  }
  parsed.path = path;
  return parsed;
}

std::string boot_id() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  file >> id;
  return id;
}

}  // namespace steward::detail::core
