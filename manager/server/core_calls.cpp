// How the core serves one call, and how calls end.
#include <algorithm>
#include <exception>
#include <limits>
#include <new>

#include <fmt/format.h>

#include <steward/core/errors.hpp>
#include <steward/core/planted_fault.hpp>
#include <steward/manager/server/core_impl.hpp>
#include <steward/manager/server/wait_ms.hpp>

namespace steward::detail::server {
namespace {

std::string method_name(const core::MethodKey& key) {
  if (const auto* name = std::get_if<std::string_view>(&key)) return std::string(*name);
  return fmt::format("method {}", std::get<std::uint32_t>(key));
}

template <class Exception>
bool is(const std::exception& exception) {
  return dynamic_cast<const Exception*>(&exception) != nullptr;
}

core::ErrorCode code_of(const std::exception& exception) {
  struct Row {
    bool (*is)(const std::exception&);
    core::ErrorCode code;
  };
  static constexpr Row rows[] = {
      {is<BadCall>, core::ErrorCode::bad_call},
      {is<core::OutOfRange>, core::ErrorCode::out_of_range},
      {is<StaleHandle>, core::ErrorCode::stale_handle},
      {is<Closed>, core::ErrorCode::closed},
      {is<NotOwner>, core::ErrorCode::not_owner},
      {is<Poisoned>, core::ErrorCode::poisoned},
      {is<BrokenBarrier>, core::ErrorCode::broken_barrier},
      {is<Overloaded>, core::ErrorCode::overloaded},
      {is<std::bad_alloc>, core::ErrorCode::overloaded},
  };
  for (const Row& row : rows) {
    if (row.is(exception)) return row.code;
  }
  return core::ErrorCode::bad_call;
}

}  // namespace

CallError current_error() {
  try {
    throw;
  } catch (const std::exception& exception) {
    return {code_of(exception), exception.what(), {}};
  } catch (...) {
    return {core::ErrorCode::bad_call, "internal error", {}};
  }
}

core::Token Core::Impl::Incoming::outgoing(const core::Reference& reference) {
  return reference.token();
}

core::ReferencePtr Core::Impl::Incoming::incoming(core::Token token) {
  if (token.incarnation != core_.identity.incarnation) {
    return std::make_shared<const core::Reference>(std::move(token));
  }
  if (core::ReferencePtr reference = core_.objects.reference(token.object)) return reference;
  throw StaleHandle(core::describe(token) + " no longer exists");
}

// For what a local process wrote without asking us: a handle in it is worth no more, and no less,
// than one that a client claims.
class Core::Impl::FromOutside final : public core::HandleCodec {
 public:
  explicit FromOutside(const Impl& core) : core_(core) {}

  core::Token outgoing(const core::Reference& reference) override { return reference.token(); }
  core::ReferencePtr incoming(core::Token token) override {
    if (token.incarnation == core_.identity.incarnation) {
      if (core::ReferencePtr reference = core_.objects.reference(token.object)) return reference;
    }
    return std::make_shared<const core::Reference>(std::move(token));
  }

 private:
  const Impl& core_;
};

// Writes a result, in which a handle is a reference for the session that gets it. Nothing is
// granted before it is certain that the result will be sent. Between the two ends of a session
// addresses go without saying.
class Core::Impl::Drafting final : public core::HandleCodec {
 public:
  explicit Drafting(const Impl& core) : core_(core) {}

  core::Token outgoing(const core::Reference& reference) override {
    core::Token token = reference.token();
    if (token.incarnation != core_.identity.incarnation) return token;
    token.addresses.clear();
    // None for an object that is gone, or never was: local processes may say anything.
    core::ReferencePtr counted = core_.objects.reference(token.object);
    if (counted != nullptr) references_.push_back(std::move(counted));
    return token;
  }
  core::ReferencePtr incoming(core::Token) override { return nullptr; }

  void grant_to(Session& session) {
    for (core::ReferencePtr& reference : references_) {
      Session::Grant& grant = session.grants[reference->token().object];
      if (grant.count++ == 0) grant.reference = std::move(reference);
    }
  }

