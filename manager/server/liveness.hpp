// Liveness: whose process is still there. A local session ends when its process does, or when its
// side door closes, whichever is seen first: a forked child that inherited the socket hides a
// hang-up, the pidfd hides nothing.
#pragma once

#include <unordered_map>
#include <utility>
#include <vector>

#include <steward/core/ids.hpp>
#include <steward/manager/server/poller.hpp>
#include <steward/manager/server/side_door.hpp>

namespace steward::server {

// Thread safety: none; the loop's thread only. Owns the visitors' descriptors. The poller must
// outlive it.
class Liveness {
 public:
  explicit Liveness(Poller& poller) : poller_(poller) {}
  Liveness(const Liveness&) = delete;
  Liveness& operator=(const Liveness&) = delete;
  ~Liveness();

  // False: the visitor is gone already.
  bool watch(const core::SessionId& session, Visitor visitor);
  // The session has ended. Its door stays open until close_left(), so that a client that is still
  // there hears the last words before it finds the door closed.
  void forget(const core::SessionId& session);
  void close_left() { left_.clear(); }

  // Sessions found dead by the poller since the last call, first found first.
  std::vector<core::SessionId> take_dead() { return std::exchange(dead_, {}); }

  // The loop itself stood still (SIGSTOP, a suspended machine): nobody's silence in that time
  // counts. Local sessions have no lease that silence could end.
  void excuse(core::Duration) {}

  // 0: not known.
  pid_t pid_of(const core::SessionId& session) const;

 private:
  void look(const core::SessionId& session);

  Poller& poller_;
  std::unordered_map<core::SessionId, Visitor> visitors_;
  std::vector<core::SessionId> dead_;
  std::vector<Visitor> left_;
};

}  // namespace steward::server
