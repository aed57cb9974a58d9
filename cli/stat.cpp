#include <iostream>
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

struct Stat : Remote {
  explicit Stat(CLI::App& command) : Remote(command) {
    command.add_option("--format", format, "json, prometheus, or table for people")
        ->option_text("FORMAT")
        ->check(CLI::IsMember({"table", "json", "prometheus"}));
  }

  void run(const Manager& manager) const {
    const Value stat = manager.stat();
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

  std::string format = "table";
};

}  // namespace

void add_stat(CLI::App& program) {
  add_remote<Stat>(program, "stat", "Show what a manager counts and uses",
                   "docs/protocol.md says what each number is.\n\n"
                   "  steward stat \"$ADDRESS\"\n"
                   "  steward stat \"$ADDRESS\" --format prometheus > steward.prom");
}

}  // namespace steward::cli
