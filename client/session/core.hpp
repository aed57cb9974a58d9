// SessionCore: the state machine of one session with one manager. What it does and says is a
// function of its inputs and of nothing else: it has no clock, thread, socket, lock or randomness.
// Whoever drives it tells what happens, carries what it wants sent, dials when it wants a new
// session, and calls tick() at its next deadline. It consists of
//   Link        the connection: handshake, resume, how long a manager may be out of reach
//   Calls       from their start to their end: numbers, limits, deadlines, frames
//   References  the objects in use, and what goes back
//   Holds       the locks that threads hold
// and this class tells each part what follows for it from what happens in another.
//
// Thread safety: none. Completions are told from within its functions. A function that throws (only
// std::bad_alloc) has lost nothing that somebody waits for: what was to come about by time comes
// about at the next tick(); a frame may be lost half-way, as if the connection had broken behind it
// (say so by connection_lost() and connected()); any other input may be repeated.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <steward/client/grants.hpp>
#include <steward/client/session/calls.hpp>
#include <steward/client/session/holds.hpp>
#include <steward/client/session/link.hpp>
#include <steward/client/session/references.hpp>

namespace steward::detail::client {

// Errors that belong to a thread and not to one of its calls: of a post, of a lock that it lost.
// One a thread at most, until it was told or has ended.
class ThreadErrors {
 public:
  // The first one counts.
  void note(core::ThreadNumber thread, core::ErrorCode code, std::string payload);
  bool has(core::ThreadNumber thread) const { return errors_.contains(thread); }
  // As the end of a call of this thread; once.
  std::optional<Outcome> take(core::ThreadNumber thread);
  void thread_ended(core::ThreadNumber thread) noexcept { errors_.erase(thread); }
  // Those of others, who come later.
  void take_over(ThreadErrors others) noexcept { errors_.merge(others.errors_); }

 private:
  std::map<core::ThreadNumber, Outcome> errors_;
};

class SessionCore {
 public:
  struct Setup {
    std::string where;               // "the manager at ipc://... (pid 123)", for error texts
    std::string ticket;
    core::Incarnation incarnation;   // zero: not known yet
    core::Duration patience{};       // with a manager that cannot be reached
    bool begins_anew = false;        // a lost session may be followed by another one
    Nonces nonces;
  };
  explicit SessionCore(Setup setup);

  // --- inputs: the connection
  void connected(core::Time now);
  void connection_lost(core::Time now);
  // The manager will never let this client in.
  void refused(const std::string& why);
  void frame(std::string_view frame, core::Time now);
  // The manager has closed its control socket; its process has ended.
  void hung_up(core::Time now) { manager_ends(false, now); }
  void process_ended(core::Time now) { manager_ends(true, now); }
  void tick(core::Time now);

  // --- inputs: calls
  // The completion is told in any case, perhaps before this returns; but not if this throws.
  void start(CallRequest request, const CallLabel& label, Completion& completion,
             core::Time now);
  void cancel(Completion& completion);
  // The same where there is no memory for that.
  void abandon(Completion& completion) noexcept { calls_.abandon(completion); }
  // Nobody waits for it. Its error is thrown by the thread's next call that can fail without losing
  // anything.
  void post(CallRequest request, core::Time now);
  // The caller's word on a take: see Session::settle().
  void settle(const Unsettled& take, bool kept);
  // Tells the manager that the session lives. While posts may not have arrived, something is asked:
  // what they did is not to count as lost with a session that is lost much later.
  void renew(core::Time now);
  // --- inputs: the session
  // The answer to wants_session().
  void begin_anew(std::string ticket, const core::Incarnation& incarnation, core::Time now);
  // Likewise. `for_good`: the manager is not there any more; else it may pass, and is tried again
  // (see Link::dial_failed()).
  void cannot_begin_anew(const std::string& why, bool for_good, core::Time now);
  // Says goodbye; no call begins any more.
  void leave();
  // The process ends soon, in order, and so does what it has here then. Until then the session goes
  // on. Also said of each session that follows this one.
  void announce_end();
  // After leave(), or because of what happened outside.
  void close(std::string reason, bool manager_is_dead) noexcept;

