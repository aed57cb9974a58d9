#include <steward/manager/serve.hpp>

#include <memory>
#include <string_view>

#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <steward/core/auth_entrance.hpp>
#include <steward/manager/server_start.hpp>
#include <steward/manager/signals.hpp>
#include <steward/shm/standard_descriptors.hpp>

namespace steward::detail::manager {
namespace {

std::shared_ptr<spdlog::logger> logger() {
  if (auto own = spdlog::get("steward")) return own;
  // Not registered: a library leaves no trace in the program's logging.
  return std::make_shared<spdlog::logger>("steward",
                                          std::make_shared<spdlog::sinks::stderr_sink_mt>());
}

}  // namespace

void warn_if_open(const ManagerOptions& options) noexcept {
  if (options.key.empty() && options.address.starts_with("tcp:")) {
    core::warn_of_open_port("use this manager");
  }
}

void serve(Types, const ManagerOptions& options,
           const std::function<void(const std::string& address)>& ready) {
  check_options(options);
  shm::keep_standard_descriptors();
  const auto log = logger();
  const BlockedSignals termination({SIGTERM, SIGINT});
  const BlockedSignals file_size({SIGXFSZ});  // `ulimit -f`: the call that writes fails as well
  const auto server =
      start_server(options, [log](std::string_view text) { log->warn("{}", text); },
                   server::lasting_bases());
  const std::string address = told_address(options, server->addresses());
  server->end_with(termination.fd());
  log->info("serving at {}", address);
  warn_if_open(options);
  if (ready) ready(address);
  server->run();
  log->info("ended");
}

}  // namespace steward::detail::manager
