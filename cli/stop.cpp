#include <memory>
#include <stdexcept>

#include <steward/cli/commands.hpp>
#include <steward/cli/remote.hpp>
#include <steward/manager/standalone.hpp>

namespace steward::cli {
namespace {

void stop(const Remote& remote) {
  Manager manager = remote.connect();
  const auto patience = remote.options().timeout;
  if (face::stop(manager, std::chrono::steady_clock::now() + patience)) return;
  throw std::runtime_error("the manager at " + remote.address() +
                           " was told to end, and is still there after " +
                           std::to_string(patience.count()) + " ms" +
                           (manager.pid() == 0 ? "" : ", pid " + std::to_string(manager.pid())));
}

}  // namespace

void add_stop(CLI::App& program) {
  CLI::App* command = program.add_subcommand("stop", "End a manager, and wait until it is gone");
  auto remote = std::make_shared<Remote>(*command);
  command->footer(
      "Its objects go with it; whoever waits in a call gets an error. Any manager that can be\n"
      "reached can be ended, also one that a program has started for itself.\n\n"
      "  steward stop work\n"
      "  steward stop \"$ADDRESS\" --timeout 60");
  command->callback([remote] { stop(*remote); });
}

}  // namespace steward::cli