  // --- inputs: references and holds
  References& references() { return references_; }
  const References& references() const { return references_; }
  // How many sessions there were before this one.
  SessionNumber session() const { return session_; }
  // The manager has granted its object once more, to the session of this number. If that is lost by
  // now, the object is claimed for the next one.
  void granted(const core::ReferencePtr& reference, SessionNumber to, core::Time now);
  void released(const core::Reference& reference, core::Time now);
  void give_back(const Grants& grants, core::Time now);
  // The manager has given this lock to the thread, in this session. If that is lost by now, so is
  // the hold, and the thread's next call says so.
  void locked(core::ObjectId lock, core::ThreadNumber thread, std::uint64_t token,
              bool previous_owner_died, SessionNumber by);
  Holds& holds() { return holds_; }
  const Holds& holds() const { return holds_; }
  // Ends one hold of the thread, with a post if the manager must be told. False: there is none.
  bool unlock(core::ObjectId lock, core::ThreadNumber thread, core::Time now);
  // The thread has ended: the locks that it left locked have lost their owner. Errors that wait for
  // it, or will come of its posts, concern nobody.
  void thread_ended(core::ThreadNumber thread, core::Time now);

  // --- outputs
  // The next frame to be sent, valid until the next input; the same until sent().
  std::optional<Frame> front();
  void sent();
  // When to tick().
  core::Deadline next_deadline() const;
  // Of these, that of the connection alone.
  core::Deadline link_deadline() const { return link_.next_deadline(); }
  // A connection for a new session is wanted, by out_of_reach_at().
  bool wants_session() const { return link_.wants_session(); }
  core::Deadline out_of_reach_at() const { return link_.out_of_reach_at(); }

  const Link& link() const { return link_; }
  const Calls& calls() const { return calls_; }
  const std::string& where() const { return where_; }
  // Once it is closed.
  const std::string& closed_because() const { return closed_because_; }
  bool was_refused() const { return refused_; }
  bool leaving() const { return leaving_; }
  bool goodbye_answered() const { return goodbye_answered_; }
  // The manager has heard of announce_end().
  bool end_is_known() const { return end_is_known_; }
  // From the latest welcome; 0: there is none. Else between 100 ms and a day, so that renewals are
  // neither many nor past the end of the clock.
  core::Duration lease() const;
  const std::vector<std::string>& told_addresses() const { return told_addresses_; }

 private:
  void on_replies(core::OpenEnvelope envelope);
  void on_reply(const core::Reply& reply);
  Outcome outcome_of(PendingCall& call, const core::Reply& reply) noexcept;
  void on_welcome(const core::Welcome& welcome, core::Time now);
  void on_challenge(std::string_view challenge, core::Time now);
  void manager_ends(bool process_ended, core::Time now);
  void conclude_ending(core::Time now);
  void lose(const std::string& reason, core::Time now);
  // Threads that lose a hold with the session, each with one of its locks, until they are told.
  using Losers = std::map<core::ThreadNumber, core::ObjectId>;
  ThreadErrors errors_of_loss(const std::string& reason, Losers losers) const;
  void end_lost_call(std::unique_ptr<PendingCall> call, const std::string& reason,
                     Losers& losers) noexcept;
  void note_lost_hold(ThreadErrors& errors, core::ThreadNumber thread, core::ObjectId lock,
                      const std::string& reason) const;
  void claim_lost(core::Time now);
  void claim(core::ObjectId object, core::Time now);
  void drop_owed(bool though_blocked = false);
  void lose_holds() noexcept;

  const std::string where_;
  const std::string out_of_reach_;  // to be said without asking for memory
  const bool begins_anew_;
  Link link_;
  Calls calls_;
  References references_;
  Holds holds_;
  ThreadErrors errors_;

  std::string dial_failure_;  // of the latest that failed
  std::string closed_because_;
  bool refused_ = false;
  bool leaving_ = false;
  bool goodbye_answered_ = false;
  bool process_ends_ = false;  // see announce_end()
  bool end_is_known_ = false;
  unsigned sessions_lost_ = 0;  // since the last reply
  SessionNumber session_ = 0;
  core::Duration lease_{};
  std::vector<std::string> told_addresses_;
};

// The arguments of the manager's `claim` and `lease`.
std::string claim_arguments(core::ObjectId object, const std::optional<core::Nonce>& nonce,
                            bool needs_lease = false);

}  // namespace steward::detail::client
