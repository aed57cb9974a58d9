// Breeds short tours through the cities of a grid, by a genetic algorithm.
//
//   genetic [--side N] [--population N] [--generations N] [--seed N] [--processes N]
//
// The population lives in a managed list, shortest tour first, and how far it has come in a managed
// dict, where any program may look. A pool breeds: each of its calls fetches two parents from the
// list, crosses them, and improves the child by turning parts of it around. A tour through a grid
// with an even side cannot be shorter than its number of cities, so the best is known.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iostream>
#include <numeric>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <steward/examples/support.hpp>
#include <steward/steward.hpp>

using namespace steward;
using namespace examples;

namespace {

constexpr std::string_view kUsage =
    "genetic [--side N] [--population N] [--generations N] [--seed N] [--processes N]\n"
    "  --side N         of the grid, an even number; 10 if not given, which is 100 cities\n"
    "  --population N   tours that live at the same time; 24 if not given\n"
    "  --generations N  at most, if the best is not found before; 100 if not given\n"
    "  --seed N         where chance begins; 1 if not given\n"
    "  --processes N    as many as there are processors if not given\n";

using Random = std::mt19937_64;

struct Tour {
  std::vector<int> cities;
  double length = 0;
  MSGPACK_DEFINE(cities, length)
  friend bool operator==(const Tour&, const Tour&) = default;
};

bool shorter(const Tour& a, const Tour& b) { return a.length < b.length; }

struct Grid {
  int side = 0;

  int cities() const { return side * side; }
  double distance(int a, int b) const {
    return std::hypot(a % side - b % side, a / side - b / side);
  }
  double length(const std::vector<int>& tour) const {
    double sum = distance(tour.back(), tour.front());
    for (std::size_t i = 1; i < tour.size(); ++i) sum += distance(tour[i - 1], tour[i]);
    return sum;
  }
  MSGPACK_DEFINE(side)
};

std::size_t below(std::size_t count, Random& random) {
  return std::uniform_int_distribution<std::size_t>(0, count - 1)(random);
}

// Turns parts around as long as that makes the tour shorter.
Tour improved(const Grid& grid, std::vector<int> cities) {
  const std::size_t n = cities.size();
  for (bool better = true; better;) {
    better = false;
    for (std::size_t i = 0; i + 2 < n; ++i) {
      for (std::size_t j = i + 2; j < n; ++j) {
        const int a = cities[i];
        const int b = cities[i + 1];
        const int c = cities[j];
        const int d = cities[(j + 1) % n];
        const double gain =
            grid.distance(a, b) + grid.distance(c, d) - grid.distance(a, c) - grid.distance(b, d);
        if (gain < 1e-9) continue;
        const auto first = cities.begin();
        std::reverse(first + static_cast<std::ptrdiff_t>(i) + 1,
                     first + static_cast<std::ptrdiff_t>(j) + 1);
        better = true;
      }
    }
  }
  return {cities, grid.length(cities)};
}

// A part of the mother, and what it lacks in the father's order.
std::vector<int> crossed(const Tour& mother, const Tour& father, Random& random) {
  const std::size_t n = mother.cities.size();
  const std::size_t begin = below(n, random);
  const std::size_t count = n / 4 + below(n / 2, random);
  std::vector<int> child;
  std::vector<bool> there(n);
  for (std::size_t i = 0; i < count; ++i) child.push_back(mother.cities[(begin + i) % n]);
  for (const int city : child) there[static_cast<std::size_t>(city)] = true;
  for (const int city : father.cities) {
    if (!there[static_cast<std::size_t>(city)]) child.push_back(city);
  }
  return child;
}

Tour random_tour(const Grid& grid, std::uint64_t seed) {
  Random random(seed);
  std::vector<int> cities(static_cast<std::size_t>(grid.cities()));
  std::iota(cities.begin(), cities.end(), 0);
  std::shuffle(cities.begin(), cities.end(), random);
  return {cities, grid.length(cities)};
}

// The better one of two is a parent; the list begins with the best.
std::size_t chosen(std::size_t size, Random& random) {
  return std::min(below(size, random), below(size, random));
}

Tour child_of(const Grid& grid, const Tour& mother, const Tour& father, Random& random) {
  std::vector<int> cities = crossed(mother, father, random);
  for (int i = 0; i < 3; ++i) {
    std::swap(cities[below(cities.size(), random)], cities[below(cities.size(), random)]);
  }
  return improved(grid, std::move(cities));
}

// A call of the pool. Only the two parents travel.
struct Breed {
  Grid grid;
  List<Tour> population;
  std::size_t size = 0;

