#include <algorithm>
#include <iostream>
#include <map>
#include <memory>
#include <string>

#include <steward/cli/commands.hpp>
#include <steward/cli/remote.hpp>
#include <steward/cli/table.hpp>

namespace steward::cli {
namespace {

// As much of the contents as a line for a program shows.
constexpr std::size_t kShown = 60;

void list(const Remote& remote) {
  const Manager manager = remote.connect();
  const Screen screen = standard_output();
  std::map<std::uint64_t, std::string> names;
  for (const auto& [name, object] : manager.names()) names.emplace(object.id(), name);
  Table table({"OBJECT", "NAME", "CONTENTS"});
  for (const Object& object : manager.objects()) {
    const auto name = names.find(object.id());
    const std::size_t shown = screen.terminal ? screen.columns : kShown;
    table.add({short_name(object), name == names.end() ? "" : name->second,
               remote.hurried(object).contents(shown)});
  }
  table.print(std::cout, screen);
}

}  // namespace

void add_ls(CLI::App& program) {
  CLI::App* command = program.add_subcommand("ls", "List the objects of a manager");
  auto remote = std::make_shared<Remote>(*command);
  command->footer(
      "One line an object: its number, its name if it has one, the beginning of its contents.\n"
      "Tabs separate them if this is no terminal.\n\n"
      "  steward ls \"$ADDRESS\"\n"
      "  steward ls \"$ADDRESS\" | cut -f 2");
  command->callback([remote] { list(*remote); });
}

}  // namespace steward::cli
