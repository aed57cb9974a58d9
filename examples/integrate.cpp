// Integrates functions whose integrals are known, by Simpson's rule.
//
//   integrate [--steps N] [--processes N]
//
// Each interval is cut into pieces, one call of a pool each, with several arguments: starmap. What
// the rule gets wrong is bounded by the fourth derivative, which the program holds it to.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <iomanip>
#include <iostream>
#include <limits>
#include <numbers>
#include <string_view>
#include <tuple>
#include <vector>

#include <steward/examples/support.hpp>
#include <steward/steward.hpp>

using namespace steward;
using namespace examples;

namespace {

constexpr std::string_view kUsage =
    "integrate [--steps N] [--processes N]   integrates some functions by Simpson's rule\n"
    "  --steps N       points of each function, an even number; 8 million if not given\n"
    "  --processes N   as many as there are processors if not given\n";

constexpr std::int64_t kPieces = 32;

struct Function {
  std::string_view name;
  double (*f)(double);
  double begin;
  double end;
  double integral;
  double fourth;  // the fourth derivative is nowhere larger
};

using std::numbers::e;
using std::numbers::pi;

const std::array kFunctions{
    Function{"sin(x), 0 to pi", [](double x) { return std::sin(x); }, 0, pi, 2, 1},
    Function{"exp(x), 0 to 1", [](double x) { return std::exp(x); }, 0, 1, e - 1, e},
    Function{"1 / (1 + x^2), 0 to 1", [](double x) { return 1 / (1 + x * x); }, 0, 1, pi / 4, 24},
    Function{"ln(x), 1 to e", [](double x) { return std::log(x); }, 1, e, 1, 6},
    Function{"exp(-x^2), -6 to 6", [](double x) { return std::exp(-x * x); }, -6, 6, std::sqrt(pi),
             12},
};

// A function, by its place among them, and which of its steps.
using Piece = std::tuple<std::size_t, std::int64_t, std::int64_t, std::int64_t>;

// Of the steps from `first` to `last`, both even, of so many.
double simpson(std::size_t place, std::int64_t first, std::int64_t last, std::int64_t steps) {
  const Function& function = kFunctions.at(place);
  const double h = (function.end - function.begin) / static_cast<double>(steps);
  const auto f = [&](std::int64_t step) {
    return function.f(function.begin + static_cast<double>(step) * h);
  };
  double sum = f(first) + f(last);
  for (std::int64_t i = first + 1; i < last; ++i) sum += (i % 2 == 0 ? 2 : 4) * f(i);
  return sum * h / 3;
}

std::vector<Piece> pieces(std::int64_t steps) {
  std::vector<Piece> all;
  const std::int64_t pairs = steps / 2;
  for (std::size_t function = 0; function < kFunctions.size(); ++function) {
    for (std::int64_t i = 0; i < kPieces; ++i) {
      all.emplace_back(function, pairs * i / kPieces * 2, pairs * (i + 1) / kPieces * 2, steps);
    }
  }
  return all;
}

// What Simpson's rule gets wrong at most, and what is lost by rounding where so many are added up.
double bound(const Function& function, std::int64_t steps) {
  const auto n = static_cast<double>(steps);
  const double width = function.end - function.begin;
  const double rounding = n / kPieces * std::numeric_limits<double>::epsilon() * function.integral;
  return width / 180 * std::pow(width / n, 4) * function.fourth + rounding;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments(argc, argv, kUsage);
  const auto steps = arguments.number<std::int64_t>("--steps", 8'000'000, 64, 10'000'000'000);
  const std::size_t processes = arguments.processes();
  arguments.end();
  if (steps % 2 != 0) Arguments::refuse("--steps takes an even number");

  const std::vector<Piece> all = pieces(steps);
  const auto together = timed([&] {
    Pool pool({.processes = processes, .on_progress = progress_bar("pieces")});
    return pool.starmap(simpson, all, 1);
  });
  const auto alone = timed([&] {
    std::vector<double> results;
    for (const Piece& piece : all) results.push_back(std::apply(simpson, piece));
    return results;
  });

  bool right = alone.result == together.result;
  std::cout << std::left << std::setw(24) << "function" << std::right << std::setw(18) << "integral"
            << std::setw(12) << "error" << std::setw(12) << "at most" << '\n';
  auto part = together.result.begin();
  for (const Function& function : kFunctions) {
    double integral = 0;
    for (std::int64_t i = 0; i < kPieces; ++i) integral += *part++;
    const double error = std::abs(integral - function.integral);
    const double most = bound(function, steps);
    right = right && error <= most;
    std::cout << std::left << std::setw(24) << function.name << std::right << std::setw(18)
              << fixed(integral, 14) << std::scientific << std::setprecision(1) << std::setw(12)
              << error << std::setw(12) << most << '\n';
  }
  std::cout << speed(alone.seconds, together.seconds, processes) << '\n';
  return verdict(right, "all errors are within their bounds, and one process finds the same.");
}
