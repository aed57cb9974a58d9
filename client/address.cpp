#include <steward/client/address.hpp>

#include <fstream>

#include <steward/core/errors.hpp>

namespace steward::client {

std::optional<IpcAddress> parse_ipc(std::string_view address) {
  constexpr std::string_view kScheme = "ipc://";
  constexpr std::string_view kBoot = "?boot=";
  if (!address.starts_with(kScheme)) return std::nullopt;
  IpcAddress parsed;
  const std::size_t query = address.find('?');
  if (query != std::string_view::npos && address.substr(query).starts_with(kBoot)) {
    parsed.boot = address.substr(query + kBoot.size());
  }
  parsed.endpoint = address.substr(0, query);
  const std::string_view path = std::string_view(parsed.endpoint).substr(kScheme.size());
  const std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos || slash == 0) {
    throw BadCall("not a manager's address: \"" + std::string(address) + "\" names no directory");
  }
  parsed.directory = path.substr(0, slash);
  return parsed;
}

std::string boot_id() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  file >> id;
  return id;
}

bool is_local(const IpcAddress& address) {
  return address.boot.empty() || address.boot == boot_id();
}

}  // namespace steward::client
