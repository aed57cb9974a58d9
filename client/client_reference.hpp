// ClientReference: a session's share in one object of its manager.
//
// Thread safety: as core::Reference; the count is guarded by the session's mutex. Ownership: keeps
// its session. There is at most one for each object in a session, shared by all proxies.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>

#include <steward/client/live_session.hpp>
#include <steward/core/token.hpp>
#include <steward/shm/shared_queue.hpp>

namespace steward::client {

class ClientReference final : public core::Reference,
                              public std::enable_shared_from_this<ClientReference> {
 public:
  ClientReference(core::Token token, std::shared_ptr<LiveSession> session)
      : Reference(std::move(token)), session_(std::move(session)) {}
  ~ClientReference() override;

  // nullptr: of another kind.
  static const ClientReference* from(const core::Reference& reference);

  const std::shared_ptr<LiveSession>& session() const { return session_; }
  // Leaves a claim lease with the manager, so that the object outlives the trip.
  core::Token outgoing() const override;
  std::function<void()> recall(const core::Token& sent) const override;

  // Of a queue, for the process of its session only: see ring_of().
  shm::SharedQueue* ring(core::Deadline deadline) const;
  // In a forked child.
  void abandon_ring() const;

 private:
  friend class LiveSession;
  enum class Road : std::uint8_t { unknown, ring, general };

  Road find_ring(core::Deadline deadline) const;

  const std::shared_ptr<LiveSession> session_;
  mutable std::timed_mutex ring_mutex_;  // while the road is unknown
  mutable std::atomic<Road> road_ = Road::unknown;
  mutable std::unique_ptr<shm::SharedQueue> ring_;
  mutable std::uint64_t grants_ = 0;  // handles that the manager counts for us
};

}  // namespace steward::client
