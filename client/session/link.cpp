#include <steward/client/session/link.hpp>

#include <utility>

#include <steward/client/waiting.hpp>

namespace steward::detail::client {
namespace {

// The manager has hung up or ended; replies that it had sent by then may still be on their way
// through ZeroMQ's threads.
constexpr std::chrono::milliseconds kLastReplies{100};
// A manager that asks for proof again and again on one connection will never be content.
constexpr unsigned kAnswersMax = 8;
constexpr std::chrono::milliseconds kCalm{20};
// A manager that asks the same again has not believed the answer, or it had none yet: then it is
// asked for another challenge, which it has by then.
constexpr std::chrono::milliseconds kAskAgain{1100};
constexpr std::chrono::milliseconds kDialAgain{100};

bool due(core::Deadline deadline, core::Time now) { return deadline && *deadline <= now; }

}  // namespace

Link::Link(std::string ticket, core::Incarnation incarnation, core::Duration patience,
           Nonces nonces)
    : patience_(patience),
      handshake_(std::move(ticket), std::move(nonces)),
      incarnation_(incarnation) {}

void Link::forget_greeting() {
  greeting_.clear();
  challenge_.clear();
  answered_challenge_.clear();
  calm_at_ = std::nullopt;
  challenges_answered_ = 0;
}

void Link::connected(core::Time now) {
  if (closed()) return;
  phase_ = Phase::greeting;
  forget_greeting();
  want_connection(now);
  greeting_ = handshake_.hello();
}

bool Link::connection_lost(core::Time now) {
  if (closed()) return false;
  phase_ = Phase::offline;
  if (process_ended_) return true;
  forget_greeting();
  want_connection(now);
  return false;
}

void Link::want_connection(core::Time now) {
  if (online() || closed() || offline_until_) return;
  given_up_ = false;
  // Not past the end of the clock.
  const bool for_ever = patience_ >= core::Time::max() - now;
  if (!for_ever) offline_until_ = now + patience_;
}

Link::Welcomed Link::welcome(const core::Welcome& welcome) {
  if (phase_ != Phase::greeting) return Welcomed::no;
  const bool elsewhere =
      incarnation_ != core::Incarnation{} && welcome.incarnation != incarnation_;
  if (!handshake_.known() && elsewhere) return Welcomed::by_another;
  if (!handshake_.accept(welcome)) return Welcomed::no;
  incarnation_ = welcome.incarnation;
  phase_ = Phase::online;
  offline_until_ = std::nullopt;
  forget_greeting();
  return Welcomed::yes;
}

// Every frame that slipped onto a connection before its hello is answered with a challenge of its
// own, and only the last one counts. So a further answer waits until no more come, ever longer.
bool Link::challenged(std::string_view challenge, core::Time now) {
  if (phase_ != Phase::greeting && phase_ != Phase::online) return false;
  if (challenges_answered_ == kAnswersMax) return false;
  if (challenge == answered_challenge_) {
    if (phase_ == Phase::greeting && !calm_at_) calm_at_ = now + kAskAgain;
    return false;
  }
  phase_ = Phase::greeting;
  want_connection(now);
  challenge_ = challenge;
  calm_at_ = now + challenges_answered_ * challenges_answered_ * kCalm;
  return true;
}

bool Link::should_prove(core::Time now) const {
  return phase_ == Phase::greeting && due(calm_at_, now);
}

void Link::prove(std::vector<core::Seq> incomplete, core::Seq first_incomplete) {
  if (handshake_.known() && !challenge_.empty()) {
    greeting_ = handshake_.prove(challenge_, std::move(incomplete), first_incomplete);
    answered_challenge_ = std::exchange(challenge_, {});
  } else {
    greeting_ = handshake_.hello();
    if (!challenge_.empty()) answered_challenge_ = std::exchange(challenge_, {});
  }
  ++challenges_answered_;
  calm_at_ = std::nullopt;
}

bool Link::hung_up(bool process_ended, core::Time now) {
  if (closed()) return false;
  process_ended_ = process_ended_ || process_ended;
  if (!ending_until_) ending_until_ = now + kLastReplies;
  return process_ended_ && phase_ == Phase::offline;
}

Link::Late Link::tick(core::Time now) {
  if (due(ending_until_, now)) return Late::ended;
  if (due(dial_at_, now)) dial_at_ = std::nullopt;
  if (!due(offline_until_, now)) return Late::nothing;
  offline_until_ = std::nullopt;
  given_up_ = lost();
  return Late::out_of_reach;
}

core::Deadline Link::next_deadline() const {
  if (closed()) return std::nullopt;
  return earliest(earliest(offline_until_, ending_until_), earliest(calm_at_, dial_at_));
}

void Link::lose(core::Time now) {
  if (closed()) return;
  phase_ = Phase::lost;
  forget_greeting();
  ending_until_ = std::nullopt;
  want_connection(now);
}

void Link::dial_failed(core::Time now) { dial_at_ = now + kDialAgain; }

void Link::begin_anew(std::string ticket) {
  if (closed()) return;
  handshake_.restart(std::move(ticket));
  phase_ = Phase::offline;
  dial_at_ = std::nullopt;
  process_ended_ = false;
}

void Link::close() {
  phase_ = Phase::closed;
  offline_until_ = ending_until_ = calm_at_ = dial_at_ = std::nullopt;
  greeting_.clear();
}

}  // namespace steward::detail::client
