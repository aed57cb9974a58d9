#include <steward/bench/groups.hpp>

#include <algorithm>

namespace steward::bench {
namespace {

// How many calls fit into a slice. The first runs also warm up what is measured.
std::size_t fitting(const Task& task, std::chrono::milliseconds slice) {
  constexpr std::size_t kFirst = 16;
  const double seconds = std::chrono::duration<double>(slice).count();
  Run run = task.run(kFirst);
  run = task.run(std::max<std::size_t>(
      kFirst, static_cast<std::size_t>(seconds / 4 * run.per_second())));
  return std::max<std::size_t>(kFirst, static_cast<std::size_t>(seconds * run.per_second()));
}

}  // namespace

void calibrate(Bench& bench) {
  // About a tenth of a slice in all.
  const auto milliseconds = static_cast<std::size_t>(bench.options.slice.count());
  bench.report.line().add(bench.calibration.line(100 * milliseconds));
  bench.report.futex().add(bench.calibration.futex(2 * milliseconds));
  const Run copies = bench.calibration.copy(2);
  bench.report.copy().samples.push_back(copies.per_second() * Calibration::kCopyBytes * 1e-9);
}

void measure(Bench& bench, std::vector<Task> tasks) {
  for (Task& task : tasks) task.count = fitting(task, bench.options.slice);
  for (std::size_t round = 0; round < bench.options.rounds; ++round) {
    calibrate(bench);
    for (const Task& task : tasks) task.row.add(task.run(task.count));
  }
}

}  // namespace steward::bench
