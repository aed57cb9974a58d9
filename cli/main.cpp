// steward: managers and their objects from a shell.
#include <algorithm>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <string>
#include <vector>

#include <steward/cli/commands.hpp>
#include <steward/cli/remote.hpp>
#include <steward/cli/table.hpp>
#include <steward/cli/usage.hpp>

namespace steward::cli {
namespace {

// "usage: steward ls [OPTIONS] ADDRESS" of the command that was meant, as far as that is known.
std::string usage(const CLI::App& program) {
  const std::string help = program.help();
  const std::size_t begin = help.find("Usage: ") + 1;
  return "u" + help.substr(begin, help.find('\n', begin) - begin);
}

// One line, whatever it was.
int complain(const std::string& what, int code) {
  std::string line = what;
  std::ranges::replace(line, '\n', ' ');
  std::cerr << "steward: " << visible(line) << '\n';
  return code;
}

int complain_of_usage(const CLI::App& program, const std::string& what) {
  return complain(what + "; " + usage(program) + "; --help says more", kWrongArgument);
}

void add_commands(CLI::App& program) {
  program.description("Managers of shared objects, and their objects, from a shell");
  program.name("steward");
  program.require_subcommand(1);
  program.set_version_flag("--version", "steward " STEWARD_VERSION);
  program.set_help_all_flag("--help-all", "Show the help of all commands and exit");
  program.footer(
      "Values are JSON. The exit code is 0 if all is done; 1 if it failed, or a part of it, and\n"
      "standard error says why; 2 if the arguments are wrong, and nothing was done.\n"
      "`steward COMMAND --help` shows examples.");
  add_serve(program);
  add_list(program);
  add_stop(program);
  add_keygen(program);
  add_ls(program);
  add_show(program);
  add_call(program);
  add_create(program);
  add_remove(program);
  add_stat(program);
}

bool has_command(CLI::App& program, const std::string& name) {
  const auto commands = program.get_subcommands([](const CLI::App*) { return true; });
  return std::ranges::any_of(commands,
                             [&](const CLI::App* one) { return one->get_name() == name; });
}

int run(int argc, char** argv) {
  CLI::App program;
  add_commands(program);
  // CLI11 wants them last first.
  std::vector<std::string> arguments;
  for (int i = argc - 1; i > 0; --i) arguments.push_back(shielded(argv[i]));
  // CLI11 would say that a command is missing.
  const std::string first = argc > 1 ? argv[1] : "-";
  if (!first.starts_with('-') && !has_command(program, first)) {
    return complain_of_usage(program, "there is no command '" + first + "'");
  }
  try {
    program.parse(std::move(arguments));
  } catch (const CLI::Success& help) {
    return program.exit(help);
  } catch (const CLI::ParseError& error) {
    return complain_of_usage(program, error.what());
  } catch (const UsageError& error) {
    return complain_of_usage(program, error.what());
  } catch (const std::exception& error) {
    return complain(error.what(), kFailed);
  }
  std::cout.flush();
  return std::cout ? EXIT_SUCCESS : complain("cannot write the result", kFailed);
}

}  // namespace
}  // namespace steward::cli

int main(int argc, char** argv) { return steward::cli::run(argc, argv); }
