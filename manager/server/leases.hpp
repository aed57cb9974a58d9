// Claim leases: what keeps an object alive while its handle travels outside the manager, as text,
// in a file, in the arguments of a new process. Ended by the first claim, by a revocation or by
// time.
//
// Thread safety: none; part of the core.
#pragma once

#include <map>
#include <set>

#include <steward/core/clock.hpp>
#include <steward/core/token.hpp>
#include <steward/manager/server/saved_state.hpp>

namespace steward::detail::server {

class Leases {
 public:
  // False: the nonce is taken.
  bool add(const core::Nonce& nonce, core::ReferencePtr object, SessionNumber by, core::Time end);
  // Whether such a lease of this very object waits.
  bool waits(const core::Nonce& nonce, core::ObjectId object) const;
  // False: there is no such lease (any more).
  bool end(const core::Nonce& nonce);
  void end_expired(core::Time now);

  std::size_t count_of(SessionNumber session) const;
  core::Deadline next_deadline() const;
  void save(Saver& out) const;
  void load(Loader& in);

 private:
  struct Lease {
    core::ReferencePtr object;
    SessionNumber by{};
    core::Time end;
  };

  std::map<core::Nonce, Lease> leases_;
  std::set<std::pair<core::Time, core::Nonce>> by_end_;
  std::map<SessionNumber, std::size_t> counts_;
};

}  // namespace steward::detail::server
