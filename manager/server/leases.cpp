#include <steward/manager/server/leases.hpp>

namespace steward::detail::server {

bool Leases::add(const core::Nonce& nonce, core::ReferencePtr object, SessionNumber by,
                 core::Time end) {
  if (!leases_.try_emplace(nonce, Lease{std::move(object), by, end}).second) return false;
  by_end_.emplace(end, nonce);
  ++counts_[by];
  return true;
}

bool Leases::waits(const core::Nonce& nonce, core::ObjectId object) const {
  const auto found = leases_.find(nonce);
  return found != leases_.end() && found->second.object->token().object == object;
}

bool Leases::end(const core::Nonce& nonce) {
  const auto found = leases_.find(nonce);
  if (found == leases_.end()) return false;
  by_end_.erase({found->second.end, nonce});
  const auto count = counts_.find(found->second.by);
  if (--count->second == 0) counts_.erase(count);
  leases_.erase(found);
  return true;
}

void Leases::end_expired(core::Time now) {
  while (!by_end_.empty() && by_end_.begin()->first <= now) {
    const core::Nonce nonce = by_end_.begin()->second;
    end(nonce);
  }
}

std::size_t Leases::count_of(SessionNumber session) const {
  const auto found = counts_.find(session);
  return found == counts_.end() ? 0 : found->second;
}

core::Deadline Leases::next_deadline() const {
  if (by_end_.empty()) return std::nullopt;
  return by_end_.begin()->first;
}

void Leases::save(Saver& out) const {
  out.each(leases_, [&](const auto& lease) {
    out.writer().bytes(lease.first.view());
    out.number(core::number(lease.second.object->token().object));
    out.number(static_cast<std::uint64_t>(lease.second.by));
    out.time(lease.second.end);
  });
}

void Leases::load(Loader& in) {
  in.each([&] {
    const auto nonce = core::Nonce::from(in.reader().bytes());
    core::ReferencePtr object = in.reference(core::ObjectId{in.number()});
    const SessionNumber by{in.number()};
    if (!nonce || !add(*nonce, std::move(object), by, in.time())) Loader::damaged();
  });
}

}  // namespace steward::detail::server
