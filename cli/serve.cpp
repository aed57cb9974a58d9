#include <iostream>
#include <memory>
#include <string>

#include <steward/cli/commands.hpp>
#include <steward/cli/key_file.hpp>
#include <steward/cli/remote.hpp>
#include <steward/cli/usage.hpp>

namespace steward::cli {
namespace {

struct Serve {
  std::string address;
  std::string key_file;

  void run() const {
    ManagerOptions options;
    options.address = unshielded(address);
    if (!key_file.empty()) options.key = read_key(key_file);
    try {
      Manager::serve(options, [](const std::string& where) { std::cout << where << std::endl; });
    } catch (const BadCall& error) {
      throw UsageError(error.what());
    }
  }
};

}  // namespace

void add_serve(CLI::App& program) {
  CLI::App* command =
      program.add_subcommand("serve", "Run a manager until SIGTERM, SIGINT or a shutdown call");
  auto serve = std::make_shared<Serve>();
  command
      ->add_option("--address", serve->address,
                   "Where to listen; without it on this host, for this user")
      ->option_text("ADDRESS");
  add_key_file(*command, serve->key_file);
  command->footer(
      "The first line of its output is its address; it logs to standard error.\n\n"
      "  read -r ADDRESS < <(steward serve)\n"
      "  steward ls \"$ADDRESS\"");
  command->callback([serve] { serve->run(); });
}

}  // namespace steward::cli
