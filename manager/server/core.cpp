#include <steward/manager/server/core.hpp>

#include <algorithm>
#include <set>
#include <utility>

#include <fmt/format.h>

#include <steward/core/errors.hpp>
#include <steward/core/planted_fault.hpp>
#include <steward/manager/server/core_impl.hpp>
#include <steward/manager/server/input_log.hpp>
#include <steward/manager/server/manager_object.hpp>

namespace steward::detail::server {
namespace {

constexpr std::size_t kReplyBytesToPrune = 1U << 20U;
constexpr std::uint64_t kSaveVersion = 3;

}  // namespace

Core::Core(Identity identity, const Registry& registry, core::Limits limits)
    : impl_(std::make_unique<Impl>(std::move(identity), registry, limits)) {}

Core::Core(Identity identity, const Registry& registry, std::string_view saved) {
  core::Reader reader(saved);
  if (reader.natural() != kSaveVersion) throw BadCall("the saved state is of another version");
  const auto incarnation = core::Incarnation::from(reader.bytes());
  if (!incarnation) throw BadCall("the saved state is damaged");
  identity.incarnation = *incarnation;
  identity.started_unix_ms = reader.natural();
  const core::Limits limits = decode_limits(reader);
  impl_ = std::make_unique<Impl>(std::move(identity), registry, limits);
  impl_->load(reader);
}

Core::~Core() = default;

void Core::apply(const Input& input, core::Time now, Outputs& outputs) {
  impl_->now = now;
  impl_->outputs = &outputs;
  impl_->replied_bytes = 0;
  struct Apply {
    Impl& core;
    void operator()(const input::SessionOpened& input) { core.opened(input); }
    void operator()(const input::SessionEnded& input) { core.ended(input); }
    void operator()(const input::SessionResumed& input) { core.resumed(input); }
    void operator()(const input::Request& input) { core.request(input); }
    void operator()(const input::Tick&) { core.tick(); }
    void operator()(const input::LimitsChanged& input) { core.limits = input.limits; }
    void operator()(const input::QueueMapped& input) { core.mapped(input); }
    void operator()(const input::WorkDone& input) { core.work_done(input); }
  };
  std::visit(Apply{*impl_}, input);
  impl_->return_undelivered();
  impl_->collect();
  impl_->objects.look_at_changed();
  impl_->outputs = nullptr;
}

bool Core::answer(const input::Request& request, core::Time, Outputs& outputs) const {
  return impl_->answer(request, outputs);
}

core::Deadline Core::next_deadline() const { return impl_->next_deadline(); }
std::string Core::save() const { return impl_->save(); }
const Identity& Core::identity() const { return impl_->identity; }
const core::Limits& Core::limits() const { return impl_->limits; }
std::size_t Core::number_of_objects() const { return impl_->objects.size(); }
std::size_t Core::number_of_objects(std::size_t class_index) const {
  return impl_->objects.number_of(*impl_->registry.classes().at(class_index));
}
std::size_t Core::number_of_names() const { return impl_->names.size(); }
std::size_t Core::number_of_sessions() const { return impl_->sessions.size(); }
std::size_t Core::number_parked() const { return impl_->parked.size(); }
std::size_t Core::bytes_of_objects() const { return impl_->objects.bytes(); }

std::uint64_t Core::ring_maxsize(core::ObjectId id) const {
  const ObjectTable::Entry* entry = impl_->objects.find(id);
  if (entry == nullptr) throw StaleHandle("the object no longer exists");
  if (const auto maxsize = entry->object->ring_maxsize()) return *maxsize;
  throw BadCall(fmt::format("a {} has no ring in shared memory", entry->type->name));
}

std::optional<std::string> Core::secret_of(const core::SessionId& id) const {
  const Session* session = std::as_const(impl_->sessions).find(id);
  if (session == nullptr) return std::nullopt;
  return session->secret;
}

Core::Impl::Impl(Identity who, const Registry& classes, core::Limits given)
    : identity(std::move(who)), registry(classes),
      environment{identity.seed, item_bytes(given)}, limits(given),
      manager_type(manager_class(registry)), objects(identity.incarnation, identity.addresses) {
  objects.add_manager(manager_type, std::make_unique<ManagerObject>(*this));
}

void Core::Impl::opened(const input::SessionOpened& input) {
  if (sessions.find(input.session) == nullptr) sessions.open(input.session, input.secret);
}

// In this order: what waits is given up, what is owned is given up (a lock is told of the death
// even if its grant was not confirmed), what was handed over and not confirmed goes back (last
// first, so that a queue has its old order again), references go.
void Core::Impl::ended(const input::SessionEnded& input) {
  Session* session = sessions.find(input.session);
  if (session == nullptr) return;
  const bool lives_on = core::planted(core::Fault::lock_given_to_a_dead_session);
  if (lives_on) end_ownership(*session, input.ending);
  while (!session->parked.empty()) {
    give_up(session->parked.begin()->second, GaveUp::abandoned);
  }
  end_ownership(*session, input.ending);
  while (!session->unconfirmed.empty()) take_back(*session, session->unconfirmed.rbegin()->first);
  sessions.close(session->number);
}

void Core::Impl::resumed(const input::SessionResumed& input) {
  Session* session = sessions.find(input.session);
  if (session == nullptr) return;
  std::vector<ParkId> given_up;
  const std::set<core::Seq> awaited(input.incomplete.begin(), input.incomplete.end());
  for (const auto& [seq, id] : session->parked) {
    const bool dropped = core::planted(core::Fault::waiter_dropped_by_a_resume);
    if (dropped || !awaited.contains(seq)) given_up.push_back(id);
  }
  for (const ParkId id : given_up) give_up(id, GaveUp::abandoned);
  complete_before(*session, input.first_incomplete);
}

void Core::Impl::request(const input::Request& input) {
  Session* session = sessions.find(input.session);
  if (session == nullptr) return;
  try {
    const core::OpenEnvelope envelope = core::open_envelope(input.frame);
    switch (envelope.kind) {
      case core::Envelope::calls: calls(*session, core::decode_calls(envelope)); return;
      case core::Envelope::ack:
        for (const core::Seq seq : core::decode_seqs(envelope)) {
          confirm(*session, seq);
          session->forget_reply(seq);
        }
        return;
      case core::Envelope::cancel:
        for (const core::Seq seq : core::decode_seqs(envelope)) cancel(*session, seq);
        return;
      default: throw BadCall("this envelope is not for the core");
    }
  } catch (const BadCall&) {
    outputs->violations.push_back(input.session);
  }
}

bool Core::Impl::answer(const input::Request& input, Outputs& out) const {
  const Session* session = sessions.find(input.session);
  if (session == nullptr) return false;
  const std::size_t replies = out.replies.size();
  const std::size_t ended = out.ended.size();
  const std::size_t asked = out.asked.size();
  const auto undo = [&] {
    out.replies.resize(replies);
    out.ended.resize(ended);
    out.asked.resize(asked);
    return false;
  };
  std::size_t bytes = 0;
  try {
    const core::OpenEnvelope envelope = core::open_envelope(input.frame);
    if (envelope.kind != core::Envelope::calls) return false;
    // One by one: what changes something is mostly the first, and apply will read it all again.
    core::CallReader reader(envelope);
    const core::Seq first = std::max(reader.first_incomplete(), session->first_incomplete);
    // What the client has may go: it is worth a change once it is much.
    const bool much = session->reply_bytes > kReplyBytesToPrune;
    if (much && first > session->first_incomplete) return false;
    for (core::Call call; reader.next(call);) {
      const std::size_t before = out.replies.size();
      // apply passes over what is complete, and refuses what is past the bound.
      if (call.seq < first || bytes > limits.unsent_bytes || !answer_call(*session, call, out)) {
        return undo();
      }
      if (out.replies.size() > before) bytes += out.replies.back().bytes->size();
    }
    return true;
  } catch (const BadCall&) {
    return undo();  // apply will say what is wrong with it
  }
}

// Alarms first: what comes back to a queue still serves who would wait in vain.
void Core::Impl::tick() {
  while (const auto id = alarms.take_due(now)) alarm(*id);
  while (const auto id = parked.expired(now)) give_up(*id, GaveUp::deadline);
  leases.end_expired(now);
}

core::Deadline Core::Impl::next_deadline() const {
  core::Deadline next = parked.next_deadline();
  for (const core::Deadline other : {leases.next_deadline(), alarms.next_deadline()}) {
    if (other && (!next || *other < *next)) next = other;
  }
  return next;
}

void Core::Impl::require_room(std::size_t bytes) {
  if (limits.memory == 0) return;
  const std::size_t used = objects.bytes();
  if (used <= limits.memory && bytes <= limits.memory - used) return;
  throw Overloaded(fmt::format("the objects take {} of {} bytes, and this would add {}", used,
                               limits.memory, bytes));
}

void Core::Impl::collect() {
  while (auto gone = objects.take_unreferenced()) {
    destroyed(*gone->entry.object, gone->id);
    for (const ParkId id : gone->entry.object->waiting()) {
      fail_parked(id, core::ErrorCode::stale_handle, "the object was destroyed");
    }
    // Sessions may still list the id as owned or unconfirmed: it is never used again, and passed
    // over then.
  }
}

std::string Core::Impl::save() const {
  std::string state;
  Saver out(state);
  out.number(kSaveVersion);
  out.writer().bytes(identity.incarnation.view());
  out.number(identity.started_unix_ms);
  encode_limits(out.writer(), limits);
  out.number(fencing_tokens);
  objects.save(out);
  out.writer().map(names.size());
  for (const auto& [name, reference] : names) {
    out.writer().string(name);
    out.number(core::number(reference->token().object));
  }
  leases.save(out);
  sessions.save(out);
  parked.save(out);
  alarms.save(out);
  return state;
}

// From where the limits end.
void Core::Impl::load(core::Reader& reader) {
  Loader in(reader, identity.incarnation,
            [&](core::ObjectId id) { return objects.reference(id); });
  fencing_tokens = in.number();
  // They stay until all who refer to them are there.
  const std::vector<core::ReferencePtr> references = objects.load(in, registry, environment);
  for (std::size_t left = reader.map(); left > 0; --left) {
    std::string name(reader.string());
    names.emplace(std::move(name), in.reference(core::ObjectId{in.number()}));
  }
  leases.load(in);
  sessions.load(in);
  parked.load(in, [&](ParkedCall& call, std::string_view method) -> const Method* {
    const ObjectTable::Entry* entry = objects.find(call.object);
    if (entry == nullptr) return nullptr;
    call.type = entry->type->name;
    return Registry::find(*entry->type, method);
  });
  alarms.load(in);
  reader.finish();
  objects.look_at_changed();
}

}  // namespace steward::detail::server
