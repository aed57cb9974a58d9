// steward_bench: Steward beside its peers, in one run. bench/README.md tells what the rows mean and
// how they are measured.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include <steward/bench/groups.hpp>
#include <steward/bench/machine.hpp>
#include <steward/steward.hpp>

namespace {

using namespace steward::bench;

struct Group {
  const char* name;
  void (*measure)(Bench&);
};
constexpr Group kGroups[] = {
    {"calls", measure_calls},
    {"pipelined", measure_pipelined},
    {"cpu", measure_cpu},
    {"connections", measure_connections},
    {"queue", measure_queue},
    {"queue_trip", measure_queue_trip},
    {"queue_many", measure_queue_many},
    {"queue_idle", measure_queue_idle},
    {"pool", measure_pool},
};

Options quick_options() {
  Options options;
  options.rounds = 2;
  options.slice = std::chrono::milliseconds(5);
  options.clients = 3;
  options.connections = 20;
  options.idle = std::chrono::milliseconds(200);
  return options;
}

std::string joined(int argc, char** argv) {
  std::string line;
  for (int i = 0; i < argc; ++i) line += std::string(i > 0 ? " " : "") + argv[i];
  return line;
}

void run(Report& report, const Options& options, const std::vector<std::string>& only) {
  const Scratch scratch;
  Calibration calibration(scratch);
  Bench bench{scratch, calibration, report, options};
  report.fact("load before", std::to_string(load_average()));
  calibrate(bench);
  for (const Group& group : kGroups) {
    const bool wanted = only.empty() || std::count(only.begin(), only.end(), group.name) > 0;
    if (!wanted) continue;
    std::fprintf(stderr, "steward_bench: %s\n", group.name);
    group.measure(bench);
  }
  report.fact("load after", std::to_string(load_average()));
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Measures Steward beside ZeroMQ, Redis, CPython and other queues, in one run.");
  bool quick = false;
  std::string json;
  std::vector<std::string> only;
  Options given;
  std::size_t slice_ms = 0;
  std::size_t idle_ms = 0;
  std::vector<std::string> names;
  for (const Group& group : kGroups) names.emplace_back(group.name);
  app.add_flag("--quick", quick, "Tiny counts: shows that everything runs, measures nothing");
  app.add_option("--json", json, "Write everything to this file too");
  app.add_option("--only", only, "These groups only, as calls,queue")
      ->delimiter(',')
      ->check(CLI::IsMember(names));
  const auto* rounds = app.add_option("--rounds", given.rounds, "Samples of each row");
  const auto* slice = app.add_option("--slice", slice_ms, "Milliseconds of a row in a round");
  const auto* clients = app.add_option("--clients", given.clients, "That call at once (cpu)");
  const auto* connections =
      app.add_option("--connections", given.connections, "Idle ones (connections)");
  const auto* window = app.add_option("--window", given.window, "Calls under way (pipelined)");
  const auto* idle =
      app.add_option("--idle", idle_ms, "Milliseconds that all wait (queue_idle)");
  for (auto* option : app.get_options()) option->capture_default_str();
  CLI11_PARSE(app, argc, argv);

  Options options = quick ? quick_options() : Options();
  if (*rounds) options.rounds = given.rounds;
  if (*slice) options.slice = std::chrono::milliseconds(slice_ms);
  if (*clients) options.clients = given.clients;
  if (*connections) options.connections = given.connections;
  if (*window) options.window = given.window;
  if (*idle) options.idle = std::chrono::milliseconds(idle_ms);

  Report report;
  for (auto& [name, value] : describe_machine()) report.fact(name, value);
  report.fact("command", joined(argc, argv));
  try {
    run(report, options, only);
    report.print();
    if (!json.empty()) report.write_json(json);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "steward_bench: %s\n", error.what());
    return 1;
  }
  return 0;
}
