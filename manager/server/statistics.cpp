#include <steward/manager/server/statistics.hpp>

#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <string_view>
#include <utility>

namespace steward::detail::server {
namespace {

// How calls to what does not exist are listed.
constexpr std::string_view kUnknown = "unknown.unknown";

double seconds(const timeval& time) {
  constexpr double kMicrosecond = 1e-6;
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * kMicrosecond;
}

// That are in memory.
std::size_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::size_t all = 0;
  std::size_t resident = 0;
  if (!(file >> all >> resident)) return 0;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

double cpu_seconds() {
  rusage usage{};
  if (::getrusage(RUSAGE_SELF, &usage) != 0) return 0;
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

Value::Map traffic(const Traffic& traffic) {
  return {{"frames", traffic.frames}, {"bytes", traffic.bytes}};
}

double seconds(std::chrono::milliseconds time) {
  return std::chrono::duration<double>(time).count();
}

// All of core::Limits; times in seconds.
Value::Map limits_of(const core::Limits& limits) {
  return {{"message_bytes", limits.message_bytes},
          {"calls_in_flight", limits.calls_in_flight},
          {"parked_calls", limits.parked_calls},
          {"reply_store_bytes", limits.reply_store_bytes},
          {"unsent_bytes", limits.unsent_bytes},
          {"unsent_time", seconds(limits.unsent_time)},
          {"sessions", limits.sessions},
          {"handshakes", limits.handshakes},
          {"handshake_time", seconds(limits.handshake_time)},
          {"objects", limits.objects},
          {"claim_lease", seconds(limits.claim_lease)},
          {"claim_leases", limits.claim_leases},
          {"name_bytes", limits.name_bytes},
          {"memory", limits.memory},
          {"session_lease", seconds(limits.session_lease)}};
}

}  // namespace

Statistics::Statistics(const Registry& registry, core::Time start)
    : registry_(registry), start_(start) {
  for (const auto& type : registry.classes()) {
    for (const Method& method : type->methods) {
      names_.push_back(std::string(type->name) + "." + std::string(method.name));
    }
  }
  for (const std::string_view method : Core::manager_methods()) {
    names_.push_back("manager." + std::string(method));
  }
  names_.emplace_back(kUnknown);
  counters_.resize(names_.size());
}

// Those that were called.
Value Statistics::calls() const {
  Value::Map calls;
  for (std::size_t i = 0; i < counters_.size(); ++i) {
    const Counter& counter = counters_[i];
    if (counter.calls == 0) continue;
    calls.emplace_back(names_[i], Value::of_map({{"calls", counter.calls},
                                                 {"errors", counter.errors},
                                                 {"timeouts", counter.timeouts}}));
  }
  return Value::of_map(std::move(calls));
}

Value Statistics::report(const Core& core, const Incidents& incidents, const Traffic& sent,
                         std::size_t rings, core::Time now) const {
  Value::Map objects;
  for (std::size_t i = 0; i < registry_.classes().size(); ++i) {
    objects.emplace_back(registry_.classes()[i]->name, core.number_of_objects(i));
  }
  return Value::of_map(
      {{"pid", ::getpid()},
       {"uptime", std::chrono::duration<double>(now - start_).count()},
       {"cpu", cpu_seconds()},
       {"memory", resident_bytes()},
       {"sessions", core.number_of_sessions()},
       {"parked_calls", core.number_parked()},
       {"names", core.number_of_names()},
       {"rings", rings},
       {"objects", Value::of_map(std::move(objects))},
       {"received", Value::of_map(traffic(received_))},
       {"sent", Value::of_map(traffic(sent))},
       {"calls", calls()},
       {"incidents", Value::of_map({{"malformed", incidents.malformed},
                                    {"slow", incidents.slow},
                                    {"forged", incidents.forged},
                                    {"refused", incidents.refused},
                                    {"expired", incidents.expired},
                                    {"handshakes", incidents.handshakes}})},
       {"limits", Value::of_map(limits_of(core.limits()))}});
}

}  // namespace steward::detail::server
