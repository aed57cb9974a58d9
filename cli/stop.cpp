#include <stdexcept>

#include <steward/cli/commands.hpp>
#include <steward/cli/remote.hpp>
#include <steward/manager/standalone.hpp>

namespace steward::cli {
namespace {

struct Stop : Remote {
  using Remote::Remote;

  void run(Manager& manager) const {
    if (detail::manager::stop(manager, options().timeout)) return;
    throw std::runtime_error("the manager at " + address() +
                             " was told to end, and is still there after " +
                             std::to_string(options().timeout.count()) + " ms" +
                             (manager.pid() == 0 ? "" : ", pid " + std::to_string(manager.pid())));
  }
};

}  // namespace

void add_stop(CLI::App& program) {
  add_remote<Stop>(
      program, "stop", "End a manager, and wait until it is gone",
      "Its objects go with it; whoever waits in a call gets an error. Any manager that can be\n"
      "reached can be ended, also one that a program has started for itself.\n\n"
      "  steward stop work\n"
      "  steward stop \"$ADDRESS\" --timeout 60");
}

}  // namespace steward::cli
