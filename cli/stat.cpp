#include <iostream>
#include <memory>
#include <string>

#include <steward/cli/commands.hpp>
#include <steward/cli/json.hpp>
#include <steward/cli/prometheus.hpp>
#include <steward/cli/remote.hpp>
#include <steward/cli/table.hpp>

namespace steward::cli {
namespace {

// The rows of a map, and of maps inside: "calls.list.append.errors".
void add_rows(Table& table, const std::string& prefix, const Value& value) {
  if (value.kind() != ValueKind::map) return table.add({prefix, to_json(value)});
  for (const auto& [key, item] : value.map()) {
    add_rows(table, prefix.empty() ? key.string() : prefix + "." + key.string(), item);
  }
}

struct Stat {
  explicit Stat(CLI::App& command) : remote(command) {
    command.add_option("--format", format, "json, prometheus, or table for people")
        ->option_text("FORMAT")
        ->check(CLI::IsMember({"table", "json", "prometheus"}));
  }

  void run() const {
    const Value stat = remote.connect().stat();
    if (format == "json") {
      std::cout << to_json(stat) << '\n';
    } else if (format == "prometheus") {
      print_prometheus(std::cout, stat);
    } else {
      Table table;
      add_rows(table, "", stat);
      table.print(std::cout, standard_output());
    }
  }

  Remote remote;
  std::string format = "table";
};

}  // namespace

void add_stat(CLI::App& program) {
  CLI::App* command = program.add_subcommand("stat", "Show what a manager counts and uses");
  auto stat = std::make_shared<Stat>(*command);
  command->footer(
      "docs/protocol.md says what each number is.\n\n"
      "  steward stat \"$ADDRESS\"\n"
      "  steward stat \"$ADDRESS\" --format prometheus > steward.prom");
  command->callback([stat] { stat->run(); });
}

}  // namespace steward::cli