 private:
  const Impl& core_;
  std::vector<core::ReferencePtr> references_;
};

// What the object that serves (or ends) a call may do.
class Core::Impl::Serving final : public Call {
 public:
  Serving(Impl& core, core::ObjectId object, std::string_view type) : core_(core), object_(object),
                                                                      type_(type) {}
  Serving(Impl& core, core::ObjectId object, std::string_view type, const Session& session,
          const core::Call& call, const Method& method)
      : Serving(core, object, type) {
    key_ = {session.number, call.seq};
    thread_ = call.thread;
    method_ = &method;
    deadline_ = end_of_wait(call.wait_ms, core.now);
  }

  core::Time now() const override { return core_.now; }
  void answer(ParkId id, Value result) override { core_.answer_parked(id, result); }
  void fail(ParkId id, core::ErrorCode code, std::string text) override {
    core_.fail_parked(id, code, text);
  }
  CallKey caller_of(ParkId id) const override { return core_.parked.at(id).key; }
  void move(ParkId id, WaiterList& list) override { core_.parked.move(id, list); }
  void keep(ParkId id) override { core_.parked.end_deadline(id); }
  void hand_over(CallKey key) override {
    core_.sessions.find(key.session)->unconfirmed.insert_or_assign(key.seq, object_);
  }
  void own(SessionNumber number) override {
    if (Session* session = core_.sessions.find(number)) ++session->owned[object_];
  }
  void disown(SessionNumber number) override {
    Session* session = core_.sessions.find(number);
    if (session == nullptr) return;
    const auto owned = session->owned.find(object_);
    if (owned != session->owned.end() && --owned->second == 0) session->owned.erase(owned);
  }
  void set_alarm(core::Deadline time) override { core_.alarms.set(object_, time); }
  void work(Work work) override {
    work.object = object_;
    core_.outputs->work.push_back(std::move(work));
  }
  Value read_value(std::string_view encoded) override {
    FromOutside codec(core_);
    Value value = core::decode_value(encoded, codec);
    if (value.depth() > core::kValueDepth) throw BadCall("a value that is nested too deep");
    return value;
  }
  std::uint64_t next_fencing_token() override {
    if (!core::planted(core::Fault::token_not_raised)) ++core_.fencing_tokens;
    return (core_.identity.started_unix_ms << 20U) + core_.fencing_tokens;
  }

  CallKey key() const override { return key_; }
  Owner owner() const override { return {key_.session, thread_}; }
  bool timed() const override { return deadline_.has_value(); }
  void require_room(std::size_t bytes) const override { core_.require_room(bytes); }
  // Beside it: the envelope, the reply's own three parts, and that it may be in a list of one.
  std::size_t answer_bytes() const override {
    constexpr std::size_t kBesides = kEnvelopeBytes + 8;
    return core_.limits.message_bytes - std::min(core_.limits.message_bytes, kBesides);
  }
  ParkId park(WaiterList& list) override {
    Session& session = *core_.sessions.find(key_.session);
    // Past the limit everybody still has a share: nobody's many calls keep others from waiting.
    const std::size_t share = core_.limits.parked_calls / core_.sessions.size();
    if (core_.parked.size() >= core_.limits.parked_calls && session.parked.size() >= share) {
      throw Overloaded(fmt::format("{} calls wait already, the limit", core_.parked.size()));
    }
    // A decent client waits by itself; nobody else's waiting may suffer from another.
    if (session.parked.size() >= core_.limits.calls_in_flight) {
      throw Overloaded(fmt::format("{} calls of this client wait already, the limit",
                                   session.parked.size()));
    }
    const ParkId id = core_.parked.add(
        {key_, object_, type_, method_->name, method_->number, deadline_, &list});
    session.parked.emplace(key_.seq, id);
    return id;
  }

