// A live dashboard: several programs feed counters in a managed dict, and a reader draws them.
//
//   dashboard [--feeders N] [--events N] [--pause MS]
//   dashboard --feed TOKEN [--events N] [--pause MS]
//
// The feeders are programs of their own: all that they know is the text of a handle. Each += is one
// step in the manager, so no event is lost, however many feed at the same time. On a terminal the
// table is drawn again and again; elsewhere once, when all is done.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <iomanip>
#include <iostream>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <unistd.h>

#include <steward/examples/support.hpp>
#include <steward/steward.hpp>

using namespace steward;
using namespace examples;
using namespace std::chrono_literals;

namespace {

constexpr std::string_view kUsage =
    "dashboard [--feeders N] [--events N] [--pause MS]   feeds counters and draws them\n"
    "  --feeders N   programs that feed; 4 if not given\n"
    "  --events N    of each of them; 500 if not given\n"
    "  --pause MS    between two events; 3 if not given\n"
    "dashboard --feed TOKEN [--events N] [--pause MS]    is one of them\n";

using Counters = Dict<std::string, std::int64_t>;

struct Events {
  int count = 0;
  int pause = 0;  // milliseconds
};

// ---- A feeder ----

std::string what_happens(std::mt19937& random) {
  const auto percent = random() % 100;
  return percent < 70 ? "hits" : percent < 95 ? "misses" : "errors";
}

// [feeder]
void feed(Counters counters, const Events& events) {
  std::mt19937 random(static_cast<unsigned>(current_process().pid()));
  for (int i = 0; i < events.count; ++i) {
    counters["requests"] += 1;
    counters[what_happens(random)] += 1;
    std::this_thread::sleep_for(events.pause * 1ms);
  }
}
// [end]

// Turns a process into a second program.
void become_feeder(std::string token, std::string count, std::string pause) {
  ::execl("/proc/self/exe", "dashboard", "--feed", token.c_str(), "--events", count.c_str(),
          "--pause", pause.c_str(), nullptr);
  std::perror("dashboard: cannot start a feeder");
  std::exit(EXIT_FAILURE);
}

// ---- The reader ----

// A line for each counter.
std::string table(const Counters& counters) {
  constexpr std::int64_t kWidth = 40;
  const auto items = counters.items();
  std::int64_t most = 1;
  for (const auto& [name, count] : items) most = std::max(most, count);
  std::ostringstream out;
  for (const auto& [name, count] : items) {
    const auto filled = static_cast<std::size_t>(kWidth * count / most);
    out << std::left << std::setw(10) << name << std::string(filled, '#')
        << std::string(kWidth - filled, ' ') << std::right << std::setw(10) << count << '\n';
  }
  return out.str();
}

class Screen {
 public:
  void draw(const std::string& table) {
    if (lines_ > 0) std::cout << "\x1b[" << lines_ << "A";  // back to the first line
    std::cout << table << std::flush;
    lines_ = std::count(table.begin(), table.end(), '\n');
  }

 private:
  std::ptrdiff_t lines_ = 0;
};

int show(int feeders, const Events& events) {
  Manager manager;
  const Counters counters = manager.dict<std::string, std::int64_t>(
      {{"requests", 0}, {"hits", 0}, {"misses", 0}, {"errors", 0}});
  std::vector<Process> programs;
  for (int i = 0; i < feeders; ++i) {
    programs.emplace_back(become_feeder, counters.handle().str(), std::to_string(events.count),
                          std::to_string(events.pause));
  }
  for (Process& program : programs) program.start();

  const bool live = ::isatty(STDOUT_FILENO) != 0;
  Screen screen;
  for (Process& program : programs) {
    while (!program.join(100ms)) {
      if (live) screen.draw(table(counters));
    }
  }
  screen.draw(table(counters));

  bool right = true;
  for (const Process& program : programs) right = right && program.exitcode() == 0;
  auto counted = counters.copy();
  const std::int64_t expected = std::int64_t{feeders} * events.count;
  return verdict(right && counted["requests"] == expected &&
                     counted["hits"] + counted["misses"] + counted["errors"] == expected,
                 std::to_string(expected) + " events of " + std::to_string(feeders) +
                     " programs, all counted.");
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments(argc, argv, kUsage);
  const std::string token = arguments.text("--feed", "");
  const int feeders = arguments.number("--feeders", 4, 1, 100);
  Events events;
  events.count = arguments.number("--events", 500, 1, 10'000'000);
  events.pause = arguments.number("--pause", 3, 0, 60'000);
  arguments.end();
  if (token.empty()) return show(feeders, events);
  feed(open<Counters>(token), events);
  return EXIT_SUCCESS;
}
