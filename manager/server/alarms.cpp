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
  out.each(times_, [&](const auto& alarm) {
    out.number(core::number(alarm.first));
    out.time(alarm.second);
  });
}

void Alarms::load(Loader& in) {
  in.each([&] {
    const core::ObjectId object{in.number()};
    set(object, in.time());
  });
}

}  // namespace steward::detail::server
