#include <steward/manager/server_start.hpp>

#include <system_error>
#include <utility>

#include <steward/client/address.hpp>
#include <steward/client/names.hpp>
#include <steward/core/auth.hpp>
#include <steward/core/errors.hpp>
#include <steward/core/threads_allowed.hpp>
#include <steward/shm/socket_path.hpp>

namespace steward::detail::manager {
namespace {

constexpr std::string_view kIpc = "ipc://";

[[noreturn]] void fail(const std::string& why) {
  throw core::Failure("the manager's server cannot be started: " + why);
}

// The path of a socket of this host where the manager is met too; empty: none.
std::string control_of(const ManagerOptions& options) {
  const auto address = client::parse_ipc(options.address);
  if (!address) return {};
  if (!address->endpoint.empty()) {
    throw BadCall("a manager cannot listen at " + address->text +
                  ": sockets of that name are in directories that managers make for themselves");
  }
  if (!address->boot.empty()) {
    throw BadCall("a manager cannot listen at " + options.address + ": leave out ?boot=" +
                  address->boot);
  }
  return address->control;
}

server::RemoteEntrance entrance_of(const ManagerOptions& options) {
  if (options.address.starts_with(kIpc)) return {};
  return {options.address, options.key};
}

std::string taken(const std::string& socket) {
  const std::string name = client::name_in(std::string(kIpc) + socket);
  const pid_t owner = shm::SocketPath::owner(socket);
  return (name.empty() ? "a manager is running already at ipc://" + socket
                       : "a manager named '" + name + "' is running already") +
         (owner != 0 ? ", pid " + std::to_string(owner) : "");
}

}  // namespace

void check_options(const ManagerOptions& options) {
  control_of(options);
  server::RemoteEntrance entrance = entrance_of(options);
  const core::ErasedAtEnd key(entrance.key);
  server::check_entrance(entrance);
  core::check_limits(options.limits);
}

std::unique_ptr<server::Server> start_server(const ManagerOptions& options,
                                             std::function<void(std::string_view)> note,
                                             const std::vector<server::Base>& bases) {
  server::ServerOptions with;
  with.entrance = entrance_of(options);
  with.control = control_of(options);
  with.limits = options.limits;
  with.note = std::move(note);
  const std::string socket = with.control;
  try {
    core::check_threads_allowed();
    return std::make_unique<server::Server>(std::make_unique<server::Directory>(bases), nullptr,
                                            server::builtin_classes(), std::move(with));
  } catch (const std::system_error& error) {
    if (!socket.empty() && error.code() == std::errc::address_in_use) {
      throw core::Failure(taken(socket));
    }
    fail(error.what());
  }
}

std::string told_address(const ManagerOptions& options,
                         const std::vector<std::string>& addresses) {
  return options.address.starts_with(kIpc) ? options.address : addresses.back();
}

}  // namespace steward::detail::manager
