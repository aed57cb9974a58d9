#include <stdexcept>
#include <string>

#include <steward/cli/commands.hpp>
#include <steward/cli/remote.hpp>

namespace steward::cli {
namespace {

struct Remove : Remote {
  explicit Remove(CLI::App& command) : Remote(command) {
    command.add_option("NAME", name, "An object's name")->option_text(" ")->required();
  }

  void run(Manager& manager) const {
    if (manager.remove(unshielded(name))) return;
    throw std::out_of_range("there is no object named '" + unshielded(name) + "'");
  }

  std::string name;
};

}  // namespace

void add_remove(CLI::App& program) {
  add_remote<Remove>(program, "remove", "Take away an object's name",
                     "The object goes when nobody else uses it.\n\n"
                     "  steward remove \"$ADDRESS\" scores");
}

}  // namespace steward::cli
