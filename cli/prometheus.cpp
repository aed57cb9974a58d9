#include <steward/cli/prometheus.hpp>

#include <ostream>
#include <string>
#include <string_view>

#include <steward/cli/json.hpp>
#include <steward/cli/table.hpp>

namespace steward::cli {
namespace {

Value find(const Value& map, std::string_view key) {
  if (map.kind() != ValueKind::map) return {};
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
  // As it is shown elsewhere; then in its quotes.
  static std::string one(std::string_view label, std::string_view value) {
    std::string text = std::string(label) + "=\"";
    for (const char letter : visible(value)) {
      if (letter == '"' || letter == '\\') text += '\\';
      text += letter;
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

}  // namespace

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

}  // namespace steward::cli
