#include <steward/manager/server/parked_calls.hpp>

#include <algorithm>
#include <stdexcept>
#include <vector>

namespace steward::detail::server {

ParkId ParkedCalls::add(const ParkedCall& call) {
  const ParkId id{++last_id_};
  calls_.emplace(id, call);
  if (call.deadline) by_deadline_.emplace(*call.deadline, id);
  return id;
}

const ParkedCall* ParkedCalls::find(ParkId id) const {
  const auto found = calls_.find(id);
  return found == calls_.end() ? nullptr : &found->second;
}

const ParkedCall& ParkedCalls::at(ParkId id) const {
  if (const ParkedCall* call = find(id)) return *call;
  throw std::logic_error("a class has ended a call that does not wait");
}

ParkedCall ParkedCalls::take(ParkId id) {
  ParkedCall call = at(id);
  calls_.erase(id);
  call.list->remove(id);
  if (call.deadline) by_deadline_.erase({*call.deadline, id});
  return call;
}

void ParkedCalls::move(ParkId id, WaiterList& list) {
  at(id).list->remove(id);
  calls_.at(id).list = &list;
}

void ParkedCalls::end_deadline(ParkId id) {
  if (const core::Deadline ended = at(id).deadline) by_deadline_.erase({*ended, id});
  calls_.at(id).deadline.reset();
}

core::Deadline ParkedCalls::next_deadline() const {
  if (by_deadline_.empty()) return std::nullopt;
  return by_deadline_.begin()->first;
}

std::optional<ParkId> ParkedCalls::expired(core::Time now) const {
  if (by_deadline_.empty() || by_deadline_.begin()->first > now) return std::nullopt;
  return by_deadline_.begin()->second;
}

void ParkedCalls::save(Saver& out) const {
  std::vector<ParkId> ids;
  for (const auto& [id, call] : calls_) ids.push_back(id);
  std::ranges::sort(ids);
  out.number(last_id_);
  out.each(ids, [&](ParkId id) {
    const ParkedCall& call = calls_.at(id);
    out.number(static_cast<std::uint64_t>(id));
    out.key(call.key);
    out.number(core::number(call.object));
    out.writer().string(call.method);
    out.deadline(call.deadline);
  });
}

void ParkedCalls::load(Loader& in, const MethodOf& method_of) {
  last_id_ = in.number();
  in.each([&] {
    const ParkId id{in.number()};
    ParkedCall call;
    call.key = in.key();
    call.object = core::ObjectId{in.number()};
    const Method* method = method_of(call, in.reader().string());
    if (method == nullptr) Loader::damaged();
    call.method = method->name;
    call.number = method->number;
    call.deadline = in.deadline();
    call.list = &in.list_of(id);
    if (call.deadline) by_deadline_.emplace(*call.deadline, id);
    calls_.emplace(id, call);
  });
}

}  // namespace steward::detail::server