 private:
  Impl& core_;
  const core::ObjectId object_;
  const std::string_view type_;
  CallKey key_;
  core::ThreadNumber thread_ = 0;
  const Method* method_ = nullptr;
  core::Deadline deadline_;
};

std::string Core::Impl::error_text(core::ObjectId object, std::string_view type,
                                   std::string_view method, std::string_view text) {
  if (object == core::kManagerObject) return fmt::format("manager.{}: {}", method, text);
  return fmt::format("{}#{}.{}: {}", type, core::number(object), method, text);
}

void Core::Impl::send(Session& session, core::Seq seq, std::string bytes, bool keep) {
  auto reply = std::make_shared<const std::string>(std::move(bytes));
  if (keep && !core::planted(core::Fault::reply_store_off)) session.store(seq, reply);
  replied_bytes += reply->size();
  outputs->replies.push_back({session.id, std::move(reply)});
}

std::string Core::Impl::draft(core::Seq seq, const Value& result, core::HandleCodec& codec) const {
  std::string bytes;
  core::Writer writer(bytes);
  writer.array(3);
  writer.natural(seq);
  writer.natural(static_cast<std::uint64_t>(core::ErrorCode::ok));
  core::encode_value(writer, result, codec, core::kFrameDepth);
  if (bytes.size() + kEnvelopeBytes <= limits.message_bytes) return bytes;
  throw Overloaded(fmt::format("the result has {} bytes, a message at most {}", bytes.size(),
                               limits.message_bytes));
}

void Core::Impl::reply(Session& session, core::Seq seq, const Value& result, bool keep) {
  Drafting codec(*this);
  std::string bytes = draft(seq, result, codec);
  codec.grant_to(session);
  send(session, seq, std::move(bytes), keep);
}

void Core::Impl::reply_error(Session& session, core::Seq seq, const CallError& error, bool keep) {
  std::string bytes;
  core::append_error(bytes, seq, error.code, error.text, error.type_name);
  send(session, seq, std::move(bytes), keep);
}

// Calls before this one are complete at the client: it has what they gave.
void Core::Impl::complete_before(Session& session, core::Seq first_incomplete) {
  if (first_incomplete <= session.first_incomplete) return;
  session.first_incomplete = first_incomplete;
  session.prune_replies(first_incomplete);
  while (!session.unconfirmed.empty() && session.unconfirmed.begin()->first < first_incomplete) {
    confirm(session, session.unconfirmed.begin()->first);
  }
}

void Core::Impl::calls(Session& session, const core::Calls& frame) {
  complete_before(session, frame.first_incomplete);
  for (const core::Call& call : frame.calls) serve(session, call);
}

void Core::Impl::serve(Session& session, const core::Call& call) {
  // A retry? Then its answer is known, or it waits in its old place.
  if (call.seq < session.first_incomplete || session.parked.contains(call.seq)) return;
  if (const auto stored = session.replies.find(call.seq); stored != session.replies.end()) {
    if (!stored->second->empty()) outputs->replies.push_back({session.id, stored->second});
    return;
  }
  if (ask_statistics(session, call, *outputs)) return;

  CallError error;
  const ObjectTable::Entry* entry = objects.find(call.object);
  const std::string_view type = entry == nullptr ? "object" : entry->type->name;
  std::string method = method_name(call.method);
  bool change = true;
  // What is posted has as much room again: more often than not it gives something back.
  const auto require_room_for_reply = [&] {
    const std::size_t used = session.reply_bytes;
    const std::size_t limit = sessions.reply_bytes_for_each(limits.reply_store_bytes);
    if (used <= limit || (call.post && used - limit <= limit)) return;
    change = false;
    throw Overloaded(
        fmt::format("{} bytes of replies wait for this client, the limit is {}", used, limit));
  };
  std::optional<MethodNumber> number;
  bool parked_now = false;
  const bool done = guarded(error, [&] {
    // A small message with many calls may ask for anything.
    if (replied_bytes > limits.unsent_bytes) {
      change = false;
      throw Overloaded(
          fmt::format("the calls before in this message have {} bytes of results", replied_bytes));
    }
    Incoming incoming(*this);
    Arguments arguments(call.args, incoming);
    if (entry == nullptr) throw StaleHandle("the object no longer exists");
    const Method* found = Registry::find(*entry->type, call.method);
    if (found == nullptr) {
      throw BadCall(call.object == core::kManagerObject
                        ? std::string("the manager has no such method")
                        : fmt::format("a {} has no such method", type));
    }
    method = found->name;
    number = found->number;
    if (found->is_read(*entry->object)) {
      change = false;
      const Value result = found->read(*entry->object, arguments);
      change = result.has_proxies();
      if (change) require_room_for_reply();
      return reply(session, call.seq, result, change);
    }
    require_room_for_reply();
    Serving serving(*this, call.object, type, session, call, *found);
    Outcome outcome = found->write(objects.change(call.object), serving, arguments);
    parked_now = outcome.parked();
    if (parked_now) return;
    changing([&] {
      if (call.post) return session.store(call.seq, std::make_shared<const std::string>());
      reply(session, call.seq, outcome.result(), true);
    });
  });
  if (!parked_now) outputs->ended.push_back({number, error.code});
  if (done) return;
  undelivered.push_back({session.number, call.seq});
  error.text = error_text(call.object, type, method, error.text);
  reply_error(session, call.seq, error, change);
}

bool Core::Impl::ask_statistics(const Session& session, const core::Call& call,
                                Outputs& out) const {
  if (call.object != core::kManagerObject || call.post) return false;
  const auto* name = std::get_if<std::string_view>(&call.method);
  if (name == nullptr || *name != kStatistics) return false;
  constexpr std::string_view kNoArguments = "\x90";
  if (call.args != kNoArguments) return false;  // serve() will say what is wrong
  out.asked.push_back({session.id, call.seq});
  out.ended.push_back({Registry::find(manager_type, call.method)->number, core::ErrorCode::ok});
  return true;
}

bool Core::Impl::answer_call(const Session& session, const core::Call& call, Outputs& out) const {
  if (ask_statistics(session, call, out)) return true;
  if (call.post) return false;
  if (session.parked.contains(call.seq) || session.replies.contains(call.seq)) return false;
  const ObjectTable::Entry* entry = objects.find(call.object);
  if (entry == nullptr) return false;
  const Method* method = Registry::find(*entry->type, call.method);
  if (method == nullptr || !method->is_read(*entry->object)) return false;
  std::string bytes;
  CallError error;
  const bool done = guarded(error, [&] {
    Incoming incoming(*this);
    Arguments arguments(call.args, incoming);
    const Value result = method->read(*entry->object, arguments);
    if (!result.has_proxies()) bytes = draft(call.seq, result, incoming);
  });
  if (!done) {
    bytes.clear();
    const std::string text = error_text(call.object, entry->type->name, method->name, error.text);
    core::append_error(bytes, call.seq, error.code, text);
  }
  if (bytes.empty()) return false;
  out.replies.push_back({session.id, std::make_shared<const std::string>(std::move(bytes))});
  out.ended.push_back({method->number, error.code});
  return true;
}

void Core::Impl::answer_parked(ParkId id, const Value& result) {
  const ParkedCall call = parked.take(id);
  Session& session = *sessions.find(call.key.session);
  session.parked.erase(call.key.seq);
  CallError error;
  const bool done =
      guarded(error, [&] { changing([&] { reply(session, call.key.seq, result, true); }); });
  outputs->ended.push_back({call.number, error.code});
  if (done) return;
  undelivered.push_back(call.key);
  error.text = error_text(call.object, call.type, call.method, error.text);
  reply_error(session, call.key.seq, error, true);
}

// Not at once: an object may be at work that would be called here.
void Core::Impl::return_undelivered() {
  while (!undelivered.empty()) {
    const CallKey key = undelivered.back();
    undelivered.pop_back();
    if (Session* session = sessions.find(key.session)) take_back(*session, key.seq);
  }
}

void Core::Impl::fail_parked(ParkId id, core::ErrorCode code, std::string_view text) {
  const ParkedCall call = parked.take(id);
  Session& session = *sessions.find(call.key.session);
  session.parked.erase(call.key.seq);
  outputs->ended.push_back({call.number, code});
  const std::string full = error_text(call.object, call.type, call.method, text);
  reply_error(session, call.key.seq, {code, full, {}}, true);
}

void Core::Impl::give_up(ParkId id, GaveUp why) {
  const ParkedCall call = parked.at(id);
  Serving context(*this, call.object, call.type);
  objects.change(call.object).gave_up(id, why, context);
  const ParkedCall* waiting = parked.find(id);
  if (waiting == nullptr) return;
  switch (why) {
    case GaveUp::deadline:
      if (!waiting->deadline) return;  // it is kept
      return fail_parked(id, core::ErrorCode::timed_out, "timed out");
    case GaveUp::cancelled: return fail_parked(id, core::ErrorCode::timed_out, "cancelled");
    case GaveUp::abandoned:
      parked.take(id);
      sessions.find(call.key.session)->parked.erase(call.key.seq);
  }
}

void Core::Impl::mapped(const input::QueueMapped& input) {
  const ObjectTable::Entry* entry = objects.find(input.object);
  if (entry == nullptr || !entry->object->ring_maxsize() || entry->object->is_outside()) return;
  Serving context(*this, input.object, entry->type->name);
  objects.change(input.object).mapped(context);
}

void Core::Impl::work_done(const input::WorkDone& input) {
  const ObjectTable::Entry* entry = objects.find(input.object);
  if (entry == nullptr) return;
  Serving context(*this, input.object, entry->type->name);
  Object& object = objects.change(input.object);
  CallError error;
  if (guarded(error, [&] { object.work_done(input.park, input.result, context); })) return;
  // What others wrote into the ring must not end the manager.
  if (parked.find(input.park) != nullptr) fail_parked(input.park, error.code, error.text);
}

void Core::Impl::destroyed(Object& object, core::ObjectId id) {
  Serving context(*this, id, {});
  object.destroyed(context);
  alarms.set(id, std::nullopt);
}

void Core::Impl::alarm(core::ObjectId id) {
  const ObjectTable::Entry* entry = objects.find(id);
  if (entry == nullptr) return;
  Serving context(*this, id, entry->type->name);
  objects.change(id).alarm(context);
}

void Core::Impl::confirm(Session& session, core::Seq seq) {
  const auto node = session.unconfirmed.extract(seq);
  if (node.empty()) return;
  const ObjectTable::Entry* entry = objects.find(node.mapped());
  if (entry == nullptr) return;
  Serving context(*this, node.mapped(), entry->type->name);
  objects.change(node.mapped()).confirmed({session.number, seq}, context);
}

void Core::Impl::take_back(Session& session, core::Seq seq) {
  const auto node = session.unconfirmed.extract(seq);
  if (node.empty()) return;
  const ObjectTable::Entry* entry = objects.find(node.mapped());
  if (entry == nullptr) return;
  Serving context(*this, node.mapped(), entry->type->name);
  objects.change(node.mapped()).returned({session.number, seq}, context);
}

// The caller does not wait any more. A call that is parked ends here, with a word that it was not
// done; what was handed over already goes back. A reply that is kept is said again: only from that
// does a client that has lost it know which references it was granted.
void Core::Impl::cancel(Session& session, core::Seq seq) {
  if (core::planted(core::Fault::cancel_ignored)) return;
  if (const auto waiting = session.parked.find(seq); waiting != session.parked.end()) {
    return give_up(waiting->second, GaveUp::cancelled);
  }
  take_back(session, seq);
  const auto stored = session.replies.find(seq);
  if (stored == session.replies.end() || stored->second->empty()) return;
  outputs->replies.push_back({session.id, stored->second});
}

void Core::Impl::end_ownership(Session& session, Ending ending) {
  while (!session.owned.empty()) {
    const core::ObjectId id = session.owned.begin()->first;
    session.owned.erase(session.owned.begin());
    const ObjectTable::Entry* entry = objects.find(id);
    if (entry == nullptr) continue;
    Serving context(*this, id, entry->type->name);
    objects.change(id).session_ended(session.number, ending, context);
  }
}

}  // namespace steward::detail::server
