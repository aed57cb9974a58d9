// What the leader does for all: frames, replies, descriptors, alarms.
#include <algorithm>
#include <utility>

#include <steward/client/live_session.hpp>
#include <steward/client/waiting.hpp>
#include <steward/core/limits.hpp>
#include <steward/shm/fd_passing.hpp>
#include <steward/shm/pidfd.hpp>

namespace steward::client {
namespace {

// A manager that asks for proof again and again on one connection will never be content.
constexpr unsigned kAnswersMax = 8;
constexpr std::chrono::milliseconds kCalm{20};

// Whether the manager has closed this door. Messages at the door answer questions that nobody of
// this session has asked.
bool hung_up(int door) {
  try {
    for (;;) {
      const shm::Received received =
          shm::receive_with_fds(door, kDoorMessageBytes, shm::Wait::none);
      if (!received.message) return !received.would_block;
    }
  } catch (const std::exception&) {
    return true;
  }
}

}  // namespace

void LiveSession::serve(Lock& lock, const Waiter& waiter) {
  if (arrived_ || has_passed(calm_at_) || !transport_->prepare_to_sleep()) take_in(&waiter);
  if (phase_ == Phase::lost) begin_anew(lock);
  if (has_passed(alarm())) on_alarm();
}

core::Deadline LiveSession::alarm() const {
  if (phase_ == Phase::closed) return std::nullopt;
  return earliest(earliest(offline_until_, ending_until_), calm_at_);
}

// The entries: our own bell, the transport's, then door and pidfd if they are watched.
void LiveSession::polled(const std::vector<pollfd>& entries) {
  arrived_ = true;
  transport_->awake(entries);
  bool ends = false;
  for (const pollfd& entry : entries) {
    if (entry.revents == 0) continue;
    if (entry.fd == server_.get()) ends = dead_ = true;
    if (entry.fd == door_.get() && hung_up(entry.fd)) ends = door_shut_ = true;
  }
  if (ends) manager_ends();
}

void LiveSession::take_in(const Waiter* waiter) {
  std::string_view frame;
  while (waiter == nullptr || !waiter->done()) {
    switch (transport_->receive(frame)) {
      case Arrival::nothing:
        arrived_ = false;
        if (!flush() || transport_->prepare_to_sleep()) return;
        break;
      case Arrival::frame: on_frame(frame); break;
      case Arrival::connected: on_connected(); break;
      case Arrival::disconnected: on_disconnected(); break;
      case Arrival::refused: refused(); break;
    }
    if (phase_ == Phase::lost || phase_ == Phase::closed) return;
  }
}

// What makes no sense is passed over: the manager is trusted with our calls, not with our life.
void LiveSession::on_frame(std::string_view frame) try {
  const core::OpenEnvelope envelope = core::open_envelope(frame);
  switch (envelope.kind) {
    case core::Envelope::replies: return on_replies(envelope);
    case core::Envelope::welcome: return on_welcome(core::decode_welcome(envelope));
    case core::Envelope::unknown_connection:
      return on_unknown_connection(core::decode_text(envelope));
    case core::Envelope::unknown_session:
      if (phase_ == Phase::greeting || phase_ == Phase::online) lose(core::decode_text(envelope));
      return;
    case core::Envelope::bye:
      if (!leaving_) return close(where_ + " has shut down", true);
      if (goodbye_ != nullptr) crew_.finish(*goodbye_);
      return;
    default: return;
  }
} catch (const BadCall&) {
}

void LiveSession::on_replies(core::OpenEnvelope envelope) {
  if (phase_ != Phase::online) return;  // they will be sent again
  for (const core::Reply& reply : core::decode_replies(envelope)) on_reply(reply);
}

void LiveSession::on_reply(const core::Reply& reply) {
  PendingCall* call = table_.find(reply.seq);
  if (call == nullptr) {
    // Of a call that was given up; or answered before a connection broke, and again after it.
    const bool grants = table_.take_forsaken(reply.seq) && reply.code == core::ErrorCode::ok;
    if (grants) drop(grants_in(reply.payload, incarnation_));
    return;
  }
  sessions_lost_ = 0;
  const core::ThreadNumber thread = call->thread;
  const bool unattended = call->unattended;
  const core::ObjectId renews = call->renews;
  CallWaiter* waiter = call->waiter;
  if (call->post) {
    table_.remove(*call);
  } else {
    remove(*call);
  }
  table_.prove(reply.seq);
  acknowledge_complete();
  if (waiter != nullptr) {
    waiter->seq = reply.seq;
    waiter->code = reply.code;
    waiter->payload = reply.payload;
    return crew_.finish(*waiter);
  }
  if (reply.code == core::ErrorCode::ok) {
    if (renews != core::kManagerObject) return renewed(renews);
    return drop(grants_in(reply.payload, incarnation_));
  }
  if (unattended)
    post_errors_.try_emplace(thread, PostError{reply.code, core::decode_error(reply.payload)});
}

// A call that waits for long keeps `first_incomplete` where it is, and all replies since with the
// manager.
void LiveSession::acknowledge_complete() {
  const std::vector<core::Seq> seqs = table_.take_complete();
  if (seqs.empty()) return;
  for (const core::Seq seq : seqs) table_.note_ack(seq);
  send_control(core::encode_seqs(core::Envelope::ack, seqs));
}

void LiveSession::on_welcome(const core::Welcome& welcome) {
  if (phase_ != Phase::greeting) return;
  const bool known = handshake_.known();
  if (!known && incarnation_ != core::Incarnation{} && welcome.incarnation != incarnation_) {
    return close(where_ + " has been replaced by another one", true);
  }
  if (!handshake_.accept(welcome)) return;
  // Once: both are read without the mutex from then on.
  if (incarnation_ == core::Incarnation{}) {
    learn_addresses(welcome.addresses);
    incarnation_ = welcome.incarnation;
  }
  message_bytes_ = static_cast<std::size_t>(welcome.message_bytes);
  calls_in_flight_ = static_cast<std::size_t>(welcome.calls_in_flight);
  phase_ = Phase::online;
  offline_until_ = std::nullopt;
  forget_greeting();
  keep_alive(std::chrono::milliseconds(welcome.lease_ms));
  resume();
  if (establishing_ != nullptr) crew_.finish(*establishing_);
}

// What handles of this manager carry: its own socket, for those on its host, the address that has
// led us to it, and what else it knows.
void LiveSession::learn_addresses(const std::vector<std::string>& told) {
  const std::vector<std::string> ours = std::exchange(addresses_, {});
  const auto take = [&](const std::string& address) {
    const bool known = std::ranges::find(addresses_, address) != addresses_.end();
    if (!known && addresses_.size() < core::kAddressesInToken) addresses_.push_back(address);
  };
  for (const std::string& address : told) {
    if (address.starts_with("ipc:")) take(address);
  }
  for (const std::string& address : ours) take(address);
  for (const std::string& address : told) take(address);
}

// Every frame that slipped onto a connection before its hello is answered with a challenge of its
// own, and only the last one counts. So a further answer waits until no more come, ever longer.
void LiveSession::on_unknown_connection(std::string_view challenge) {
  if (phase_ != Phase::greeting && phase_ != Phase::online) return;
  if (challenge == answered_challenge_ || challenges_answered_ == kAnswersMax) return;
  phase_ = Phase::greeting;
  await_connection();
  challenge_ = challenge;
  calm_at_ = now() + challenges_answered_ * challenges_answered_ * kCalm;
}

void LiveSession::answer_challenge() {
  table_.drop_cancelled();
  greeting_ = handshake_.known()
                  ? handshake_.prove(challenge_, table_.awaited(), table_.first_incomplete())
                  : handshake_.hello();
  answered_challenge_ = std::exchange(challenge_, {});
  ++challenges_answered_;
  calm_at_ = std::nullopt;
}

void LiveSession::on_alarm() {
  if (has_passed(ending_until_)) return conclude_ending();
  if (!has_passed(offline_until_)) return;
  offline_until_ = std::nullopt;
  fail_calls(where_ + " cannot be reached", false);
}

// Sends what could not be sent before, in order. True if it tried: then the edge of an arrival may
// have been swallowed.
bool LiveSession::flush() {
  if (phase_ == Phase::greeting && has_passed(calm_at_)) answer_challenge();
  if (phase_ == Phase::greeting && !greeting_.empty()) {
    if (transport_->send(greeting_)) greeting_.clear();
    return true;
  }
  if (phase_ != Phase::online || outbox_.empty()) return false;
  while (!outbox_.empty()) {
    Outgoing& next = outbox_.front();
    if (next.call == 0) {
      if (!transport_->send(next.frame)) return true;
      outbox_.pop_front();
      continue;
    }
    PendingCall* call = table_.find(next.call);
    if (call != nullptr) {
      if (!transport_->send(call->frame)) return true;
      call->sent = true;
    }
    outbox_.pop_front();
  }
  return true;
}

void LiveSession::watch() {
  std::vector<pollfd> entries = transport_->poll_fds();
  if (door_ && !door_shut_) entries.push_back({door_.get(), POLLIN, 0});
  if (server_ && !dead_) entries.push_back({server_.get(), POLLIN, 0});
  crew_.watch(entries);
}

}  // namespace steward::client
