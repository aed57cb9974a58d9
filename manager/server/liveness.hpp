// Liveness: whose process is still there. A local session ends when its process does, or when its
// control socket closes, whichever is seen first: a forked child that inherited the socket hides a
// hang-up, the pidfd hides nothing. Of a remote one nobody tells: it lives by a lease, which every
// word from its client renews.
#pragma once

#include <algorithm>
#include <list>
#include <unordered_map>
#include <utility>
#include <vector>

#include <steward/core/clock.hpp>
#include <steward/core/ids.hpp>
#include <steward/core/wire.hpp>
#include <steward/manager/server/poller.hpp>
#include <steward/manager/server/control_socket.hpp>

namespace steward::detail::server {

// Thread safety: none; the loop's thread only. Owns the peers' descriptors. The poller must
// outlive it.
class Liveness {
 public:
  Liveness(Poller& poller, core::Duration lease)
      : poller_(poller), leases_{lease}, last_{std::min<core::Duration>(lease, core::kLastLease)} {}
  Liveness(const Liveness&) = delete;
  Liveness& operator=(const Liveness&) = delete;
  ~Liveness();

  // False: the peer is gone already.
  bool watch(const core::SessionId& session, LocalPeer peer);
  // A session that lives by a lease from now on.
  void lease(const core::SessionId& session, core::Time now);
  // Its client was heard. Nothing for sessions without a lease.
  void renew(const core::SessionId& session, core::Time now);
  // From now on its lease is core::kLastLease, if it was longer.
  void shorten(const core::SessionId& session);
  // Those are dead whose lease is over at this time.
  void expire(core::Time now);
  // When the next lease is over.
  core::Deadline next_deadline() const;

  // The session has ended. Its control socket stays open until close_left(), so that a client that
  // is still there hears the last words before it finds the control socket closed.
  void forget(const core::SessionId& session);
  void close_left() { left_.clear(); }

  bool has_dead() const { return !dead_.empty(); }
  // Its control socket is closed at the other end, in all copies of its process.
  bool has_hung_up(const core::SessionId& session) const;
  // Sessions found dead since the last call, first found first.
  std::vector<core::SessionId> take_dead() { return std::exchange(dead_, {}); }

  // The loop itself stood still (SIGSTOP, a suspended machine): nobody could be heard, so every
  // lease begins again.
  void excuse(core::Time now);

  // 0: not known.
  pid_t pid_of(const core::SessionId& session) const;

 private:
  struct Lease {
    core::SessionId session;
    core::Time heard;
  };
  // Of one length. Who was heard last stands last.
  struct Leases {
    core::Duration length;
    std::list<Lease> all = {};
  };
  struct Place {
    Leases* among = nullptr;
    std::list<Lease>::iterator at = {};
  };

  void look(const core::SessionId& session);

  Poller& poller_;
  std::unordered_map<core::SessionId, LocalPeer> peers_;
  Leases leases_;
  Leases last_;  // of those that were shortened
  std::unordered_map<core::SessionId, Place> leased_;
  std::vector<core::SessionId> dead_;
  std::vector<LocalPeer> left_;
};

}  // namespace steward::detail::server
