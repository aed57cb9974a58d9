// Alarms: the times at which objects want to be called although nobody calls them. One each.
//
// Thread safety: none; part of the core.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <utility>

#include <steward/core/clock.hpp>
#include <steward/core/ids.hpp>
#include <steward/manager/server/saved_state.hpp>

namespace steward::detail::server {

class Alarms {
 public:
  // In place of the object's last one; nullopt: it wants none.
  void set(core::ObjectId object, core::Deadline time);
  // The object whose alarm is not after `now`, the earliest first; it has none any more.
  std::optional<core::ObjectId> take_due(core::Time now);

  core::Deadline next_deadline() const;
  void save(Saver& out) const;
  void load(Loader& in);

 private:
  std::map<core::ObjectId, core::Time> times_;
  std::set<std::pair<core::Time, core::ObjectId>> by_time_;
};

}  // namespace steward::detail::server
