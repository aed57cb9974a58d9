#include <steward/manager/server/connections.hpp>

#include <algorithm>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include <steward/core/auth.hpp>
#include <steward/core/errors.hpp>

namespace steward::detail::server {
namespace {

// A client whose proofs are wrong again and again has no session here.
constexpr int kWrongProofsMax = 3;
constexpr std::size_t kWrongProofRoutesMax = 4096;
// A challenge is good for the time of a handshake, to one of so many parts of it.
constexpr int kSpans = 3;
// Of one session. It cannot come back more often in that time but by its owner's own doing.
constexpr std::size_t kAnsweredMax = 16;
// Routes are never used again, so the memory of the ignored ones may be short.
constexpr std::size_t kIgnoredMax = 4096;

}  // namespace

Connections::Connections(const Core& core, ControlSocket* control, Liveness& liveness,
                         Outbox& outbox, Feed feed, Note note)
    : core_(core),
      control_(control),
      liveness_(liveness),
      outbox_(outbox),
      feed_(std::move(feed)),
      note_(std::move(note)) {}

std::optional<core::SessionId> Connections::session_at(const std::string& route) const {
  const auto found = by_route_.find(route);
  if (found == by_route_.end()) return std::nullopt;
  return found->second;
}

std::string Connections::route_of(const core::SessionId& session) const {
  const auto found = links_.find(session);
  return found == links_.end() ? std::string() : found->second.route;
}

std::vector<core::SessionId> Connections::sessions() const {
  std::vector<core::SessionId> all;
  for (const auto& [session, link] : links_) all.push_back(session);
  return all;
}

void Connections::receive(const Arrival& arrival, core::Time now) {
  if (ignored_.contains(arrival.route)) return;
  const auto session = session_at(arrival.route);
  try {
    if (arrival.frame.size() > core_.limits().message_bytes) {
      throw BadCall(fmt::format("a message of {} bytes; the limit is {}", arrival.frame.size(),
                                core_.limits().message_bytes));
    }
    const core::OpenEnvelope envelope = core::open_envelope(arrival.frame);
    if (envelope.kind == core::Envelope::hello) {
      return hello(arrival, core::decode_hello(envelope), now);
    }
    if (!session) return challenge(arrival.route, now);
    liveness_.renew(*session, now);
    if (envelope.kind == core::Envelope::bye) {
      return bye(arrival.route, *session, core::decode_bye(envelope));
    }
    request(*session, envelope.kind, arrival.frame);
  } catch (const BadCall& error) {
    ++incidents_.malformed;
    if (session) return close(*session, error.what());
    ignore(arrival.route, error.what());
  }
}

void Connections::heard(const std::string& route, core::Time now) {
  if (const auto session = session_at(route)) liveness_.renew(*session, now);
}

void Connections::request(const core::SessionId& session, core::Envelope kind,
                          std::string_view frame) {
  // The welcome has arrived: the ticket has done its work.
  Link& link = links_.at(session);
  if (!link.ticket.empty()) by_ticket_.erase(std::exchange(link.ticket, {}));
  switch (kind) {
    case core::Envelope::calls:
    case core::Envelope::ack:
    case core::Envelope::cancel: feed_(input::Request{session, frame}); return;
    case core::Envelope::renew: return;  // that it was heard is all there is to it
    default: throw BadCall("this kind of envelope is not for a server");
  }
}

void Connections::hello(const Arrival& arrival, const core::Hello& hello, core::Time now) {
  if (hello.session) return resume(arrival.route, hello, now);
  // A client that never got its welcome asks again, maybe on another connection.
  if (const auto fresh = by_ticket_.find(hello.ticket); fresh != by_ticket_.end()) {
    const core::SessionId session = fresh->second;
    bind(session, arrival.route);
    return send_welcome(arrival.route, session, *core_.secret_of(session), {});
  }
  open(arrival, hello, now);
}

void Connections::open(const Arrival& arrival, const core::Hello& hello, core::Time now) {
  std::optional<LocalPeer> local;
  if (arrival.peer == Peer::local) {
    if (control_ == nullptr) return refuse(arrival.route, "nobody gives out tickets here");
    local = control_->redeem(hello.ticket);
    if (!local) {
      ++incidents_.forged;
      return refuse(arrival.route, "the ticket is unknown or was not used in time");
    }
  }
  if (core_.number_of_sessions() >= core_.limits().sessions) {
    ++incidents_.refused;
    return refuse(arrival.route, fmt::format("the manager has {} sessions, its limit",
                                             core_.number_of_sessions()));
  }
  // A client may try again on a connection that it has a session on already: that one is over.
  if (const auto old = session_at(arrival.route)) {
    end(*old, links_.at(*old).ends_in_order ? Ending::orderly : Ending::died);
  }

  const auto session = core::random_id<core::SessionId>();
  const std::string secret = core::random_bytes(core::kSecretBytes);
  if (local && !liveness_.watch(session, *std::move(local))) return;  // dead already
  const bool leased = arrival.peer == Peer::remote;
  if (leased) liveness_.lease(session, now);
  feed_(input::SessionOpened{session, secret});
  links_.emplace(session, Link{.ticket = hello.ticket, .leased = leased});
  if (!hello.ticket.empty()) by_ticket_.emplace(hello.ticket, session);
  bind(session, arrival.route);
  send_welcome(arrival.route, session, secret, {});
}

void Connections::resume(const std::string& route, const core::Hello& hello, core::Time now) {
  const core::SessionId& session = *hello.session;
  const auto secret = core_.secret_of(session);
  const auto link = links_.find(session);
  if (!secret || link == links_.end()) return refuse(route, "the manager has no such session");

  switch (hello.proof.empty() ? Answered::late : judge(route, hello, *secret, link->second, now)) {
    case Answered::right: break;
    case Answered::late: return challenge(route, now);
    case Answered::wrong:
      ++incidents_.forged;
      if (wrong_proofs_.size() > kWrongProofRoutesMax) wrong_proofs_.clear();
      if (++wrong_proofs_[route] < kWrongProofsMax) return challenge(route, now);
      wrong_proofs_.erase(route);
      return refuse(route, "the proof of the session is wrong");
  }
  wrong_proofs_.erase(route);
  liveness_.renew(session, now);
  bind(session, route);
  feed_(input::SessionResumed{session, hello.incomplete, hello.first_incomplete});
  send_welcome(route, session, {},
               core::session_proof(core::Role::server, *secret, session, hello.nonce));
}

void Connections::bye(const std::string& route, const core::SessionId& session, bool goes_on) {
  if (goes_on) {
    links_.at(session).ends_in_order = true;
    liveness_.shorten(session);
  } else {
    end(session, Ending::orderly);
  }
  outbox_.envelope(route, core::encode_bye(goes_on));
}

void Connections::send_welcome(const std::string& route, const core::SessionId& session,
                               std::string secret, std::string proof) {
  core::Welcome welcome;
  welcome.session = session;
  welcome.secret = std::move(secret);
  welcome.incarnation = core_.identity().incarnation;
  welcome.proof = std::move(proof);
  welcome.message_bytes = core_.limits().message_bytes;
  welcome.calls_in_flight = core_.limits().calls_in_flight;
  if (links_.at(session).leased) {
    welcome.lease_ms = static_cast<std::uint64_t>(core_.limits().session_lease.count());
    welcome.addresses = core_.identity().addresses;
  }
  outbox_.envelope(route, core::encode(welcome));
}

void Connections::challenge(const std::string& route, core::Time now) {
  // A stranger that does not read what it is told is not told more, or it could fill the memory.
  if (outbox_.waits_for(route) && !session_at(route)) return;
  outbox_.envelope(route, core::encode_unknown_connection(challenge_of(route, now, 0)));
}

std::string Connections::challenge_of(const std::string& route, core::Time now,
                                      int spans_ago) const {
  const auto span = core::Duration(core_.limits().handshake_time) / kSpans;
  const auto number = now.time_since_epoch() / span - spans_ago;
  const std::string bytes = core::session_proof(core::Role::server, challenge_secret_, {},
                                                fmt::format("{} {}", number, route));
  return bytes.substr(0, core::kChallengeBytes);
}

Connections::Answered Connections::judge(const std::string& route, const core::Hello& hello,
                                         std::string_view secret, Link& link,
                                         core::Time now) const {
  const auto answers = [&](int spans_ago) {
    const std::string asked = challenge_of(route, now, spans_ago);
    const std::string expected =
        core::session_proof(core::Role::client, secret, *hello.session, asked);
    if (!core::equal_secrets(expected, hello.proof)) return false;
    // Who has been believed here may say it again, and nobody else.
    if (std::ranges::find(link.answered, asked) != link.answered.end()) return link.route == route;
    link.answered.push_back(asked);
    if (link.answered.size() > kAnsweredMax) link.answered.pop_front();
    return true;
  };
  for (int spans_ago = 0; spans_ago <= kSpans; ++spans_ago) {
    if (answers(spans_ago)) return Answered::right;
  }
  // What was asked long ago tells nobody anything.
  for (int spans_ago = kSpans + 1; spans_ago <= 2 * kSpans; ++spans_ago) {
    if (answers(spans_ago)) return Answered::late;
  }
  return Answered::wrong;
}

void Connections::refuse(const std::string& route, std::string_view reason) {
  if (outbox_.waits_for(route) && !session_at(route)) return;
  outbox_.envelope(route, core::encode_unknown_session(reason));
}

// A session whose own connection begins to speak for another is over: else one connection could
// leave any number of them behind.
void Connections::bind(const core::SessionId& session, const std::string& route) {
  if (links_.at(session).route == route) return;
  unbind(links_.at(session));
  if (const auto other = session_at(route)) {
    end(*other, links_.at(*other).ends_in_order ? Ending::orderly : Ending::died);
  }
  links_.at(session).route = route;
  by_route_.insert_or_assign(route, session);
}

// What still waits for the old connection is dropped: the client asks again for what it misses.
void Connections::unbind(Link& link) {
  if (link.route.empty()) return;
  outbox_.forget(link.route);
  by_route_.erase(link.route);
  link.route.clear();
}

void Connections::end(const core::SessionId& session, Ending ending) {
  const auto place = links_.find(session);
  if (place == links_.end()) return;
  feed_(input::SessionEnded{session, ending});
  if (!place->second.route.empty()) outbox_.forget(place->second.route);
  by_route_.erase(place->second.route);
  if (!place->second.ticket.empty()) by_ticket_.erase(place->second.ticket);
  links_.erase(place);
  liveness_.forget(session);
}

void Connections::died(const core::SessionId& session) {
  const auto place = links_.find(session);
  if (place == links_.end()) return;
  const bool in_order = place->second.ends_in_order;
  if (place->second.leased && !in_order) ++incidents_.expired;
  end(session, in_order ? Ending::orderly : Ending::died);
}

void Connections::close(const core::SessionId& session, std::string_view reason) {
  const auto place = links_.find(session);
  if (place == links_.end()) return;
  const std::string route = place->second.route;
  if (note_) {
    const pid_t pid = liveness_.pid_of(session);
    note_(fmt::format("closed the session of {}: {}",
                      pid == 0 ? "a remote client" : fmt::format("process {}", pid), reason));
  }
  end(session, Ending::died);
  if (!route.empty()) ignore(route, reason);
}

void Connections::ignore(const std::string& route, std::string_view reason) {
  outbox_.forget(route);
  refuse(route, reason);
  if (!ignored_.insert(route).second) return;
  ignored_order_.push_back(route);
  if (ignored_order_.size() <= kIgnoredMax) return;
  ignored_.erase(ignored_order_.front());
  ignored_order_.pop_front();
}

void Connections::take(Outputs& outputs) {
  for (Outputs::Reply& reply : outputs.replies) {
    const auto place = links_.find(reply.session);
    // Without a connection there is nobody to tell: the client asks again when it is back.
    if (place == links_.end() || place->second.route.empty()) continue;
    outbox_.reply(place->second.route, std::move(reply.bytes));
  }
  outputs.replies.clear();
  for (const core::SessionId& session : std::exchange(outputs.violations, {})) {
    ++incidents_.malformed;
    close(session, "malformed message");
  }
}

void Connections::look_at_outbox(core::Time now) {
  // The route remains the session's: what was said there before may not have been read yet.
  for (const std::string& route : outbox_.take_gone()) outbox_.forget(route);
  for (const std::string& route : outbox_.take_overfull()) {
    if (session_at(route)) {
      outbox_.ask_to_resume(
          route, core::encode_unknown_connection(challenge_of(route, now, 0)), now);
    }
  }
  for (const std::string& route : outbox_.take_slow()) close_slow(route);
}

void Connections::close_slow(const std::string& route) {
  const auto session = session_at(route);
  if (!session) return outbox_.forget(route);
  ++incidents_.slow;
  close(*session, "the client does not read its replies");
}

void Connections::say_goodbye() {
  for (const auto& [session, link] : links_) {
    if (!link.route.empty()) outbox_.envelope(link.route, core::encode_bye());
  }
}

}  // namespace steward::detail::server
