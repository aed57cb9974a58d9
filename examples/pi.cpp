// Estimates pi in two ways, side by side: by chance (Monte Carlo) and by a series.
//
//   pi [--points N] [--terms N] [--processes N]
//
// Both are cut into blocks that do not depend on each other, so that a pool computes them in any
// order. A block draws its points with a generator that begins with the number of the first one:
// the estimate is the same however many processes there are.
#include <cmath>
#include <cstdint>
#include <iomanip>
#include <iostream>
#include <numbers>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <steward/examples/support.hpp>
#include <steward/steward.hpp>

using namespace steward;
using namespace examples;

namespace {

constexpr std::string_view kUsage =
    "pi [--points N] [--terms N] [--processes N]   estimates pi in two ways\n"
    "  --points N      points that are thrown at a square; 20 million if not given\n"
    "  --terms N       terms of the series; 400 million if not given\n"
    "  --processes N   as many as there are processors if not given\n";

constexpr std::int64_t kBlocks = 64;

struct Block {
  std::int64_t begin = 0;
  std::int64_t end = 0;
  MSGPACK_DEFINE(begin, end)
};

// The numbers from 0 to `count`, cut.
std::vector<Block> blocks(std::int64_t count) {
  std::vector<Block> all;
  for (std::int64_t i = 0; i < kBlocks; ++i) {
    all.push_back({count * i / kBlocks, count * (i + 1) / kBlocks});
  }
  return all;
}

// Part of the circle in its square, times 4: how many points fall into the circle.
double monte_carlo(const Block& block) {
  std::mt19937_64 random(static_cast<std::uint64_t>(block.begin));
  std::uniform_real_distribution<double> side(-1, 1);
  std::int64_t hits = 0;
  for (std::int64_t i = block.begin; i < block.end; ++i) {
    const double x = side(random);
    const double y = side(random);
    if (x * x + y * y <= 1) ++hits;
  }
  return 4 * static_cast<double>(hits);
}

// 4/1 - 4/3 + 4/5 - 4/7 ..., from the small terms to the large ones.
double series(const Block& block) {
  double sum = 0;
  for (std::int64_t i = block.end - 1; i >= block.begin; --i) {
    const double term = 4 / (2 * static_cast<double>(i) + 1);
    sum += i % 2 == 0 ? term : -term;
  }
  return sum;
}

struct Estimate {
  double pi = 0;
  double alone = 0;  // seconds
  double together = 0;
  bool same = false;
};

double sum(const std::vector<double>& parts) {
  double all = 0;
  for (const double part : parts) all += part;
  return all;
}

template <class Method>
Estimate estimate(const std::string& name, Method method, const std::vector<Block>& all,
                  double divisor, std::size_t processes) {
  const auto together = timed([&] {
    Pool pool({.processes = processes, .on_progress = progress_bar(name)});
    return sum(pool.map(method, all, 1)) / divisor;
  });
  const auto alone = timed([&] {
    std::vector<double> parts;
    for (const Block& block : all) parts.push_back(method(block));
    return sum(parts) / divisor;
  });
  return {together.result, alone.seconds, together.seconds, alone.result == together.result};
}

void row(const std::string& head, const std::string& left, const std::string& right) {
  std::cout << std::left << std::setw(14) << head << std::right << std::setw(16) << left
            << std::setw(16) << right << '\n';
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments(argc, argv, kUsage);
  const auto points = arguments.number<std::int64_t>("--points", 20'000'000, 1, 1'000'000'000'000);
  const auto terms = arguments.number<std::int64_t>("--terms", 400'000'000, 1, 1'000'000'000'000);
  const std::size_t processes = arguments.processes();
  arguments.end();

  const auto n = static_cast<double>(points);
  const Estimate chance = estimate("monte carlo", monte_carlo, blocks(points), n, processes);
  const Estimate exact = estimate("series", series, blocks(terms), 1, processes);

  // Chance is further off than five standard deviations once in two million times; the series by
  // less than its next term, and what is lost by rounding.
  using std::numbers::pi;
  const double chance_bound = 5 * std::sqrt(pi * (4 - pi) / n);
  const double exact_bound = 4 / (2 * static_cast<double>(terms) + 1) + 1e-13;
  const double chance_error = std::abs(chance.pi - pi);
  const double exact_error = std::abs(exact.pi - pi);

  row("", "Monte Carlo", "series");
  row("terms", std::to_string(points), std::to_string(terms));
  row("pi", fixed(chance.pi, 12), fixed(exact.pi, 12));
  row("error", fixed(chance_error, 12), fixed(exact_error, 12));
  row("at most", fixed(chance_bound, 12), fixed(exact_bound, 12));
  row("1 process", fixed(chance.alone, 3) + " s", fixed(exact.alone, 3) + " s");
  row("pool of " + std::to_string(processes), fixed(chance.together, 3) + " s",
      fixed(exact.together, 3) + " s");
  row("speed-up", fixed(chance.alone / chance.together, 2), fixed(exact.alone / exact.together, 2));
  return verdict(
      chance.same && exact.same && chance_error <= chance_bound && exact_error <= exact_bound,
      "both errors are within their bounds, and one process finds the same.");
}
