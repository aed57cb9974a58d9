#include <steward/manager/serve.hpp>

#include <memory>
#include <string_view>
#include <system_error>

#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <steward/core/errors.hpp>
#include <steward/manager/private_server.hpp>
#include <steward/manager/server/server.hpp>
#include <steward/manager/signals.hpp>
#include <steward/shm/standard_descriptors.hpp>

namespace steward::face {
namespace {

std::shared_ptr<spdlog::logger> logger() {
  if (auto own = spdlog::get("steward")) return own;
  // Not registered: a library leaves no trace in the program's logging.
  return std::make_shared<spdlog::logger>("steward",
                                          std::make_shared<spdlog::sinks::stderr_sink_mt>());
}

std::unique_ptr<server::Server> start(const ManagerOptions& options,
                                      const std::shared_ptr<spdlog::logger>& log) {
  server::ServerOptions with;
  with.entrance = {options.address, options.key};
  with.limits = options.limits;
  with.note = [log](std::string_view text) { log->warn("{}", text); };
  try {
    return std::make_unique<server::Server>(server::builtin_classes(), std::move(with));
  } catch (const std::system_error& error) {
    throw core::Failure(std::string("the manager's server cannot be started: ") + error.what());
  }
}

}  // namespace

void serve(Types, const ManagerOptions& options,
           const std::function<void(const std::string& address)>& ready) {
  check_options(options);
  shm::keep_standard_descriptors();
  const auto log = logger();
  const BlockedSignals termination({SIGTERM, SIGINT});
  const std::unique_ptr<server::Server> server = start(options, log);
  const std::string address = server->addresses().back();
  server->end_with(termination.fd());
  log->info("serving at {}", address);
  if (ready) ready(address);
  server->run();
  log->info("ended");
}

}  // namespace steward::face
