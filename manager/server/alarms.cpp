#include <steward/manager/server/alarms.hpp>

namespace steward::detail::server {

void Alarms::set(core::ObjectId object, core::Deadline time) {
  if (const auto old = times_.find(object); old != times_.end()) {
    if (time == old->second) return;
    by_time_.erase({old->second, object});
    times_.erase(old);
  }
  if (!time) return;
  times_.emplace(object, *time);
  by_time_.emplace(*time, object);
}

std::optional<core::ObjectId> Alarms::take_due(core::Time now) {
  if (by_time_.empty() || by_time_.begin()->first > now) return std::nullopt;
  const core::ObjectId object = by_time_.begin()->second;
  set(object, std::nullopt);
  return object;
}

core::Deadline Alarms::next_deadline() const {
  if (by_time_.empty()) return std::nullopt;
  return by_time_.begin()->first;
}

void Alarms::save(Saver& out) const {
  out.writer().array(times_.size());
  for (const auto& [object, time] : times_) {
    out.number(core::number(object));
    out.writer().integer(time.time_since_epoch().count());
  }
}

}  // namespace steward::detail::server
