#include <steward/manager/server/leases.hpp>

namespace steward::detail::server {

bool Leases::add(Lease lease) {
  const core::Nonce nonce = lease.nonce;
  const auto [added, is_new] = leases_.try_emplace(nonce, std::move(lease));
  if (!is_new) return false;
  by_end_.emplace(added->second.end, nonce);
  ++counts_[added->second.by];
  return true;
}

bool Leases::waits(const core::Nonce& nonce, core::ObjectId object) const {
  const auto found = leases_.find(nonce);
  return found != leases_.end() && found->second.object->token().object == object;
}

std::optional<Leases::Lease> Leases::take(const core::Nonce& nonce) {
  auto found = leases_.extract(nonce);
  if (found.empty()) return std::nullopt;
  by_end_.erase({found.mapped().end, nonce});
  const auto count = counts_.find(found.mapped().by);
  if (--count->second == 0) counts_.erase(count);
  return std::move(found.mapped());
}

void Leases::end_expired(core::Time now) {
  while (!by_end_.empty() && by_end_.begin()->first <= now) {
    const core::Nonce nonce = by_end_.begin()->second;
    static_cast<void>(take(nonce));
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
    const core::Nonce nonce = in.id<core::Nonce>();
    core::ReferencePtr object = in.reference(core::ObjectId{in.number()});
    const SessionNumber by{in.number()};
    if (!add({nonce, std::move(object), by, in.time()})) Loader::damaged();
  });
}

}  // namespace steward::detail::server
