#include <memory>
#include <stdexcept>
#include <string>

#include <steward/cli/commands.hpp>
#include <steward/cli/remote.hpp>

namespace steward::cli {
namespace {

struct Remove {
  explicit Remove(CLI::App& command) : remote(command) {
    command.add_option("NAME", name, "An object's name")->option_text(" ")->required();
  }

  void run() const {
    Manager manager = remote.connect();
    if (manager.remove(unshielded(name))) return;
    throw std::out_of_range("there is no object named '" + unshielded(name) + "'");
  }

  Remote remote;
  std::string name;
};

}  // namespace

void add_remove(CLI::App& program) {
  CLI::App* command = program.add_subcommand("remove", "Take away an object's name");
  auto remove = std::make_shared<Remove>(*command);
  command->footer(
      "The object goes when nobody else uses it.\n\n"
      "  steward remove \"$ADDRESS\" scores");
  command->callback([remove] { remove->run(); });
}

}  // namespace steward::cli
