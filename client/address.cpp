#include <steward/client/address.hpp>

#include <steward/client/control_socket.hpp>
#include <steward/core/ipc_address.hpp>

namespace steward::detail::client {

std::optional<IpcAddress> parse_ipc(std::string_view address) {
  constexpr std::string_view kSocket = "/manager.sock";
  const auto parsed = core::parse_ipc(address);
  if (!parsed) return std::nullopt;
  const std::string& path = parsed->path;
  if (!path.ends_with(kSocket)) return IpcAddress{parsed->text(), path, {}, parsed->boot};
  const std::string directory = path.substr(0, path.size() - kSocket.size());
  return IpcAddress{parsed->text(), directory + '/' + std::string(kControlName), parsed->text(),
                    parsed->boot};
}

bool is_local(const IpcAddress& address) {
  // Who cannot read it, for want of a descriptor or of /proc, hears from the control socket what is
  // wrong.
  const std::string here = core::boot_id();
  return address.boot.empty() || here.empty() || address.boot == here;
}

}  // namespace steward::detail::client
