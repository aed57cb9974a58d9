// Statistics: what a manager's server counts while it serves, and what it tells of itself. All of
// it stands outside of the core, whose state reads must not change: the core says which calls have
// ended, and this counts them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <steward/core/clock.hpp>
#include <steward/core/value.hpp>
#include <steward/manager/server/connections.hpp>
#include <steward/manager/server/core.hpp>
#include <steward/manager/server/outbox.hpp>

namespace steward::detail::server {

// Thread safety: none; the loop's thread only. The registry must outlive it.
class Statistics {
 public:
  Statistics(const Registry& registry, core::Time start);

  // For each call: two additions, so that counting costs next to nothing.
  void count(const Outputs::Ended& call) {
    Counter& counter = counters_[index_of(call)];
    ++counter.calls;
    if (call.code == core::ErrorCode::timed_out) {
      ++counter.timeouts;
    } else if (call.code != core::ErrorCode::ok) {
      ++counter.errors;
    }
  }
  void arrived(std::size_t bytes) {
    ++received_.frames;
    received_.bytes += bytes;
  }

  // Everything, as the protocol says under `stat`; what others count is given by them.
  Value report(const Core& core, const Incidents& incidents, const Traffic& sent,
               std::size_t rings, core::Time now) const;

 private:
  struct Counter {
    std::uint64_t calls = 0;
    std::uint64_t errors = 0;
    std::uint64_t timeouts = 0;
  };

  std::size_t index_of(const Outputs::Ended& call) const {
    return call.method ? static_cast<std::size_t>(*call.method) : counters_.size() - 1;
  }
  Value calls() const;

  const Registry& registry_;
  const core::Time start_;
  std::vector<Counter> counters_;   // by MethodNumber; the last one: no such object or method
  std::vector<std::string> names_;  // likewise: "list.append"
  Traffic received_;
};

}  // namespace steward::detail::server
