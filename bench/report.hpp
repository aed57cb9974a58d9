// What was measured, as a table for people and as JSON for programs.
#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <steward/bench/peer.hpp>

namespace steward::bench {

enum class Unit { micros, per_second, messages_per_second, gigabytes_per_second, bytes, percent };

// Larger is better, and a call's time is its inverse.
constexpr bool is_rate(Unit unit) {
  return unit == Unit::per_second || unit == Unit::messages_per_second;
}

struct Quartiles {
  double low = 0;
  double median = 0;
  double high = 0;
};
Quartiles quartiles(std::vector<double> samples);

// One line: a sample of each round.
struct Row {
  std::string group;
  std::string what;
  std::string peer;
  std::string over;  // the transport
  Unit unit = Unit::micros;
  std::size_t bytes = 0;  // that a call moves, where that is what it is about
  std::vector<double> samples = {};

  void add(const Run& run);  // by the unit: us a call or calls a second
  double median() const { return quartiles(samples).median; }
};

// A ratio of two rows, taken round by round.
struct Comparison {
  enum class Mark { none, at_least, at_most };

  std::string what;
  std::vector<double> ratios;
  Mark mark = Mark::none;
  double limit = 0;

  bool met() const;
};

// How many times as fast the first is as the second, and how many times as much it takes.
std::vector<double> speed_ratio(const Row& ours, const Row& theirs);
std::vector<double> cost_ratio(const Row& ours, const Row& theirs);

class Report {
 public:
  // Valid as long as the report.
  Row& row(Row row) { return rows_.emplace_back(std::move(row)); }
  void compare(Comparison comparison) { comparisons_.push_back(std::move(comparison)); }
  // A line about the run; also printed at once, to standard error.
  void note(const std::string& text);
  void fact(const std::string& name, const std::string& value) { facts_.emplace_back(name, value); }

  void print() const;
  // Throws std::runtime_error if the file cannot be written.
  void write_json(const std::string& path) const;

  // Each measured in every group; the yardsticks of all other rows.
  Row& line() { return line_; }
  Row& futex() { return futex_; }
  Row& copy() { return copy_; }

 private:
  void print_row(const Row& row) const;
  template <class F>
  void for_each_row(F&& f) const;

  std::vector<std::pair<std::string, std::string>> facts_;
  std::vector<std::string> notes_;
  std::deque<Row> rows_;
  std::vector<Comparison> comparisons_;
  Row line_{"calibration", "cache line round trip", "machine", "spinning", Unit::micros};
  Row futex_{"calibration", "futex round trip", "machine", "sleeping", Unit::micros};
  Row copy_{"calibration", "memcpy", "machine", "32 MiB", Unit::gigabytes_per_second};
};

}  // namespace steward::bench
