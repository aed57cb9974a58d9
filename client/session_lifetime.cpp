// Connections and sessions that come and go: resume, loss, end, fork.
#include <utility>

#include <steward/client/client_reference.hpp>
#include <steward/client/live_session.hpp>
#include <steward/client/state.hpp>
#include <steward/client/waiting.hpp>
#include <steward/core/errors.hpp>
#include <steward/shm/pidfd.hpp>

namespace steward::client {
namespace {

// The manager has hung up or ended; replies that it had sent by then may still be on their way
// through ZeroMQ's threads.
constexpr std::chrono::milliseconds kLastReplies{100};
// A read that costs its session each time is not repeated for ever.
constexpr unsigned kRepeats = 3;

std::string describe_manager(const Introduction& introduction) {
  std::string text = "the manager";
  if (!introduction.addresses.empty()) {
    const std::string& address = introduction.addresses.front();
    text += " at " + address.substr(0, address.rfind("?boot="));
  }
  if (introduction.pid != 0) text += " (pid " + std::to_string(introduction.pid) + ")";
  return text;
}

}  // namespace

LiveSession::LiveSession(Connection connection, Dial dial, const ConnectOptions& options)
    : dial_(std::move(dial)),
      options_(options),
      addresses_(std::move(connection.introduction.addresses)),
      incarnation_(connection.introduction.incarnation),
      pid_(connection.introduction.pid),
      transport_(std::move(connection.transport)),
      door_(std::move(connection.introduction.door)),
      server_(std::move(connection.introduction.server)),
      handshake_(std::move(connection.introduction.ticket)) {
  connection.introduction.addresses = addresses_;
  where_ = describe_manager(connection.introduction);
  watch();
  await_connection();
  State::current().enroll(*this);
}

LiveSession::~LiveSession() {
  State::current().strike(*this);
  if (inherited()) return;  // what it had is the parent's
  renewal_.reset();
  if (State::current().at_exit()) {
    // Other statics, and ZeroMQ's own, may be gone.
    static_cast<void>(transport_.release());
  } else {
    say_goodbye();
  }
}

void LiveSession::establish(core::Deadline deadline) {
  Lock lock(mutex_);
  Waiter waiter;
  establishing_ = &waiter;
  const bool welcomed = crew_.wait(lock, waiter, deadline);
  establishing_ = nullptr;
  if (refused_) throw AuthenticationError(closed_because_);
  if (phase_ == Phase::closed) throw Disconnected(closed_because_);
  if (!welcomed) throw Disconnected(where_ + " did not answer in time");
}

// From now on the manager must be back within the timeout, or calls begin to fail.
void LiveSession::await_connection() {
  if (phase_ == Phase::online || phase_ == Phase::closed || offline_until_) return;
  offline_until_ = core::deadline_after(options_.timeout);
  crew_.wake();
}

void LiveSession::on_connected() {
  phase_ = Phase::greeting;
  forget_greeting();
  await_connection();
  greeting_ = handshake_.hello();
  flush();
}

void LiveSession::forget_greeting() {
  greeting_.clear();
  challenge_.clear();
  answered_challenge_.clear();
  calm_at_ = std::nullopt;
  challenges_answered_ = 0;
}

void LiveSession::on_disconnected() {
  phase_ = Phase::offline;
  if (dead_) return conclude_ending();
  forget_greeting();
  await_connection();
}

// The manager knows the session again, but not which frames of the last connection were lost.
// Acks and cancels go first: the calls behind them tell the manager that older ones are complete.
void LiveSession::resume() {
  table_.drop_cancelled();
  outbox_.clear();
  if (auto acks = table_.acks(); !acks.empty()) {
    outbox_.push_back({0, core::encode_seqs(core::Envelope::ack, acks)});
  }
  if (auto cancels = table_.cancels(); !cancels.empty()) {
    outbox_.push_back({0, core::encode_seqs(core::Envelope::cancel, cancels)});
  }
  for (const PendingCall* call : table_.in_order()) outbox_.push_back({call->seq, {}});
  if (leaving_) outbox_.push_back({0, core::encode_bye()});
  flush();
}

// The door was shut, or the process has ended. Nothing is decided yet: replies may be under way,
// and a process that dies closes its sockets before its pidfd tells.
void LiveSession::manager_ends() {
  if (phase_ == Phase::closed) return;
  if (!ending_until_) ending_until_ = now() + kLastReplies;
  watch();
  if (dead_ && phase_ == Phase::offline) conclude_ending();
}

void LiveSession::conclude_ending() {
  ending_until_ = std::nullopt;
  if (server_ && shm::has_ended(server_.get())) return close(where_ + " has ended", true);
  lose("it hung up");
}

// The manager is there but does not know the session any more. What was changing has an unknown
// outcome, what only read is asked again, what was not sent yet is sent to the new session.
void LiveSession::lose(const std::string& reason) {
  if (phase_ == Phase::closed) return;
  std::string text = where_ + " closed this session: " + reason;
  if (leaving_ || !dial_ || ++sessions_lost_ > kRepeats) return close(text, false);
  phase_ = Phase::lost;
  outbox_.clear();
  forget_greeting();
  ending_until_ = std::nullopt;
  std::map<core::ThreadNumber, core::ObjectId> losers = lose_holds();
  await_connection();
  std::vector<std::unique_ptr<PendingCall>> calls = table_.restart();
  renew_references();
  for (auto& call : calls) end_lost_call(std::move(call), text, losers);
  for (const auto& [thread, object] : losers) note_lost_hold(thread, object, text);
  for (Waiter* waiter : slot_waiters_) crew_.finish(*waiter);
  slot_waiters_.clear();
}

// A lock that a thread held is free for others now: what the thread meant to do under it must not
// be done without it. Its threads, each with one of the locks, until they have been told.
std::map<core::ThreadNumber, core::ObjectId> LiveSession::lose_holds() {
  return holds_.lose([this](core::ObjectId lock) { return references_.contains(lock); });
}

void LiveSession::end_lost_call(std::unique_ptr<PendingCall> call, const std::string& reason,
                                std::map<core::ThreadNumber, core::ObjectId>& losers) {
  CallWaiter* waiter = call->waiter;
  if (waiter == nullptr) return note_lost_post(*call);
  const bool changes = call->effect != Effect::read;
  if (changes && call->sent) {
    waiter->end = CallWaiter::End::outcome_unknown;
  } else if (changes && losers.contains(call->thread)) {
    waiter->end = CallWaiter::End::disconnected;
  } else {
    return renumber(std::move(call));
  }
  losers.erase(call->thread);
  waiter->payload = reason;
  crew_.finish(*waiter);
}

void LiveSession::note_lost_hold(core::ThreadNumber thread, core::ObjectId lock,
                                 const std::string& reason) {
  const auto known = references_.find(lock);
  const std::string type =
      known == references_.end() ? "lock" : known->second.reference->token().type;
  const std::string text = Label{type, lock, "lock"}.text() + "this thread held it until " + reason;
  post_errors_.try_emplace(thread, PostError{core::ErrorCode::disconnected, {text, {}}});
}

// A lock goes with its session. Who has given it back since must hear that it may not have been his
// any more.
void LiveSession::note_lost_post(const PendingCall& post) {
  const core::Calls frame = core::decode_calls(core::open_envelope(post.frame));
  const core::Call& call = frame.calls.front();
  const auto* method = std::get_if<std::string_view>(&call.method);
  if (!post.unattended || method == nullptr || *method != "unlock") return;
  const std::string text = Label{"lock", call.object, *method}.text() +
                           "the lock was lost before, together with the session";
  post_errors_.try_emplace(post.thread, PostError{core::ErrorCode::disconnected, {text, {}}});
}

// The same call, with the next number; its waiter keeps pointing to it.
void LiveSession::renumber(std::unique_ptr<PendingCall> call) {
  const std::string old = std::exchange(call->frame, {});
  core::Call fields = core::decode_calls(core::open_envelope(old)).calls.front();
  std::unique_ptr<PendingCall> draft = table_.draft();
  fields.seq = draft->seq;
  call->seq = draft->seq;
  call->sent = false;
  table_.discard(std::move(draft));
  append_calls_frame(call->frame, table_.first_incomplete(), fields);
  table_.add(std::move(call));
}

// By the leader; the lock is given up meanwhile.
void LiveSession::begin_anew(Lock& lock) {
  const core::Deadline deadline = offline_until_;
  lock.unlock();
  Connection connection;
  std::string failure;
  try {
    connection = dial_(deadline);
  } catch (const std::exception& error) {
    failure = error.what();
  }
  lock.lock();
  if (phase_ != Phase::lost) return;  // ended meanwhile
  if (!connection.transport) {
    if (server_ && shm::has_ended(server_.get())) return close(where_ + " has ended", true);
    return close(where_ + " closed this session and cannot be reached again: " + failure, true);
  }
  const core::Incarnation& told = connection.introduction.incarnation;
  if (told != core::Incarnation{} && told != incarnation_) {  // a remote one says so in its welcome
    return close(where_ + " has been replaced by another one", true);
  }
  transport_ = std::move(connection.transport);
  door_ = std::move(connection.introduction.door);
  server_ = std::move(connection.introduction.server);
  door_shut_ = dead_ = false;
  handshake_.restart(std::move(connection.introduction.ticket));
  phase_ = Phase::offline;
  arrived_ = true;
  watch();
}

bool LiveSession::manager_has_ended() const {
  const Lock lock(mutex_);
  return server_ && shm::has_ended(server_.get());
}

void LiveSession::close(const std::string& reason, bool manager_is_dead) {
  if (phase_ == Phase::closed) return;
  phase_ = Phase::closed;
  closed_because_ = reason;
  usable_.store(false, std::memory_order_relaxed);
  offline_until_ = ending_until_ = calm_at_ = std::nullopt;
  fail_calls(reason, manager_is_dead);
  outbox_.clear();
  lose_holds();
  if (renewal_) renewal_->stop();
  for (Waiter* waiter : slot_waiters_) crew_.finish(*waiter);
  slot_waiters_.clear();
  if (establishing_ != nullptr) crew_.finish(*establishing_);
  if (goodbye_ != nullptr) crew_.finish(*goodbye_);
  crew_.wake();
}

void LiveSession::refused() {
  refused_ = true;
  close(where_ + " refused the connection: " + transport_->refusal(), false);
}

// A manager that is known to be dead has taken every outcome along: no call may be retried, but
// none needs to be either. One that merely cannot be reached may still act on what it was sent.
void LiveSession::fail_calls(const std::string& reason, bool manager_is_dead) {
  for (PendingCall* call : table_.in_order()) {
    CallWaiter* waiter = std::exchange(call->waiter, nullptr);
    if (waiter == nullptr) continue;
    const bool unknown = !manager_is_dead && call->sent && call->effect != Effect::read;
    waiter->end = unknown ? CallWaiter::End::outcome_unknown : CallWaiter::End::disconnected;
    waiter->payload = reason;
    // Should the manager come back, it must not do later what the caller has given up; what it has
    // handed over already, it gets back.
    if (call->sent) {
      table_.forsake(*call);
    } else {
      table_.remove(*call);
    }
    crew_.finish(*waiter);
  }
}

void LiveSession::say_goodbye() {
  const Lock lock(mutex_);
  if (phase_ == Phase::closed || leaving_) return;
  leaving_ = true;
  send_control(core::encode_bye());
}

void LiveSession::await_goodbye(core::Deadline deadline) {
  std::unique_ptr<Renewal> renewal;  // ends after the mutex is free, which its thread may wait for
  Lock lock(mutex_);
  Waiter waiter;
  if (phase_ != Phase::closed && goodbye_ == nullptr) {
    goodbye_ = &waiter;
    crew_.wait(lock, waiter, deadline);
    goodbye_ = nullptr;
  }
  close("the session with " + where_ + " was ended", false);
  renewal = std::move(renewal_);
}

void LiveSession::end(core::Duration wait) {
  if (inherited()) return;
  say_goodbye();
  await_goodbye(core::deadline_after(wait));
  State::current().forget(*this);
}

// In a forked child, under the mutex: the parent goes on with all this. Descriptors of our own may
// be closed; a socket of ZeroMQ must not even be looked at.
LiveSession::Abandoned LiveSession::abandon() {
  inherited_.store(true, std::memory_order_relaxed);
  usable_.store(false, std::memory_order_relaxed);
  door_.reset();
  server_.reset();
  crew_.abandon();
  for (const auto& [object, known] : references_) {
    if (known.reference != nullptr) known.reference->abandon_ring();
  }
  forked_by_ = thread_number();
  holds_.lose([](core::ObjectId) { return true; });
  return {std::move(transport_), std::move(renewal_)};
}

// The session that stands for this one in a forked child.
SessionPtr LiveSession::successor() const {
  return State::current().session_for(incarnation_, addresses_, options_);
}

SessionPtr LiveSession::in_this_process() {
  return inherited() ? successor() : shared_from_this();
}

}  // namespace steward::client
