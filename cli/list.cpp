#include <chrono>
#include <ctime>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

#include <steward/cli/commands.hpp>
#include <steward/cli/table.hpp>
#include <steward/manager/standalone.hpp>

namespace steward::cli {
namespace {

std::string local_time(std::chrono::system_clock::time_point when) {
  const std::time_t time = std::chrono::system_clock::to_time_t(when);
  std::tm local{};
  ::localtime_r(&time, &local);
  std::string text(sizeof "2000-01-01 00:00:00", '\0');
  text.resize(std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S", &local));
  return text;
}

void list() {
  const std::vector<detail::manager::LocalManager> all = detail::manager::local_managers();
  Table table({"ADDRESS", "PID", "SINCE", "OBJECTS", "NAME"});
  std::size_t silent = 0;
  for (const detail::manager::LocalManager& one : all) {
    if (one.silence.empty()) {
      table.add({one.address, std::to_string(one.pid), local_time(one.started),
                 std::to_string(one.objects), one.name});
      continue;
    }
    ++silent;
    const std::string name = one.name.empty() ? "" : " (its name is '" + one.name + "')";
    std::cerr << "steward: " << visible(one.silence + name) << '\n';
  }
  Screen screen = standard_output();
  screen.columns = std::string::npos;  // addresses are there to be copied
  table.print(std::cout, screen);
  if (silent == 0) return;
  throw std::runtime_error(std::to_string(silent) + " of " + std::to_string(all.size()) +
                           " managers did not answer");
}

}  // namespace

void add_list(CLI::App& program) {
  CLI::App* command = program.add_subcommand("list", "List the managers of this user on this host");
  command->footer(
      "One line a manager: the address that it was told to listen at, or else the one that it has\n"
      "for its user; its process, since when it runs, how many objects it has, its name, if any.\n"
      "Those that programs have started for themselves are among them. If some have not answered\n"
      "after two seconds, standard error says which, and the program exits with 1.\n"
      "Tabs separate the fields if this is no terminal.\n\n"
      "  steward list\n"
      "  steward list | cut -f 1 | while read -r ADDRESS; do steward ls \"$ADDRESS\"; done");
  command->callback([] { list(); });
}

}  // namespace steward::cli
