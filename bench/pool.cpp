// Pools of two workers, ours and CPython's, and what it costs to start processes.
#include <array>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <steward/bench/groups.hpp>
#include <steward/bench/others.hpp>

namespace steward::bench {
namespace {

using Mark = Comparison::Mark;

constexpr std::size_t kWorkers = 2;
constexpr std::size_t kStarted = 4;

struct Operation {
  const char* what;
  const char* name;
  Unit unit;
  Mark mark;
  double limit;
};
constexpr std::array kOperations{
    Operation{"map", "map", Unit::per_second, Mark::at_least, 3},
    Operation{"map, chunks of 1", "map_one", Unit::per_second, Mark::at_least, 3},
    Operation{"apply", "apply", Unit::per_second, Mark::at_least, 3},
    Operation{"start of a pool of 4", "start_pool", Unit::micros, Mark::at_most, 1},
    Operation{"start and end of a process", "process", Unit::micros, Mark::at_most, 1},
};

int cube(int x) { return x * x * x; }
void nothing() {}

std::vector<int> numbers(std::size_t count) {
  constexpr std::size_t kDistinct = 1000;
  std::vector<int> out(count);
  for (std::size_t i = 0; i < count; ++i) out[i] = static_cast<int>(i % kDistinct);
  return out;
}

Run mapped(Pool& pool, std::size_t count, std::size_t chunk) {
  const std::vector<int> items = numbers(count);
  Run run = timed(1, [&] { pool.map(cube, items, chunk); });
  run.calls = static_cast<double>(count);
  return run;
}

// Without their end.
Run started_pools(std::size_t count) {
  Run run{static_cast<double>(count), 0};
  for (std::size_t i = 0; i < count; ++i) {
    std::unique_ptr<Pool> pool;
    run.seconds += timed(1, [&] { pool = std::make_unique<Pool>(kStarted); }).seconds;
  }
  return run;
}

std::function<Run(std::size_t)> ours(Pool& pool, const std::string& name) {
  if (name == "map") return [&](std::size_t count) { return mapped(pool, count, 0); };
  if (name == "map_one") return [&](std::size_t count) { return mapped(pool, count, 1); };
  if (name == "apply") {
    return [&](std::size_t count) { return timed(count, [&] { pool.apply(cube, 7); }); };
  }
  if (name == "start_pool") return started_pools;
  return [](std::size_t count) {
    return timed(count, [] {
      Process child(nothing);
      child.start();
      child.join();
    });
  };
}

}  // namespace

void measure_pool(Bench& bench) {
  // In this process: a peer's would be a daemon, and have none of its own.
  Pool pool(kWorkers);
  const std::unique_ptr<Peer> python = python_pool(bench.scratch);
  if (!python) bench.report.note("there is no python3: the rows of CPython are missing");
  std::vector<Task> tasks;
  std::vector<std::pair<const Row*, const Row*>> rows;
  for (const Operation& operation : kOperations) {
    Row& mine = bench.report.row({"pool", operation.what, "steward", "shm", operation.unit});
    tasks.push_back({mine, ours(pool, operation.name)});
    if (!python) continue;
    Row& theirs = bench.report.row({"pool", operation.what, "cpython", "pipe", operation.unit});
    tasks.push_back({theirs, [&python, name = std::string(operation.name)](std::size_t count) {
                       return python->run(name, count);
                     }});
    rows.emplace_back(&mine, &theirs);
  }
  measure(bench, std::move(tasks));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Operation& operation = kOperations[i];
    const auto& [mine, theirs] = rows[i];
    const bool faster = operation.mark == Mark::at_least;
    bench.report.compare(
        {std::string(operation.what) + (faster ? ", times as fast as CPython's"
                                               : ", times CPython's time"),
         faster ? speed_ratio(*mine, *theirs) : cost_ratio(*mine, *theirs), operation.mark,
         operation.limit});
  }
}

}  // namespace steward::bench
