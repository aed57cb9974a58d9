#include <iostream>
#include <sstream>
#include <string>

#include <steward/cli/commands.hpp>
#include <steward/cli/remote.hpp>
#include <steward/cli/table.hpp>

namespace steward::cli {
namespace {

struct Show : Remote {
  explicit Show(CLI::App& command) : Remote(command) { add_object(command, text); }

  void run(const Manager& manager) const {
    const Object object = hurried(find_object(manager, text, options()));
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

  std::string text;
};

}  // namespace

void add_show(CLI::App& program) {
  add_remote<Show>(
      program, "show", "Show one object: number, name, contents",
      "The handle is for other programs; it keeps the object for a minute, until one opens it.\n\n"
      "  steward show \"$ADDRESS\" scores\n"
      "  steward show \"$ADDRESS\" list#3");
}

}  // namespace steward::cli
