#include <iostream>
#include <memory>
#include <sstream>
#include <string>

#include <steward/cli/commands.hpp>
#include <steward/cli/remote.hpp>
#include <steward/cli/table.hpp>

namespace steward::cli {
namespace {

struct Show {
  explicit Show(CLI::App& command) : remote(command) { add_object(command, text); }

  void run() const {
    const Manager manager = remote.connect();
    const Object object =
        remote.hurried(find_object(manager, text, remote.options()));
    std::ostringstream contents;
    contents << object;
    Screen screen = standard_output();
    screen.columns = std::string::npos;  // all of it
    Table table;
    table.add({"object", short_name(object)});
    for (const auto& [name, named] : manager.names()) {
      if (named == object) table.add({"name", name});
    }
    table.add({"handle", object.handle().str()});
    table.add({"contents", contents.str()});
    table.print(std::cout, screen);
  }

  Remote remote;
  std::string text;
};

}  // namespace

void add_show(CLI::App& program) {
  CLI::App* command = program.add_subcommand("show", "Show one object: number, name, contents");
  auto show = std::make_shared<Show>(*command);
  command->footer(
      "The handle is for other programs; it keeps the object for a minute, until one opens it.\n\n"
      "  steward show \"$ADDRESS\" scores\n"
      "  steward show \"$ADDRESS\" list#3");
  command->callback([show] { show->run(); });
}

}  // namespace steward::cli
