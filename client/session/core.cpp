#include <steward/client/session/core.hpp>

#include <algorithm>
#include <new>
#include <utility>

#include <steward/core/errors.hpp>
#include <steward/core/planted_fault.hpp>
#include <steward/core/writer.hpp>

namespace steward::detail::client {
namespace {

// A read that costs its session each time is not repeated for ever.
constexpr unsigned kRepeats = 3;
// So many objects are dropped by one call, and no more than its frame has room for.
constexpr std::size_t kDropsMax = 4096;
constexpr std::size_t kDropBytes = 20;
constexpr std::size_t kDropFrameBytes = 100;

// Whatever the manager says: three renewals fit into one lease, and neither a thread that does
// nothing else nor the end of the clock is worth a session.
constexpr std::chrono::milliseconds kShortestLease{100};
constexpr std::chrono::milliseconds kLongestLease = std::chrono::hours(24);

core::Duration lease_of(std::uint64_t milliseconds) {
  if (milliseconds == 0) return {};
  const auto most = static_cast<std::uint64_t>(kLongestLease.count());
  const std::chrono::milliseconds lease(std::min(milliseconds, most));
  return std::max(lease, kShortestLease);
}

Outcome error(core::ErrorCode code, std::string_view text) {
  return {Outcome::End::replied, code, core::encode_error(text)};
}

}  // namespace

void ThreadErrors::note(core::ThreadNumber thread, core::ErrorCode code, std::string payload) {
  errors_.try_emplace(thread, Outcome{Outcome::End::replied, code, std::move(payload)});
}

std::optional<Outcome> ThreadErrors::take(core::ThreadNumber thread) {
  if (errors_.empty()) return std::nullopt;
  auto node = errors_.extract(thread);
  if (node.empty()) return std::nullopt;
  return std::move(node.mapped());
}

std::string claim_arguments(core::ObjectId object, const std::optional<core::Nonce>& nonce,
                            bool needs_lease) {
  std::string arguments;
  core::Writer writer(arguments);
  writer.array(needs_lease ? 3 : 2);
  writer.natural(core::number(object));
  if (nonce) {
    writer.bytes(nonce->view());
  } else {
    writer.nil();
  }
  if (needs_lease) writer.boolean(true);
  return arguments;
}

SessionCore::SessionCore(Setup setup)
    : where_(std::move(setup.where)),
      out_of_reach_(where_ + " cannot be reached"),
      begins_anew_(setup.begins_anew),
      link_(std::move(setup.ticket), setup.incarnation, setup.patience, std::move(setup.nonces)) {}

// --- the connection

void SessionCore::connected(core::Time now) {
  calls_.pause();
  link_.connected(now);
}

void SessionCore::connection_lost(core::Time now) {
  calls_.pause();
  if (link_.connection_lost(now)) conclude_ending(now);
}

void SessionCore::refused(const std::string& why) {
  refused_ = true;
  close(where_ + " refused the connection: " + why, false);
}

// What makes no sense is passed over: the manager is trusted with our calls, not with our life.
void SessionCore::frame(std::string_view frame, core::Time now) try {
  const core::OpenEnvelope envelope = core::open_envelope(frame);
  switch (envelope.kind) {
    case core::Envelope::replies: on_replies(envelope); break;
    case core::Envelope::welcome: on_welcome(core::decode_welcome(envelope), now); break;
    case core::Envelope::unknown_connection: on_challenge(core::decode_text(envelope), now); break;
    case core::Envelope::unknown_session:
      if (link_.phase() == Link::Phase::greeting || link_.online()) {
        lose(core::decode_text(envelope), now);
      }
      break;
    case core::Envelope::bye:
      if (core::decode_bye(envelope)) {
        end_is_known_ = true;
        break;
      }
      // An older manager takes the word of an end that is to come for a goodbye.
      if (!leaving_ && (!process_ends_ || end_is_known_)) {
        return close(where_ + " has shut down", true);
      }
      goodbye_answered_ = true;
      break;
    default: break;
  }
  calls_.advance();
} catch (const BadCall&) {
}

void SessionCore::on_replies(core::OpenEnvelope envelope) {
  if (!link_.online()) return;  // they will be sent again
  core::ReplyReader reader(envelope);
  core::Reply reply;
  while (reader.next(reply)) {
    try {
      on_reply(reply);
    } catch (const std::bad_alloc&) {
      // Whoever waits for it was told. What the manager should hear, it hears later.
    }
  }
}

// What may fail for lack of memory comes last, when the call is over.
void SessionCore::on_reply(const core::Reply& reply) {
  const bool ok = reply.code == core::ErrorCode::ok;
  bool unwanted = false;
  if (PendingCall* call = calls_.find(reply.seq); call != nullptr) {
    sessions_lost_ = 0;
    const bool awaited = call->completion != nullptr;
    const bool unattended = call->unattended;
    const core::ObjectId renews = call->renews;
    const core::ThreadNumber thread = call->thread;
    calls_.count_reply(reply.payload.size());
    if (awaited) calls_.finish(*call, outcome_of(*call, reply));
    // Nobody has what it was given. The reply comes again, as the answer to the cancel.
    if (ok && call->forsaken && !call->cancelled && call->effect == Effect::take) {
      calls_.hand_back(*call);
      return calls_.prove(reply.seq);
    }
    calls_.remove(*call, ok);
    unwanted = !awaited && renews == core::ObjectId{};
    if (ok && renews != core::ObjectId{}) references_.renewed(renews);
    if (!ok && unattended) errors_.note(thread, reply.code, std::string(reply.payload));
    calls_.prove(reply.seq);
  } else {
    // Of a call that was given up; or answered before a connection broke, and again after it.
    unwanted = calls_.take_abandoned(reply.seq);
  }
  if (ok && unwanted) references_.owe(grants_in(reply.payload, link_.incarnation()));
  drop_owed();
}

Outcome SessionCore::outcome_of(PendingCall& call, const core::Reply& reply) noexcept try {
  const bool ok = reply.code == core::ErrorCode::ok;
  Outcome outcome{Outcome::End::replied, reply.code, std::string(reply.payload), session_};
  // A read loses nothing if it tells of an error that waits to be told.
  if (ok && call.effect == Effect::read && !call.aside && errors_.has(call.thread)) {
    if (!core::planted(core::Fault::reference_kept_after_an_error)) {
      references_.owe(grants_in(reply.payload, link_.incarnation()));
    }
    return *errors_.take(call.thread);
  }
  if (ok && call.confirm) calls_.ack(reply.seq);
  if (ok && call.settled_later) outcome.unsettled = calls_.note_unsettled(reply.seq);
  return outcome;
} catch (const std::bad_alloc&) {
  call.forsaken = reply.code == core::ErrorCode::ok && call.effect == Effect::take;
  return {Outcome::End::replied, core::ErrorCode::overloaded, {}};  // see Session::result()
}

void SessionCore::on_welcome(const core::Welcome& welcome, core::Time now) {
  switch (link_.welcome(welcome)) {
    case Link::Welcomed::no: return;
    case Link::Welcomed::by_another:
      return close(where_ + " has been replaced by another one", true);
    case Link::Welcomed::yes: break;
  }
  calls_.limit(static_cast<std::size_t>(welcome.message_bytes),
               static_cast<std::size_t>(welcome.calls_in_flight));
  lease_ = lease_of(welcome.lease_ms);
  told_addresses_ = welcome.addresses;
  claim_lost(now);
  calls_.resume();
  drop_owed();
  if (process_ends_) calls_.send(core::encode_bye(true));
  if (leaving_) calls_.send(core::encode_bye());
}

void SessionCore::on_challenge(std::string_view challenge, core::Time now) {
  if (link_.challenged(challenge, now)) calls_.pause();
}

void SessionCore::manager_ends(bool process_ended, core::Time now) {
  if (link_.hung_up(process_ended, now)) conclude_ending(now);
}

void SessionCore::conclude_ending(core::Time now) {
  if (link_.process_ended()) return close(where_ + " has ended", true);
  lose("it hung up", now);
}

void SessionCore::tick(core::Time now) {
  calls_.tick(now);
  switch (link_.tick(now)) {
    case Link::Late::ended: conclude_ending(now); break;
    case Link::Late::out_of_reach:
      calls_.fail(link_.lost() && !dial_failure_.empty() ? dial_failure_ : out_of_reach_, false);
      break;
    case Link::Late::nothing: break;
  }
  if (link_.should_prove(now)) {
    calls_.drop_cancelled();
    link_.prove(calls_.awaited(), calls_.first_incomplete());
  }
  calls_.advance();
}

// --- calls

void SessionCore::start(CallRequest request, const CallLabel& label, Completion& completion,
                        core::Time now) {
  if (!request.aside) {
    if (auto waiting = errors_.take(request.thread)) return completion.done(*std::move(waiting));
  }
  if (link_.closed() || leaving_) {
    const std::string& reason =
        link_.closed() ? closed_because_ : "this program has ended its session with " + where_;
    return completion.done({Outcome::End::disconnected, {}, reason});
  }
  if (link_.online()) {
    drop_owed(true);  // a call finds everything done that its thread did before
  } else {
    link_.want_connection(now);
  }
  std::size_t bytes = 0;
  if (calls_.start(request, &completion, now, bytes)) return;
  completion.done(error(core::ErrorCode::overloaded,
                        label.text() + "the call has " + std::to_string(bytes) + " bytes, " +
                            where_ + " takes at most " + std::to_string(calls_.message_bytes())));
}

void SessionCore::cancel(Completion& completion) {
  calls_.cancel(completion);
  calls_.advance();
}

void SessionCore::post(CallRequest request, core::Time now) {
  if (link_.closed() || leaving_) return;  // the next call says so
  request.unattended = true;
  request.post = !calls_.post_should_ask();
  request.body.clear();  // it says so
  if (!link_.online()) link_.want_connection(now);
  std::size_t bytes = 0;
  if (calls_.start(request, nullptr, now, bytes)) return;
  const CallLabel label{{}, request.object, request.method};
  errors_.note(request.thread, core::ErrorCode::overloaded,
               core::encode_error(label.text() + "the call is too large for " + where_));
}

void SessionCore::settle(const Unsettled& take, bool kept) {
  calls_.settle(take, kept);
}

void SessionCore::renew(core::Time now) {
  if (!link_.online()) return;
  if (!calls_.post_is_unproven() || !calls_.can_send()) return calls_.send(core::encode_renew());
  CallRequest asked;
  asked.object = core::kManagerObject;
  asked.method = "number_of_objects";
  asked.args = core::kNoArguments;
  asked.thread = kNobody;
  asked.effect = Effect::read;
  asked.aside = true;
  std::size_t bytes = 0;
  calls_.start(asked, nullptr, now, bytes);
}

core::Duration SessionCore::lease() const {
  return process_ends_ ? std::min<core::Duration>(lease_, core::kLastLease) : lease_;
}

// --- the session

// The manager is there but does not know the session any more. What was changing has an unknown
// outcome, what only read is asked again, what was not sent yet is sent to the new session.
void SessionCore::lose(const std::string& reason, core::Time now) {
  if (link_.closed()) return;
  std::string text = where_ + " closed this session: " + reason;
  if (leaving_ || !begins_anew_ || sessions_lost_ == kRepeats) {
    return close(std::move(text), false);
  }
  // First what needs memory: if that ends here, nothing has happened.
  Losers losers = holds_.holders();
  ThreadErrors errors = errors_of_loss(text, losers);
  std::vector<std::unique_ptr<PendingCall>> calls = calls_.restart();
  ++sessions_lost_;
  ++session_;
  end_is_known_ = false;
  link_.lose(now);
  errors_.take_over(std::move(errors));
  lose_holds();
  references_.lose();
  try {
    claim_lost(now);
  } catch (const std::bad_alloc&) {
    // With the next welcome, then.
  }
  for (auto& call : calls) end_lost_call(std::move(call), text, losers);
}

// A lock that a thread held is free for others now: what the thread meant to do under it must not
// be done without it.
void SessionCore::lose_holds() noexcept {
  holds_.lose([this](core::ObjectId lock) { return references_.contains(lock); });
}

namespace {

bool is_unknown(const PendingCall& call) { return call.effect != Effect::read && call.sent; }

// Whether the call ends together with its session.
bool is_lost(const PendingCall& call, const std::map<core::ThreadNumber, core::ObjectId>& losers) {
  return is_unknown(call) || (call.effect != Effect::read && losers.contains(call.thread));
}

}  // namespace

// What is not told as the end of a call.
ThreadErrors SessionCore::errors_of_loss(const std::string& reason, Losers losers) const {
  ThreadErrors errors;
  for (const PendingCall* call : calls_.in_order()) {
    if (call->completion != nullptr) {
      if (is_lost(*call, losers)) losers.erase(call->thread);
    } else if (call->unlocks) {
      // A lock goes with its session. Who has given it back since must hear that it may not have
      // been his any more.
      const std::string text = CallLabel{"lock", call->object, "unlock"}.text() +
                               "the lock was lost before, together with the session";
      errors.note(call->thread, core::ErrorCode::disconnected, core::encode_error(text));
    }
  }
  for (const auto& [thread, lock] : losers) note_lost_hold(errors, thread, lock, reason);
  return errors;
}

void SessionCore::note_lost_hold(ThreadErrors& errors, core::ThreadNumber thread,
                                 core::ObjectId lock, const std::string& reason) const {
  const std::string_view known = references_.type(lock);
  const std::string_view type = known.empty() ? "lock" : known;
  errors.note(thread, core::ErrorCode::disconnected,
              core::encode_error(CallLabel{type, lock, "lock"}.text() +
                                 "this thread held it until " + reason));
}

void SessionCore::end_lost_call(std::unique_ptr<PendingCall> call, const std::string& reason,
                                Losers& losers) noexcept {
  if (call->completion == nullptr) return;
  const bool unknown = is_unknown(*call);
  if (!is_lost(*call, losers)) {
    call->sent = false;
    try {
      return calls_.add(call);
    } catch (const std::bad_alloc&) {
      // It ends, too.
    }
  } else {
    losers.erase(call->thread);
  }
  calls_.lose(*call, unknown ? Outcome::End::outcome_unknown : Outcome::End::disconnected, reason);
}

void SessionCore::claim_lost(core::Time now) {
  references_.claim_lost([&](core::ObjectId object) { claim(object, now); });
}

void SessionCore::claim(core::ObjectId object, core::Time now) {
  CallRequest request;
  const std::string arguments = claim_arguments(object, std::nullopt);
  request.object = core::kManagerObject;
  request.method = "claim";
  request.args = arguments;
  request.renews = object;
  std::size_t bytes = 0;
  calls_.start(request, nullptr, now, bytes);
}

void SessionCore::begin_anew(std::string ticket, const core::Incarnation& incarnation,
                             core::Time now) {
  if (!link_.lost()) return;  // ended meanwhile
  if (incarnation != core::Incarnation{} && incarnation != link_.incarnation()) {
    return close(where_ + " has been replaced by another one", true);
  }
  link_.begin_anew(std::move(ticket));
  link_.want_connection(now);
}

void SessionCore::cannot_begin_anew(const std::string& why, bool for_good, core::Time now) {
  if (!link_.lost()) return;
  if (link_.process_ended()) return close(where_ + " has ended", true);
  dial_failure_ = where_ + " closed this session and cannot be reached again: " + why;
  if (for_good) return close(dial_failure_, true);
  link_.dial_failed(now);
}

void SessionCore::leave() {
  if (link_.closed() || leaving_) return;
  drop_owed(true);
  leaving_ = true;
  calls_.send(core::encode_bye());
}

void SessionCore::announce_end() {
  if (std::exchange(process_ends_, true) || !link_.online() || leaving_) return;
  calls_.send(core::encode_bye(true));
}

void SessionCore::close(std::string reason, bool manager_is_dead) noexcept {
  if (link_.closed()) return;
  link_.close();
  ++session_;
  closed_because_ = std::move(reason);
  calls_.fail(closed_because_, manager_is_dead);
  calls_.clear();
  lose_holds();
  references_.lose();
}

// --- references and holds

void SessionCore::granted(const core::ReferencePtr& reference, SessionNumber to, core::Time now) {
  const bool lost = to != session_;
  const bool first = lost ? references_.granted_before(reference) : references_.granted(reference);
  if (first) holds_.proxy_made(reference->token().object);
  if (lost && !link_.closed()) claim_lost(now);
}

// Its thread has not taken note of it while the session was still there, and must not work under a
// lock that somebody else may have.
void SessionCore::locked(core::ObjectId lock, core::ThreadNumber thread, std::uint64_t token,
                         bool previous_owner_died, SessionNumber by) {
  if (by == session_) return holds_.granted(lock, thread, token, previous_owner_died);
  if (!link_.closed()) note_lost_hold(errors_, thread, lock, where_ + " closed this session");
  holds_.granted_before(lock, thread);
}

void SessionCore::released(const core::Reference& reference, core::Time now) {
  if (references_.released(reference)) holds_.last_proxy_gone(reference.token().object);
  give_back({}, now);
}

void SessionCore::give_back(const Grants& grants, core::Time now) {
  if (link_.closed() || leaving_) return;
  references_.owe(grants);
  if (!references_.owes()) return;
  if (link_.online()) {
    drop_owed();
  } else {
    link_.want_connection(now);
  }
}

// What is owed while nothing can be sent is gathered, and dropped together later: a post for each
// object would be kept until then.
void SessionCore::drop_owed(bool though_blocked) {
  while (references_.owes() && calls_.flowing() && !leaving_ &&
         (though_blocked || !calls_.blocked())) {
    const std::size_t bytes = std::max(calls_.message_bytes(), kDropFrameBytes + kDropBytes);
    const bool limited = calls_.message_bytes() != 0;
    const std::size_t room = limited ? (bytes - kDropFrameBytes) / kDropBytes : kDropsMax;
    Grants dropped = references_.take_owed(std::min(room, kDropsMax));
    struct Owed {
      ~Owed() { references.owe_again(dropped); }
      References& references;
      Grants& dropped;
    } owed{references_, dropped};  // until the call has begun
    const std::string arguments = drop_arguments(dropped);
    CallRequest request;
    request.object = core::kManagerObject;
    request.method = "drop";
    request.args = arguments;
    request.unattended = true;
    request.post = !calls_.post_should_ask();
    std::size_t size = 0;
    calls_.start(request, nullptr, {}, size);
    dropped.clear();
  }
}

bool SessionCore::unlock(core::ObjectId lock, core::ThreadNumber thread, core::Time now) {
  switch (holds_.unlock(lock, thread)) {
    case Holds::Ended::held: break;
    case Holds::Ended::lost: return true;
    case Holds::Ended::never: return false;
  }
  CallRequest request;
  request.object = lock;
  request.method = "unlock";
  request.args = core::kNoArguments;
  request.thread = thread;
  post(request, now);
  return true;
}

void SessionCore::thread_ended(core::ThreadNumber thread, core::Time now) {
  while (const auto left = holds_.take_left(thread)) {
    std::string arguments;
    core::Writer writer(arguments);
    writer.array(1);
    writer.natural(left->token);
    CallRequest request;
    request.object = left->lock;
    request.method = "owner_died";
    request.args = arguments;
    request.thread = thread;
    post(request, now);
  }
  calls_.thread_ended(thread);
  errors_.thread_ended(thread);
}

// --- outputs

std::optional<Frame> SessionCore::front() {
  if (!link_.greeting().empty()) return Frame{link_.greeting(), {}};
  if (!link_.online()) return std::nullopt;
  if (const auto frame = calls_.front()) return frame;
  drop_owed();  // what it waited for may have ended before it could be sent
  return calls_.front();
}

void SessionCore::sent() {
  if (!link_.greeting().empty()) return link_.greeted();
  calls_.sent();
  drop_owed();
}

core::Deadline SessionCore::next_deadline() const {
  const core::Deadline of_link = link_.next_deadline();
  const core::Deadline of_calls = calls_.next_deadline();
  if (!of_link || !of_calls) return of_link ? of_link : of_calls;
  return std::min(*of_link, *of_calls);
}

}  // namespace steward::detail::client
