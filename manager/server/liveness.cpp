#include <steward/manager/server/liveness.hpp>

#include <system_error>
#include <utility>

#include <steward/shm/fd_passing.hpp>
#include <steward/shm/pidfd.hpp>

namespace steward::detail::server {
namespace {

// Nothing is said at the control socket once the ticket is redeemed: whatever can be read there is
// the end.
bool hung_up(int socket) {
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
  if (shm::has_ended(peer.pidfd.get()) || hung_up(peer.socket.get())) return false;
  const auto [place, added] = peers_.emplace(session, std::move(peer));
  poller_.add(place->second.socket.get(), [this, session] { look(session); });
  poller_.add(place->second.pidfd.get(), [this, session] { look(session); });
  return true;
}

void Liveness::look(const core::SessionId& session) {
  const auto place = peers_.find(session);
  if (place == peers_.end()) return;
  const LocalPeer& peer = place->second;
  if (!shm::has_ended(peer.pidfd.get()) && !hung_up(peer.socket.get())) return;
  // Said once: both descriptors stay readable from now on.
  poller_.remove(peer.socket.get());
  poller_.remove(peer.pidfd.get());
  dead_.push_back(session);
}

bool Liveness::has_hung_up(const core::SessionId& session) const {
  const auto place = peers_.find(session);
  return place != peers_.end() && hung_up(place->second.socket.get());
}

void Liveness::lease(const core::SessionId& session, core::Time now) {
  leased_.emplace(session, Place{&leases_, leases_.all.insert(leases_.all.end(), {session, now})});
}

void Liveness::renew(const core::SessionId& session, core::Time now) {
  const auto place = leased_.find(session);
  if (place == leased_.end()) return;
  const auto& [among, at] = place->second;
  at->heard = now;
  among->all.splice(among->all.end(), among->all, at);
}

void Liveness::shorten(const core::SessionId& session) {
  const auto place = leased_.find(session);
  if (place == leased_.end()) return;
  // Who says so is heard now: it stands last there, too.
  last_.all.splice(last_.all.end(), place->second.among->all, place->second.at);
  place->second.among = &last_;
}

void Liveness::expire(core::Time now) {
  for (Leases* each : {&leases_, &last_}) {
    std::list<Lease>& all = each->all;
    while (!all.empty() && now - all.front().heard >= each->length) {
      dead_.push_back(all.front().session);
      leased_.erase(all.front().session);
      all.pop_front();
    }
  }
}

core::Deadline Liveness::next_deadline() const {
  core::Deadline next;
  for (const Leases* each : {&leases_, &last_}) {
    if (each->all.empty()) continue;
    const core::Time end = each->all.front().heard + each->length;
    if (!next || end < *next) next = end;
  }
  return next;
}

void Liveness::excuse(core::Time now) {
  for (Leases* each : {&leases_, &last_}) {
    for (Lease& lease : each->all) lease.heard = now;
  }
}

void Liveness::forget(const core::SessionId& session) {
  if (const auto lease = leased_.find(session); lease != leased_.end()) {
    lease->second.among->all.erase(lease->second.at);
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
