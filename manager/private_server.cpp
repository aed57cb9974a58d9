#include <steward/manager/private_server.hpp>

#include <unistd.h>

#include <system_error>

#include <steward/core/codec.hpp>
#include <steward/core/errors.hpp>
#include <steward/core/threads_allowed.hpp>
#include <steward/manager/server/directory.hpp>
#include <steward/manager/server/server.hpp>
#include <steward/manager/signals.hpp>
#include <steward/process/launch.hpp>

namespace steward::face {
namespace {

// Plenty for a server that is told to end, when nobody has said how long it may take.
constexpr std::chrono::milliseconds kPatience{1000};

// What the new process is told. The key goes along: through a socket of the fork server, and never
// by arguments or environment, where others could read it.
struct Orders {
  std::string address;
  std::string key;
  core::Limits limits;
  MSGPACK_DEFINE(address, key, limits)
};

server::ServerOptions server_options(const Orders& orders) {
  server::ServerOptions options;
  options.entrance = {orders.address, orders.key};
  options.limits = orders.limits;
  return options;
}

// In the new process.
void serve_owner(process::ChildContext& context, std::string_view arguments) {
  // SIGINT is the owner's: a Ctrl-C must not take the objects from under it.
  const BlockedSignals termination({SIGTERM});
  core::check_threads_allowed();
  server::Server server(server::builtin_classes(),
                        server_options(core::unpack<Orders>(arguments)));
  server.end_with(termination.fd());
  server.end_with(context.owner_pidfd());
  context.confirm(core::packed(server.addresses()));
  server.run();
}

process::Child launch_server(const ManagerOptions& options) {
  check_options(options);
  process::Launch order;
  order.entry = serve_owner;
  order.arguments = core::packed(Orders{options.address, options.key, options.limits});
  order.name = "Manager";
  order.server = true;
  try {
    return process::launch(order);
  } catch (const std::system_error& error) {
    throw core::Failure(std::string("the manager's server cannot be started: ") + error.what());
  }
}

}  // namespace

void check_options(const ManagerOptions& options) {
  server::check_entrance({options.address, options.key});
  core::check_limits(options.limits);
}

PrivateServer::PrivateServer(Types, const ManagerOptions& options)
    : process_(launch_server(options)),
      addresses_(core::unpack<std::vector<std::string>>(process_.confirmation())),
      creator_(::getpid()) {}

PrivateServer::~PrivateServer() {
  if (!process_ || !is_ours()) return;
  try {
    end(kPatience);
  } catch (const std::exception&) {
    // The fork server is gone too; the server sees its owner's end.
  }
}

bool PrivateServer::is_ours() const { return creator_ == ::getpid(); }

void PrivateServer::end(std::chrono::milliseconds patience) const {
  if (running()) process_.end(patience / 2);
  process_.wait();
  server::remove_dead_directory(server::directory_of(addresses_.front()));
}

}  // namespace steward::face
