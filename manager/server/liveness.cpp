#include <steward/manager/server/liveness.hpp>

#include <system_error>
#include <utility>

#include <steward/shm/fd_passing.hpp>
#include <steward/shm/pidfd.hpp>

namespace steward::detail::server {
namespace {

// Nothing is said at the control socket once the ticket is redeemed: whatever can be read there is
// the end.
bool has_hung_up(int socket) {
  try {
    return !shm::receive_with_fds(socket, 1, shm::Wait::none).would_block;
  } catch (const std::system_error&) {
    return true;
  }
}

}  // namespace

Liveness::~Liveness() {
  while (!peers_.empty()) forget(core::SessionId(peers_.begin()->first));
}

bool Liveness::watch(const core::SessionId& session, LocalPeer peer) {
  if (shm::has_ended(peer.pidfd.get()) || has_hung_up(peer.socket.get())) return false;
  const auto [place, added] = peers_.emplace(session, std::move(peer));
  poller_.add(place->second.socket.get(), [this, session] { look(session); });
  poller_.add(place->second.pidfd.get(), [this, session] { look(session); });
  return true;
}

void Liveness::look(const core::SessionId& session) {
  const auto place = peers_.find(session);
  if (place == peers_.end()) return;
  const LocalPeer& peer = place->second;
  if (!shm::has_ended(peer.pidfd.get()) && !has_hung_up(peer.socket.get())) return;
  // Said once: both descriptors stay readable from now on.
  poller_.remove(peer.socket.get());
  poller_.remove(peer.pidfd.get());
  dead_.push_back(session);
}

void Liveness::lease(const core::SessionId& session, core::Time now) {
  leased_.emplace(session, leases_.insert(leases_.end(), {session, now}));
}

void Liveness::renew(const core::SessionId& session, core::Time now) {
  const auto place = leased_.find(session);
  if (place == leased_.end()) return;
  place->second->heard = now;
  leases_.splice(leases_.end(), leases_, place->second);
}

void Liveness::expire(core::Time now) {
  while (!leases_.empty() && now - leases_.front().heard >= lease_) {
    dead_.push_back(leases_.front().session);
    leased_.erase(leases_.front().session);
    leases_.pop_front();
  }
}

core::Deadline Liveness::next_deadline() const {
  if (leases_.empty()) return std::nullopt;
  return leases_.front().heard + lease_;
}

void Liveness::excuse(core::Time now) {
  for (Lease& lease : leases_) lease.heard = now;
}

void Liveness::forget(const core::SessionId& session) {
  if (const auto lease = leased_.find(session); lease != leased_.end()) {
    leases_.erase(lease->second);
    leased_.erase(lease);
  }
  const auto place = peers_.find(session);
  if (place == peers_.end()) return;
  poller_.remove(place->second.socket.get());
  poller_.remove(place->second.pidfd.get());
  left_.push_back(std::move(place->second));
  peers_.erase(place);
}

pid_t Liveness::pid_of(const core::SessionId& session) const {
  const auto place = peers_.find(session);
  return place == peers_.end() ? 0 : place->second.pid;
}

}  // namespace steward::detail::server
