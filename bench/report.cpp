#include <steward/bench/report.hpp>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <optional>
#include <stdexcept>

#include <nlohmann/json.hpp>

namespace steward::bench {
namespace {

using Json = nlohmann::ordered_json;

const char* name_of(Unit unit) {
  switch (unit) {
    case Unit::micros: return "us";
    case Unit::per_second: return "calls/s";
    case Unit::messages_per_second: return "messages/s";
    case Unit::gigabytes_per_second: return "GB/s";
    case Unit::bytes: return "bytes";
    case Unit::percent: return "% of a CPU";
  }
  return "";
}

const char* name_of(Comparison::Mark mark) {
  switch (mark) {
    case Comparison::Mark::none: return "";
    case Comparison::Mark::at_least: return "at least";
    case Comparison::Mark::at_most: return "at most";
  }
  return "";
}

// Linear between neighbours, as most statistics programs have it.
double quantile(const std::vector<double>& sorted, double q) {
  const double place = q * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const auto above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (sorted[above] - sorted[below]) * (place - static_cast<double>(below));
}

// The time of one call, where the row is about calls.
std::optional<double> micros_of(const Row& row) {
  if (row.samples.empty()) return std::nullopt;
  if (row.unit == Unit::micros) return row.median();
  if (is_rate(row.unit)) return 1e6 / row.median();
  return std::nullopt;
}

std::optional<double> multiple(const Row& row, const Row& yardstick) {
  const auto micros = micros_of(row);
  const auto unit = micros_of(yardstick);
  if (!micros || !unit) return std::nullopt;
  return *micros / *unit;
}

// The time of one call as a multiple of the time that it takes to copy what it moves.
std::optional<double> multiple_of_copy(const Row& row, const Row& copy) {
  const auto micros = micros_of(row);
  if (!micros || row.bytes == 0 || copy.samples.empty()) return std::nullopt;
  const double bytes_per_micro = copy.median() * 1e3;
  return *micros * bytes_per_micro / static_cast<double>(row.bytes);
}

std::vector<double> quotients(const std::vector<double>& above, const std::vector<double>& below) {
  std::vector<double> ratios;
  for (std::size_t i = 0; i < std::min(above.size(), below.size()); ++i) {
    ratios.push_back(above[i] / below[i]);
  }
  return ratios;
}

Json json_of(const Quartiles& quartiles) {
  return {{"q1", quartiles.low}, {"median", quartiles.median}, {"q3", quartiles.high}};
}

Json json_of(const std::optional<double>& number) { return number ? Json(*number) : Json(); }

}  // namespace

Quartiles quartiles(std::vector<double> samples) {
  if (samples.empty()) return {};
  std::sort(samples.begin(), samples.end());
  return {quantile(samples, 0.25), quantile(samples, 0.5), quantile(samples, 0.75)};
}

void Row::add(const Run& run) {
  samples.push_back(is_rate(unit) ? run.per_second() : run.micros());
}

bool Comparison::met() const {
  const double ratio = quartiles(ratios).median;
  return mark == Mark::at_least ? ratio >= limit : ratio <= limit;
}

std::vector<double> cost_ratio(const Row& ours, const Row& theirs) {
  return is_rate(ours.unit) ? quotients(theirs.samples, ours.samples)
                            : quotients(ours.samples, theirs.samples);
}

std::vector<double> speed_ratio(const Row& ours, const Row& theirs) {
  return cost_ratio(theirs, ours);
}

void Report::note(const std::string& text) {
  std::fprintf(stderr, "steward_bench: %s\n", text.c_str());
  notes_.push_back(text);
}

template <class F>
void Report::for_each_row(F&& f) const {
  for (const Row* row : {&line_, &futex_, &copy_}) {
    if (!row->samples.empty()) f(*row);
  }
  for (const Row& row : rows_) f(row);
}

void Report::print_row(const Row& row) const {
  const Quartiles spread = quartiles(row.samples);
  const int digits = row.unit == Unit::bytes || is_rate(row.unit) ? 0 : 2;
  std::printf("%-34s %-8s %-8s %12.*f %12.*f %12.*f %-10s", row.what.c_str(), row.peer.c_str(),
              row.over.c_str(), digits, spread.median, digits, spread.low, digits, spread.high,
              name_of(row.unit));
  for (const Row* yardstick : {&line_, &futex_}) {
    if (const auto times = multiple(row, *yardstick)) std::printf(" %8.2f", *times);
  }
  if (const auto times = multiple_of_copy(row, copy_)) std::printf(" %8.2f", *times);
  std::printf("\n");
}

void Report::print() const {
  for (const auto& [name, value] : facts_) std::printf("%s: %s\n", name.c_str(), value.c_str());
  for (const std::string& text : notes_) std::printf("note: %s\n", text.c_str());
  std::string group;
  for_each_row([&](const Row& row) {
    if (row.group != group) {
      group = row.group;
      std::printf("\n%-34s %-8s %-8s %12s %12s %12s %-10s %8s %8s", group.c_str(), "peer",
                  "over", "median", "quartile", "quartile", "", "x line", "x futex");
      std::printf("%s\n", row.bytes > 0 ? "   x copy" : "");
    }
    print_row(row);
  });
  if (comparisons_.empty()) return;
  std::printf("\n%-66s %8s %8s %8s  %s\n", "ratios", "median", "quartile", "quartile", "mark");
  for (const Comparison& comparison : comparisons_) {
    const Quartiles spread = quartiles(comparison.ratios);
    std::printf("%-66s %8.2f %8.2f %8.2f", comparison.what.c_str(), spread.median, spread.low,
                spread.high);
    if (comparison.mark != Comparison::Mark::none) {
      std::printf("  %s %g: %s", name_of(comparison.mark), comparison.limit,
                  comparison.met() ? "met" : "MISSED");
    }
    std::printf("\n");
  }
}

void Report::write_json(const std::string& path) const {
  Json json;
  for (const auto& [name, value] : facts_) json["facts"][name] = value;
  json["notes"] = notes_;
  json["rows"] = Json::array();
  for_each_row([&](const Row& row) {
    Json entry = {{"group", row.group}, {"what", row.what}, {"peer", row.peer},
                  {"over", row.over},   {"unit", name_of(row.unit)}};
    entry.update(json_of(quartiles(row.samples)));
    entry["times_line"] = json_of(multiple(row, line_));
    entry["times_futex"] = json_of(multiple(row, futex_));
    if (row.bytes > 0) entry["times_copy"] = json_of(multiple_of_copy(row, copy_));
    entry["samples"] = row.samples;
    json["rows"].push_back(std::move(entry));
  });
  json["ratios"] = Json::array();
  for (const Comparison& comparison : comparisons_) {
    Json entry = {{"what", comparison.what}};
    entry.update(json_of(quartiles(comparison.ratios)));
    if (comparison.mark != Comparison::Mark::none) {
      entry["mark"] = name_of(comparison.mark);
      entry["limit"] = comparison.limit;
      entry["met"] = comparison.met();
    }
    json["ratios"].push_back(std::move(entry));
  }
  std::ofstream out(path);
  out << json.dump(2) << '\n';
  if (!out.flush()) throw std::runtime_error("cannot write " + path);
}

}  // namespace steward::bench
