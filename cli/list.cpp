#include <chrono>
#include <ctime>
#include <iostream>
#include <string>

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
  Table table({"ADDRESS", "PID", "SINCE", "OBJECTS", "NAME"});
  for (const face::LocalManager& one : face::local_managers()) {
    if (one.silence.empty()) {
      table.add({one.address, std::to_string(one.pid), local_time(one.started),
                 std::to_string(one.objects), one.name});
    } else {
      std::cerr << "steward: " << visible(one.silence) << '\n';
    }
  }
  Screen screen = standard_output();
  screen.columns = std::string::npos;  // addresses are there to be copied
  table.print(std::cout, screen);
}

}  // namespace

void add_list(CLI::App& program) {
  CLI::App* command = program.add_subcommand("list", "List the managers of this user on this host");
  command->footer(
      "One line a manager: its address, its process, since when it runs, how many objects it has,\n"
      "its name if it has one. Those that programs have started for themselves are among them.\n"
      "Tabs separate the fields if this is no terminal.\n\n"
      "  steward list\n"
      "  steward list | cut -f 1 | while read -r ADDRESS; do steward ls \"$ADDRESS\"; done");
  command->callback([] { list(); });
}

}  // namespace steward::cli