  Tour operator()(std::uint64_t seed) const {
    Random random(seed);
    const Tour mother = population.at(static_cast<std::ptrdiff_t>(chosen(size, random)));
    const Tour father = population.at(static_cast<std::ptrdiff_t>(chosen(size, random)));
    return child_of(grid, mother, father, random);
  }
  MSGPACK_DEFINE(grid, population, size)
};

// Of parents and children those that live on, shortest first, none twice.
std::vector<Tour> selected(std::vector<Tour> parents, const std::vector<Tour>& children) {
  const std::size_t size = parents.size();
  parents.insert(parents.end(), children.begin(), children.end());
  std::stable_sort(parents.begin(), parents.end(), shorter);
  std::vector<Tour> next;
  std::vector<Tour> twins;
  for (Tour& tour : parents) {
    const bool twin = !next.empty() && next.back().length - tour.length > -1e-9;
    (twin ? twins : next).push_back(std::move(tour));
  }
  next.insert(next.end(), twins.begin(), twins.end());
  next.resize(size);
  std::stable_sort(next.begin(), next.end(), shorter);
  return next;
}

struct Options {
  Grid grid;
  std::size_t population = 0;
  int generations = 0;
  std::uint64_t seed = 0;
  std::size_t processes = 0;
};

// The same for a pool and for one process: `breed` makes children of seeds.
template <class BreedAll>
std::vector<Tour> evolve(const Options& options, const List<Tour>& population,
                         const Dict<std::string, double>& progress, BreedAll breed) {
  std::uint64_t seed = options.seed * 1'000'003;
  std::vector<Tour> tours;
  for (std::size_t i = 0; i < options.population; ++i) {
    tours.push_back(random_tour(options.grid, seed++));
  }
  std::sort(tours.begin(), tours.end(), shorter);
  population.extend(tours);
  progress.set("first", tours.front().length);
  for (int generation = 1; generation <= options.generations; ++generation) {
    std::vector<std::uint64_t> seeds(options.population);
    std::iota(seeds.begin(), seeds.end(), seed);
    seed += options.population;
    tours = selected(std::move(tours), breed(seeds));
    population.set_slice(0, std::nullopt, tours);
    progress.update({{"generation", generation}, {"best", tours.front().length}});
    if (tours.front().length < options.grid.cities() + 1e-6) break;
  }
  return tours;
}

bool visits_each_once(std::vector<int> cities) {
  std::sort(cities.begin(), cities.end());
  for (std::size_t i = 0; i < cities.size(); ++i) {
    if (cities[i] != static_cast<int>(i)) return false;
  }
  return true;
}

int run(const Options& options) {
  Manager manager;
  const auto population = manager.list<Tour>();
  const auto progress = manager.dict<std::string, double>();
  const auto together = timed([&] {
    Pool pool({.processes = options.processes});
    const Breed breed{options.grid, population, options.population};
    const auto bar = progress_bar("generations");
    std::size_t done = 0;
    const auto count = static_cast<std::size_t>(options.generations);
    auto tours = evolve(options, population, progress, [&](const auto& seeds) {
      auto children = pool.map(breed, seeds, 1);
      bar(++done, count);
      return children;
    });
    if (done < count) bar(count, count);  // the best was found before
    return tours;
  });

  const auto other_population = manager.list<Tour>();
  const auto other_progress = manager.dict<std::string, double>();
  const auto alone = timed([&] {
    const Breed breed{options.grid, other_population, options.population};
    return evolve(options, other_population, other_progress, [&](const auto& seeds) {
      std::vector<Tour> children;
      for (const std::uint64_t seed : seeds) children.push_back(breed(seed));
      return children;
    });
  });

  const Tour best = population.at(0);
  const double first = progress.at("first");
  const double shortest = options.grid.cities();
  std::cout << "shortest tour through " << options.grid.cities() << " cities: at first "
            << fixed(first, 3) << ", after " << progress.at("generation") << " generations "
            << fixed(best.length, 3) << "; the best there is: " << fixed(shortest, 3) << '\n'
            << speed(alone.seconds, together.seconds, options.processes) << '\n';
  const bool right = visits_each_once(best.cities) && best.length > shortest - 1e-6 &&
                     best.length < first && best.length < 1.1 * shortest &&
                     std::abs(options.grid.length(best.cities) - best.length) < 1e-9 &&
                     together.result == alone.result && population.copy() == together.result;
  return verdict(right,
                 "it visits each city once, is at most a tenth longer than the best,\n"
                 "and one process breeds the same tours.");
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments(argc, argv, kUsage);
  Options options;
  options.grid.side = arguments.number("--side", 10, 4, 40);
  options.population = arguments.number<std::size_t>("--population", 24, 2, 10'000);
  options.generations = arguments.number("--generations", 100, 1, 100'000);
  options.seed = arguments.number<std::uint64_t>("--seed", 1, 0, 1'000'000);
  options.processes = arguments.processes();
  arguments.end();
  if (options.grid.side % 2 != 0) Arguments::refuse("--side takes an even number");
  return run(options);
}
