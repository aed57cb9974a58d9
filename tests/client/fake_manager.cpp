#include <steward/tests/client/fake_manager.hpp>

#include <steward/core/errors.hpp>
#include <steward/core/limits.hpp>
#include <steward/core/reader.hpp>
#include <steward/core/writer.hpp>

namespace steward::detail::test {
namespace {

// As patient as the real one.
constexpr int kWrongProofsMax = 3;

std::string framed(const std::string& reply) {
  return reply.empty() ? std::string() : core::encode_replies({reply});
}

std::string result(core::Seq seq, std::string_view payload) {
  std::string reply;
  core::append_reply(reply, {seq, core::ErrorCode::ok, payload});
  return reply;
}

std::string error(core::Seq seq, core::ErrorCode code, std::string_view text) {
  std::string reply;
  core::append_error(reply, seq, code, text);
  return reply;
}

}  // namespace

std::string encoded(std::int64_t value) {
  std::string bytes;
  core::Writer(bytes).integer(value);
  return bytes;
}

std::string encoded(std::string_view text) {
  std::string bytes;
  core::Writer(bytes).string(text);
  return bytes;
}

std::string arguments(const std::vector<std::string>& encoded) {
  std::string bytes;
  core::Writer writer(bytes);
  writer.array(encoded.size());
  for (const std::string& argument : encoded) writer.raw(argument);
  return bytes;
}

std::int64_t integer_of(std::string_view encoded) { return core::Reader(encoded).integer(); }

core::Token list_token(const core::Incarnation& incarnation, std::uint64_t object) {
  core::Token token;
  token.incarnation = incarnation;
  token.object = core::ObjectId{object};
  token.type = "list";
  return token;
}

FakeManager::FakeManager(core::Incarnation incarnation) : incarnation_(incarnation) {}

std::string FakeManager::new_ticket() {
  const std::lock_guard lock(mutex_);
  return *tickets_.insert(core::random_bytes(core::kChallengeBytes)).first;
}

std::vector<std::string> FakeManager::take(std::uint64_t number, std::string_view frame) {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> answers;
  Connection& connection = connections_[number];
  const core::OpenEnvelope envelope = core::open_envelope(frame);
  const auto known = sessions_.find(connection.session);
  if (envelope.kind == core::Envelope::hello) {
    answers.push_back(on_hello(connection, core::decode_hello(envelope)));
  } else if (!connection.known || known == sessions_.end()) {
    connection.challenge = core::random_bytes(core::kChallengeBytes);
    answers.push_back(core::encode_unknown_connection(connection.challenge));
  } else if (envelope.kind == core::Envelope::calls) {
    for (const core::Call& call : core::decode_calls(envelope).calls) {
      std::string answer = framed(serve(known->second, call));
      if (!answer.empty() && !swallow_) answers.push_back(std::move(answer));
    }
  } else if (envelope.kind == core::Envelope::ack) {
    for (const Seq seq : core::decode_seqs(envelope)) {
      acks_.push_back(seq);
      known->second.replies.erase(seq);
      known->second.claims.erase(seq);
    }
  } else if (envelope.kind == core::Envelope::cancel) {
    for (const Seq seq : core::decode_seqs(envelope)) {
      cancels_.push_back(seq);
      if (auto claim = known->second.claims.extract(seq)) leases_.insert(std::move(claim.mapped()));
      auto& replies = known->second.replies;
      if (known->second.parked.erase(seq) != 0) {
        replies[seq] = error(seq, core::ErrorCode::timed_out, "cancelled");
      }
      const auto stored = replies.find(seq);
      if (stored == replies.end() || stored->second.empty() || swallow_) continue;
      answers.push_back(framed(stored->second));
    }
  } else if (envelope.kind == core::Envelope::bye) {
    const bool goes_on = core::decode_bye(envelope);
    ++(goes_on ? ends_announced_ : byes_);
    if (!goes_on) sessions_.erase(known);
    if (answer_bye_) answers.push_back(core::encode_bye(goes_on));
  }
  ++frames_;
  changed_.notify_all();
  return answers;
}

std::string FakeManager::on_hello(Connection& connection, const core::Hello& hello) {
  hellos_.push_back(hello);
  if (!hello.session) {
    if (tickets_.erase(hello.ticket) == 0 && !remote_) {
      return core::encode_unknown_session("unknown ticket");
    }
    connection.session = core::random_id<core::SessionId>();
    connection.known = true;
    Session& session = sessions_[connection.session];
    session.secret = core::random_bytes(core::kSecretBytes);
    return welcome(connection.session, session.secret, {});
  }
  const auto session = sessions_.find(*hello.session);
  if (session == sessions_.end()) return core::encode_unknown_session("no such session");
  const std::string& secret = session->second.secret;
  const std::string expected =
      core::session_proof(core::Role::client, secret, *hello.session, connection.challenge);
  if (hello.proof.empty() || connection.challenge.empty() || hello.proof != expected) {
    if (!hello.proof.empty() && ++connection.wrong_proofs == kWrongProofsMax) {
      return core::encode_unknown_session("the proof is wrong");
    }
    connection.challenge = core::random_bytes(core::kChallengeBytes);
    return core::encode_unknown_connection(connection.challenge);
  }
  connection.known = true;
  connection.session = *hello.session;
  const std::set<Seq> awaited(hello.incomplete.begin(), hello.incomplete.end());
  std::erase_if(session->second.parked,
                [&](auto& entry) { return !awaited.contains(entry.first); });
  return welcome(*hello.session, {},
                 core::session_proof(core::Role::server, secret, *hello.session, hello.nonce));
}

std::string FakeManager::welcome(const core::SessionId& id, const std::string& secret,
                                 const std::string& proof) {
  core::Welcome welcome;
  welcome.lease_ms = lease_ms_;
  welcome.session = id;
  welcome.secret = secret;
  welcome.incarnation = incarnation_;
  welcome.proof = proof;
  welcome.message_bytes = message_bytes_;
  welcome.calls_in_flight = calls_in_flight_;
  welcome.lease_ms = lease_ms_;
  welcome.addresses = told_addresses_;
  return core::encode(welcome);
}

std::string FakeManager::serve(Session& session, const core::Call& call) {
  const std::string method(std::get<std::string_view>(call.method));
  calls_.push_back({method, call.seq, call.post, call.thread, call.wait_ms.has_value(),
                    std::string(call.args)});
  if (session.parked.contains(call.seq)) return {};
  if (const auto stored = session.replies.find(call.seq); stored != session.replies.end()) {
    return stored->second;
  }
  ++runs_[method];
  std::string reply;
  try {
    reply = run(session, call, method);
  } catch (const StaleHandle& failure) {
    return session.replies[call.seq] =
               error(call.seq, core::ErrorCode::stale_handle, failure.what());
  } catch (const BadCall& failure) {
    return session.replies[call.seq] = error(call.seq, core::ErrorCode::bad_call, failure.what());
  }
  if (method == "echo" || method == "park") return reply;
  if (call.post) reply.clear();
  return session.replies[call.seq] = reply;
}

std::string FakeManager::run(Session& session, const core::Call& call, const std::string& method) {
  core::Reader args(call.args);
  const std::size_t count = args.array();
  if (method == "echo") return result(call.seq, args.skip(core::kFrameDepth));
  if (method == "add") return result(call.seq, encoded(sum_ += args.integer()));
  if (method == "fail") throw BadCall(std::string(args.string()));
  if (method == "handle") return result(call.seq, handle(session, args.natural()));
  if (method == "claim") {
    return result(call.seq, claim(session, args, count, call.seq));
  }
  if (method == "lease") {
    const std::uint64_t object = args.natural();
    leases_.emplace(args.bytes(), object);
    return result(call.seq, "\xc0");
  }
  if (method == "unlock") return result(call.seq, "\xc0");
  if (method == "park") {
    session.parked[call.seq] = true;
    return {};
  }
  if (method == "drop" && count == 1) {
    for (std::size_t i = args.array(); i > 0; --i) {
      args.array_of(2);
      const std::uint64_t object = args.natural();
      const std::uint64_t dropped = args.natural();
      auto& granted = session.grants[object];
      if (dropped > granted) throw BadCall("dropped more than granted");
      granted -= dropped;
      if (granted > 0) continue;
      session.grants.erase(object);
      std::erase_if(session.spent, [&](const auto& lease) { return lease.second == object; });
    }
    return result(call.seq, "\xc0");
  }
  throw BadCall("no such method");
}

std::string FakeManager::claim(Session& session, core::Reader& args, std::size_t count, Seq seq) {
  const std::uint64_t object = args.natural();
  const std::string nonce = args.nil_if_next() ? std::string() : std::string(args.bytes());
  const auto is_in = [&](const std::map<std::string, std::uint64_t>& leases) {
    const auto lease = leases.find(nonce);
    return lease != leases.end() && lease->second == object;
  };
  const bool needs_lease = count > 2 && args.boolean();
  if (needs_lease && !is_in(leases_) && !is_in(session.spent)) throw StaleHandle("no lease");
  if (needs_lease) session.spent.emplace(nonce, object);
  if (const auto lease = leases_.extract(nonce)) {
    session.claims.emplace(seq, std::pair(lease.key(), lease.mapped()));
  }
  return handle(session, object);
}

std::string FakeManager::handle(Session& session, std::uint64_t object) {
  ++session.grants[object];
  std::string bytes;
  core::Writer writer(bytes);
  core::Token token = list_token(incarnation_, object);
  if (lie_) token = lie_(std::move(token));
  core::encode_token(writer, token);
  return bytes;
}

std::string FakeManager::release_parked(std::string_view payload) {
  const std::lock_guard lock(mutex_);
  for (auto& [id, session] : sessions_) {
    if (session.parked.empty()) continue;
    const Seq seq = session.parked.begin()->first;
    session.parked.erase(seq);
    session.replies[seq] = result(seq, payload);
    return framed(session.replies[seq]);
  }
  return {};
}

void FakeManager::forget_sessions() {
  const std::lock_guard lock(mutex_);
  sessions_.clear();
  connections_.clear();
}

void FakeManager::forget_secrets() {
  const std::lock_guard lock(mutex_);
  for (auto& [id, session] : sessions_) session.secret = core::random_bytes(core::kSecretBytes);
}

void FakeManager::swallow_replies(bool swallow) {
  const std::lock_guard lock(mutex_);
  swallow_ = swallow;
}

void FakeManager::answer_bye(bool answer) {
  const std::lock_guard lock(mutex_);
  answer_bye_ = answer;
}

void FakeManager::lease(std::uint64_t milliseconds) {
  const std::lock_guard lock(mutex_);
  lease_ms_ = milliseconds;
}

void FakeManager::limit(std::uint64_t message_bytes, std::uint64_t calls_in_flight) {
  const std::lock_guard lock(mutex_);
  message_bytes_ = message_bytes;
  calls_in_flight_ = calls_in_flight;
}

void FakeManager::be_remote(std::uint64_t lease_ms) {
  const std::lock_guard lock(mutex_);
  remote_ = true;
  lease_ms_ = lease_ms;
}

void FakeManager::tell_addresses(std::vector<std::string> addresses) {
  const std::lock_guard lock(mutex_);
  told_addresses_ = std::move(addresses);
}

void FakeManager::lie(std::function<core::Token(core::Token)> lie) {
  const std::lock_guard lock(mutex_);
  lie_ = std::move(lie);
}

void FakeManager::wait_until(const std::function<bool(const FakeManager&)>& predicate) const {
  std::unique_lock lock(mutex_);
  for (;;) {
    const std::uint64_t seen = frames_;
    lock.unlock();
    if (predicate(*this)) return;  // it locks for itself
    lock.lock();
    changed_.wait(lock, [&] { return frames_ != seen; });
  }
}

#define STEWARD_SNAPSHOT(type, name, member)     \
  type FakeManager::name() const {               \
    const std::lock_guard lock(mutex_);          \
    return member;                               \
  }
STEWARD_SNAPSHOT(std::vector<FakeManager::Seen>, calls, calls_)
STEWARD_SNAPSHOT(std::vector<core::Seq>, acks, acks_)
STEWARD_SNAPSHOT(std::vector<core::Seq>, cancels, cancels_)
STEWARD_SNAPSHOT(std::vector<core::Hello>, hellos, hellos_)
STEWARD_SNAPSHOT(std::int64_t, sum, sum_)
STEWARD_SNAPSHOT(std::size_t, sessions, sessions_.size())
STEWARD_SNAPSHOT(std::size_t, byes, byes_)
STEWARD_SNAPSHOT(std::size_t, ends_announced, ends_announced_)
#undef STEWARD_SNAPSHOT

std::size_t FakeManager::runs(const std::string& method) const {
  const std::lock_guard lock(mutex_);
  const auto found = runs_.find(method);
  return found == runs_.end() ? 0 : found->second;
}

std::size_t FakeManager::kept() const {
  const std::lock_guard lock(mutex_);
  std::size_t count = 0;
  for (const auto& [id, session] : sessions_) count += session.replies.size();
  return count;
}

std::map<std::uint64_t, std::uint64_t> FakeManager::grants() const {
  const std::lock_guard lock(mutex_);
  std::map<std::uint64_t, std::uint64_t> all;
  for (const auto& [id, session] : sessions_) {
    for (const auto& [object, count] : session.grants) all[object] += count;
  }
  return all;
}

}  // namespace steward::detail::test
