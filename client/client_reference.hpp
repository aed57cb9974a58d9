// The kinds of references that a client has. A reference that was made before a fork is claimed
// anew in the child, at its first use there.
//
// Thread safety: as detail::core::Reference.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>

#include <steward/client/proof.hpp>
#include <steward/client/session/driver.hpp>
#include <steward/client/terms.hpp>
#include <steward/core/token.hpp>
#include <steward/shm/shared_queue.hpp>

namespace steward::detail::client {

// The base of both kinds: a reference that may have been replaced by another one, by which this
// process has claimed the object. It keeps that one.
class Claimable : public core::Reference, public std::enable_shared_from_this<Claimable> {
 public:
  using Reference::Reference;

  // For elsewhere: with a claim lease at the manager, so that the object outlives the trip. Throws
  // as session_of(), TimeoutError if the manager does not answer by the deadline.
  virtual core::Token leased(core::Deadline deadline) const = 0;
  core::Token outgoing() const final { return leased({}); }

  // nullptr: of another kind.
  static const Claimable* from(const core::Reference& reference) {
    return dynamic_cast<const Claimable*>(&reference);
  }

 private:
  friend class ClientState;
  mutable core::ReferencePtr claimed_;  // guarded by ClientState's lock
};

// A session's share in one object of its manager. Ownership: keeps its session. There is at most
// one for each object in a session, shared by all proxies.
class ClientReference final : public Claimable {
 public:
  ClientReference(core::Token token, std::shared_ptr<SessionDriver> session)
      : Claimable(std::move(token)), session_(std::move(session)) {}
  ~ClientReference() override;

  // nullptr: of another kind.
  static const ClientReference* from(const core::Reference& reference);

  const std::shared_ptr<SessionDriver>& session() const { return session_; }
  core::Token leased(core::Deadline deadline) const override;
  std::function<void()> recall(const core::Token& sent) const override;

  // For a reference to a queue, in the process that made its session: see ring_of().
  shm::SharedQueue* ring(core::Deadline deadline) const;

 private:
  enum class Route : std::uint8_t { unknown, ring, manager };
  static constexpr std::chrono::seconds kRingAgain{1};

  // What the manager says to the question for the ring.
  struct Answer {
    Route route;
    shm::UniqueFd memory = {};    // for Route::ring
    bool is_for_a_while = false;  // for Route::unknown: ask again, but not at once
  };
  core::Deadline time_to_ask() const;  // nullopt: nobody has been refused it yet
  Answer ask_for_ring(core::Deadline deadline) const;
  void take_answer(Answer answer, core::Deadline asked_at) const;

  const std::shared_ptr<SessionDriver> session_;
  mutable std::mutex ring_mutex_;  // while the route is unknown; never held while one waits
  mutable std::atomic<Route> route_ = Route::unknown;
  // For the ring; guarded by ring_mutex_.
  mutable core::Deadline ask_again_at_;
  mutable core::Duration ask_again_in_ = kRingAgain;
  mutable std::unique_ptr<shm::SharedQueue> ring_;
};

// A handle that was decoded. Whoever wrote it says which addresses its manager has, so that nothing
// is dialled before somebody uses it. Until then it keeps nothing alive. A use that ends before the
// object was claimed, by its deadline or by an interrupt, leaves the handle as it was.
class UnclaimedReference final : public Claimable {
 public:
  // `terms` and `writer`: of the session that it came by, and what proves its manager; null: it
  // came by none.
  UnclaimedReference(core::Token token, TermsPtr terms, Proof writer)
      : Claimable(std::move(token)), terms_(std::move(terms)), writer_(std::move(writer)) {}
  const TermsPtr& terms() const { return terms_; }
  const Proof& writer() const { return writer_; }
  // Until it was used: the token as it came, if it is trusted. Else as in ClientReference: whoever
  // gets it from this process would trust it.
  core::Token leased(core::Deadline deadline) const override;
  std::function<void()> recall(const core::Token& sent) const override;

 private:
  // By this user's own manager or program, and what it leads to is not asked for.
  bool is_trusted() const {
    return writer_.kind == Proof::Kind::user && terms_ != nullptr && terms_->allow.empty();
  }

  const TermsPtr terms_;
  const Proof writer_;
};

}  // namespace steward::detail::client
