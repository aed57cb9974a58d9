#include <steward/manager/server/manager_object.hpp>

#include <iterator>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include <steward/core/errors.hpp>

namespace steward::detail::server {
namespace {

core::Nonce nonce_of(const Value& value) {
  const auto nonce = core::Nonce::from(value.bytes());
  if (!nonce) throw BadCall("a nonce must be 16 bytes");
  return *nonce;
}

BadCall no_class(const Registry& registry, std::string_view name) {
  std::string known;
  for (const auto& type : registry.classes()) {
    known += fmt::format("{}{}", known.empty() ? "" : ", ", type->name);
  }
  return BadCall(fmt::format("there is no class '{}': there are {}", name, known));
}

}  // namespace

core::ReferencePtr ManagerObject::existing(core::ObjectId id) const {
  if (core::ReferencePtr reference = core_.objects.reference(id)) return reference;
  throw StaleHandle(fmt::format("object #{} no longer exists", core::number(id)));
}

Session& ManagerObject::session_of(CallKey key) const {
  return *core_.sessions.find(key.session);
}

Value ManagerObject::create(std::string_view type_name, std::optional<std::string> name,
                            Arguments init) {
  if (name && (name->empty() || name->size() > core_.limits.name_bytes)) {
    throw BadCall(fmt::format("an object's name has 1 to {} bytes, not {}",
                              core_.limits.name_bytes, name->size()));
  }
  if (name) {
    if (const auto found = core_.names.find(*name); found != core_.names.end()) {
      const core::Token& token = found->second->token();
      if (token.type == type_name) return Value::of_reference(found->second);
      throw BadCall(fmt::format("'{}' is a {}, not a {}", *name, token.type, type_name));
    }
  }
  const Class* type = core_.registry.find(type_name);
  if (type == nullptr) throw no_class(core_.registry, type_name);
  if (core_.objects.size() >= core_.limits.objects) {
    throw Overloaded(fmt::format("{} objects exist, the limit", core_.objects.size()));
  }
  std::unique_ptr<Object> object =
      preparing([&] { return type->create(core_.environment, init); });
  core_.require_room(kObjectBytes + object->bytes());
  core::ReferencePtr reference = core_.objects.add(*type, std::move(object));
  if (name) core_.names.emplace(*std::move(name), reference);
  return Value::of_reference(std::move(reference));
}

// Who has the object by this lease may say so again: he has merely read the handle twice, or two of
// his threads are at it, or he did not get the answer in time.
Value ManagerObject::claim(Call& call, std::uint64_t object, std::optional<Value> nonce,
                           std::optional<bool> needs_lease) {
  const core::ObjectId id{object};
  core::ReferencePtr reference = existing(id);
  Session& session = session_of(call.key());
  const auto lease = nonce ? core::Nonce::from(nonce->bytes()) : std::nullopt;
  if (needs_lease.value_or(false)) {
    if (!lease || !(core_.leases.waits(*lease, id) || session.has_by(id, *lease))) {
      throw StaleHandle(
          "this handle is good for one client by its lease, which is spent or over");
    }
    session.spend(id, *lease);
  }
  // A lease that is spent or over makes this a plain claim.
  if (const auto ended = lease ? core_.leases.take(*lease) : std::nullopt) {
    session.claims.insert_or_assign(
        call.key().seq,
        Session::EndedLease{*lease, ended->object->token().object, ended->by, ended->end});
    call.hand_over(call.key());
  }
  return Value::of_reference(std::move(reference));
}

void ManagerObject::confirmed(CallKey key, Context&) { session_of(key).claims.erase(key.seq); }

// The lease waits again, unless the object is gone, since the client has dropped what it was given,
// or others have taken its place.
void ManagerObject::returned(CallKey key, Context& context) {
  Session& session = session_of(key);
  const Session::EndedLease lease = session.claims.extract(key.seq).mapped();
  const auto grant = session.grants.find(lease.object);
  // Where no answer could be sent, nothing was granted.
  if (grant != session.grants.end() && grant->second.count == 0) session.grants.erase(grant);
  core::ReferencePtr object = core_.objects.reference(lease.object);
  if (object == nullptr || lease.end <= context.now()) return;
  if (core_.leases.count_of(lease.by) >= core_.limits.claim_leases) return;
  static_cast<void>(core_.leases.add({lease.nonce, std::move(object), lease.by, lease.end}));
}

void ManagerObject::lease(Call& call, std::uint64_t object, const Value& value) {
  const core::Nonce nonce = nonce_of(value);
  const SessionNumber session = call.key().session;
  if (core_.leases.count_of(session) >= core_.limits.claim_leases) {
    throw Overloaded(fmt::format("{} handles of this client travel unclaimed, the limit",
                                 core_.limits.claim_leases));
  }
  if (!core_.leases.add({nonce, existing(core::ObjectId{object}), session,
                         core_.now + core_.limits.claim_lease})) {
    throw BadCall("this nonce is in use");
  }
}

bool ManagerObject::revoke(const Value& nonce) {
  return core_.leases.take(nonce_of(nonce)).has_value();
}

void ManagerObject::drop(Call& call, const std::vector<Value>& counts) {
  auto& grants = session_of(call.key()).grants;
  for (const Value& item : counts) {
    const Value::List& pair = item.list();
    if (pair.size() != 2) throw BadCall("expected pairs of object and count");
    const auto grant = grants.find(core::ObjectId{pair[0].natural()});
    const std::uint64_t count = pair[1].natural();
    if (grant == grants.end()) continue;
    if (grant->second.count > count) {
      grant->second.count -= count;
    } else {
      grants.erase(grant);
    }
  }
}

bool ManagerObject::remove(std::string_view name) {
  const auto found = core_.names.find(name);
  if (found == core_.names.end()) return false;
  core_.names.erase(found);
  return true;
}

Value ManagerObject::find(std::string_view name) {
  Value::List found;
  if (const auto named = core_.names.find(name); named != core_.names.end()) {
    found.push_back(Value::of_reference(named->second));
  }
  return found;
}

Value ManagerObject::names() {
  Value::List all;
  for (const auto& [name, reference] : core_.names) {
    all.emplace_back(Value::List{Value(name), Value::of_reference(reference)});
  }
  return all;
}

Value ManagerObject::objects() {
  Value::List handles;
  for (const core::ObjectId id : core_.objects.ids()) {
    if (auto reference = core_.objects.reference(id)) {
      handles.push_back(Value::of_reference(std::move(reference)));
    }
  }
  return handles;
}

std::string ManagerObject::debug_info() const {
  std::string text =
      fmt::format("{} objects of {} bytes, {} sessions, {} parked calls\n", core_.objects.size(),
                  core_.objects.bytes(), core_.sessions.size(), core_.parked.size());
  for (const core::ObjectId id : core_.objects.ids()) {
    const ObjectTable::Entry& entry = *core_.objects.find(id);
    fmt::format_to(std::back_inserter(text), "  {}#{}: {} references, version {}, {} waiting\n",
                   entry.type->name, core::number(id), entry.reference.use_count(), entry.version,
                   entry.object->waiting().size());
  }
  for (const auto& [name, reference] : core_.names) {
    fmt::format_to(std::back_inserter(text), "  '{}' is {}\n", name,
                   core::describe(reference->token()));
  }
  for (const auto& [number, session] : core_.sessions.all()) {
    fmt::format_to(std::back_inserter(text),
                   "  session {}: {} references, {} parked, {} unconfirmed, {} stored replies\n",
                   static_cast<std::uint64_t>(number), session.grants.size(),
                   session.parked.size(), session.unconfirmed.size(), session.replies.size());
  }
  return text;
}

void ManagerObject::shutdown() { core_.outputs->shutdown = true; }

Class manager_class(const Registry& registry) {
  using M = ManagerObject;
  Class type{"manager",
             nullptr,
             {method<&M::create>("create"), method<&M::claim>("claim"), method<&M::lease>("lease"),
              method<&M::revoke>("revoke"), method<&M::drop>("drop"), method<&M::remove>("remove"),
              method<&M::objects>("objects"),
              method<&M::number_of_objects>("number_of_objects"),
              method<&M::shutdown>("shutdown"), method<&M::debug_info>("debug_info"),
              method<&M::find>("find"), method<&M::names>("names"),
              method<&M::stat>(Core::Impl::kStatistics)}};
  registry.number(type.methods);
  return type;
}

std::vector<std::string_view> Core::manager_methods() {
  std::vector<std::string_view> names;
  for (const Method& method : manager_class({}).methods) names.push_back(method.name);
  return names;
}

}  // namespace steward::detail::server
