// ClientReference: a session's share in one object of its manager.
//
// Thread safety: as core::Reference; the count is guarded by the session's mutex. Ownership: keeps
// its session. There is at most one for each object in a session, shared by all proxies.
#pragma once

#include <memory>

#include <steward/client/live_session.hpp>
#include <steward/core/token.hpp>

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

 private:
  friend class LiveSession;
  const std::shared_ptr<LiveSession> session_;
  mutable std::uint64_t grants_ = 0;  // handles that the manager counts for us
};

}  // namespace steward::client
