#include <algorithm>
#include <iostream>
#include <map>
#include <string>

#include <steward/cli/commands.hpp>
#include <steward/cli/remote.hpp>
#include <steward/cli/table.hpp>

namespace steward::cli {
namespace {

// As much of the contents as a line for a program shows.
constexpr std::size_t kShown = 60;

struct Ls : Remote {
  using Remote::Remote;

  void run(const Manager& manager) const {
    const Screen screen = standard_output();
    std::map<std::uint64_t, std::string> names;
    for (const auto& [name, object] : manager.names()) names.emplace(object.id(), name);
    Table table({"OBJECT", "NAME", "CONTENTS"});
    for (const Object& object : manager.objects()) {
      const auto name = names.find(object.id());
      const std::size_t shown = screen.terminal ? screen.columns : kShown;
      table.add({short_name(object), name == names.end() ? "" : name->second,
                 hurried(object).contents(shown)});
    }
    table.print(std::cout, screen);
  }
};

}  // namespace

void add_ls(CLI::App& program) {
  add_remote<Ls>(
      program, "ls", "List the objects of a manager",
      "One line an object: its number, its name if it has one, the beginning of its contents.\n"
      "Tabs separate them if this is no terminal.\n\n"
      "  steward ls \"$ADDRESS\"\n"
      "  steward ls \"$ADDRESS\" | cut -f 2");
}

}  // namespace steward::cli
