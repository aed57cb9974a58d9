#include <iostream>

#include <steward/cli/commands.hpp>
#include <steward/steward.hpp>

namespace steward::cli {

void add_keygen(CLI::App& program) {
  CLI::App* command = program.add_subcommand("keygen", "Print a new random key");
  command->footer(
      "Whoever has the key may connect: keep it in a file that only you can read.\n\n"
      "  (umask 077; steward keygen > team.key)");
  command->callback([] { std::cout << generate_key() << '\n'; });
}

}  // namespace steward::cli
