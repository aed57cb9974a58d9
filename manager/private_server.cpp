#include <steward/manager/private_server.hpp>

#include <unistd.h>

#include <system_error>

#include <steward/core/auth.hpp>
#include <steward/core/codec.hpp>
#include <steward/core/errors.hpp>
#include <steward/manager/server/directory.hpp>
#include <steward/manager/serve.hpp>
#include <steward/manager/server_start.hpp>
#include <steward/manager/signals.hpp>
#include <steward/process/launch.hpp>

namespace steward::detail::manager {
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

// As a string grows it leaves copies of itself behind.
constexpr std::size_t kOrdersBytes = 4096;

// In the new process.
void serve_owner(process::ChildContext& context, std::string_view arguments) {
  // SIGINT is the owner's: a Ctrl-C must not take the objects from under it.
  const BlockedSignals termination({SIGTERM});
  const auto server = [&] {
    auto orders = core::unpack<Orders>(arguments);
    ManagerOptions options{.address = orders.address, .key = {}, .limits = orders.limits};
    options.key.swap(orders.key);
    const core::ErasedAtEnd key(options.key);
    return start_server(options);
  }();
  server->end_with(termination.fd());
  server->end_with(context.owner_pidfd());
  context.confirm(core::packed(server->addresses()));
  server->run();
}

process::Child launch_server(const ManagerOptions& options) {
  check_options(options);
  process::Launch order;
  order.entry = serve_owner;
  const core::ErasedAtEnd erased(order.arguments);
  order.arguments.reserve(kOrdersBytes);
  {
    Orders orders{options.address, options.key, options.limits};
    const core::ErasedAtEnd key(orders.key);
    core::pack(order.arguments, orders);
  }
  order.name = "Manager";
  order.server = true;
  try {
    process::Child server = process::launch(order);
    warn_if_open(options);
    return server;
  } catch (const std::system_error& error) {
    throw core::Failure(std::string("the manager's server cannot be started: ") + error.what());
  } catch (const WorkerDied&) {
    server::sweep_dead_directories();  // what it left
    throw;
  }
}

}  // namespace

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

}  // namespace steward::detail::manager
