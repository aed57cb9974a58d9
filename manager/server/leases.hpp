// Claim leases: what keeps an object alive while its handle travels outside the manager, as text,
// in a file, in the arguments of a new process. Ended by the first claim, unless that is given up,
// by a revocation or by time.
//
// Thread safety: none; part of the core.
#pragma once

#include <map>
#include <optional>
#include <set>

#include <steward/core/clock.hpp>
#include <steward/core/token.hpp>
#include <steward/manager/server/saved_state.hpp>

namespace steward::detail::server {

class Leases {
 public:
  struct Lease {
    core::Nonce nonce;
    core::ReferencePtr object;
    SessionNumber by{};  // who asked for it
    core::Time end;
  };

  // False: the nonce is taken.
  bool add(Lease lease);
  // Whether such a lease of this very object waits.
  bool waits(const core::Nonce& nonce, core::ObjectId object) const;
  // nullopt: there is no such lease (any more).
  std::optional<Lease> take(const core::Nonce& nonce);
  void end_expired(core::Time now);

  std::size_t count_of(SessionNumber session) const;
  core::Deadline next_deadline() const;
  void save(Saver& out) const;
  void load(Loader& in);

 private:
  std::map<core::Nonce, Lease> leases_;
  std::set<std::pair<core::Time, core::Nonce>> by_end_;
  std::map<SessionNumber, std::size_t> counts_;
};

}  // namespace steward::detail::server
