#include <iostream>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>

#include <steward/cli/commands.hpp>
#include <steward/cli/json.hpp>
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

Value find(const Value& map, std::string_view key) {
  for (const auto& [name, value] : map.map()) {
    if (name == Value(key)) return value;
  }
  return {};
}

// The text format of Prometheus: for each metric its help, its type, its samples.
class Prometheus {
 public:
  explicit Prometheus(std::ostream& out) : out_(out) {}

  void metric(std::string_view name, std::string_view type, std::string_view help) {
    name_ = "steward_" + std::string(name);
    out_ << "# HELP " << name_ << ' ' << help << "\n# TYPE " << name_ << ' ' << type << '\n';
  }
  // Without a value there is no sample: the manager does not know it.
  void sample(const Value& value, std::string_view labels = {}) {
    if (value.kind() != ValueKind::integer && value.kind() != ValueKind::real) return;
    out_ << name_;
    if (!labels.empty()) out_ << '{' << labels << '}';
    out_ << ' ' << to_json(value) << '\n';
  }
  // One sample for each entry, under this label.
  void samples(const Value& map, std::string_view label) {
    if (map.kind() != ValueKind::map) return;
    for (const auto& [key, value] : map.map()) sample(value, one(label, key.string()));
  }
  static std::string one(std::string_view label, std::string_view value) {
    std::string text = std::string(label) + "=\"";
    for (const char letter : value) {
      if (letter == '"' || letter == '\\') text += '\\';
      letter == '\n' ? text += "\\n" : text += letter;
    }
    return text + '"';
  }

 private:
  std::ostream& out_;
  std::string name_;
};

void print_calls(Prometheus& out, const Value& calls, std::string_view field) {
  if (calls.kind() != ValueKind::map) return;
  for (const auto& [key, counts] : calls.map()) {
    const std::string& method = key.string();
    const auto dot = method.find('.');
    out.sample(find(counts, field), Prometheus::one("class", method.substr(0, dot)) + "," +
                                        Prometheus::one("method", method.substr(dot + 1)));
  }
}

void print_prometheus(std::ostream& stream, const Value& stat) {
  Prometheus out(stream);
  const auto single = [&](std::string_view name, std::string_view type, std::string_view key,
                          std::string_view help) {
    out.metric(name, type, help);
    out.sample(find(stat, key));
  };
  single("uptime_seconds", "gauge", "uptime", "Time since the manager began.");
  single("cpu_seconds_total", "counter", "cpu", "Time of computing that it has used.");
  single("resident_memory_bytes", "gauge", "memory", "Memory of its process.");
  single("sessions", "gauge", "sessions", "Clients that it serves.");
  single("parked_calls", "gauge", "parked_calls", "Calls that wait for others.");
  single("names", "gauge", "names", "Objects that have a name.");
  out.metric("objects", "gauge", "Objects that exist.");
  out.samples(find(stat, "objects"), "class");
  for (const std::string_view way : {"received", "sent"}) {
    const Value traffic = find(stat, way);
    out.metric(std::string(way) + "_bytes_total", "counter", "Bytes of frames, without ZeroMQ's.");
    out.sample(find(traffic, "bytes"));
    out.metric(std::string(way) + "_frames_total", "counter", "Frames.");
    out.sample(find(traffic, "frames"));
  }
  const Value calls = find(stat, "calls");
  out.metric("calls_total", "counter", "Calls that have ended.");
  print_calls(out, calls, "calls");
  out.metric("call_errors_total", "counter", "Calls that have ended with an error.");
  print_calls(out, calls, "errors");
  out.metric("call_timeouts_total", "counter", "Calls that waited in vain.");
  print_calls(out, calls, "timeouts");
  out.metric("incidents_total", "counter", "Clients that were cut off or refused.");
  out.samples(find(stat, "incidents"), "kind");
  out.metric("limit", "gauge", "Limits; 0 is none.");
  out.samples(find(stat, "limits"), "of");
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
