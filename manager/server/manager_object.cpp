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

Value ManagerObject::claim(std::uint64_t object, std::optional<Value> nonce,
                           std::optional<bool> needs_lease) {
  const core::ObjectId id{object};
  core::ReferencePtr reference = existing(id);
  const auto lease = nonce ? core::Nonce::from(nonce->bytes()) : std::nullopt;
  if (needs_lease.value_or(false) && !(lease && core_.leases.waits(*lease, id))) {
    throw StaleHandle("this handle is good for one use by its lease, which is spent or over");
  }
  // A lease that is spent or over makes this a plain claim.
  if (lease) core_.leases.end(*lease);
  return Value::of_reference(std::move(reference));
}

void ManagerObject::lease(Call& call, std::uint64_t object, const Value& value) {
  const core::Nonce nonce = nonce_of(value);
  const SessionNumber session = call.key().session;
  if (core_.leases.count_of(session) >= core_.limits.claim_leases) {
    throw Overloaded(fmt::format("{} handles of this client travel unclaimed, the limit",
                                 core_.limits.claim_leases));
  }
  if (!core_.leases.add(nonce, existing(core::ObjectId{object}), session,
                        core_.now + core_.limits.claim_lease)) {
    throw BadCall("this nonce is in use");
  }
}

bool ManagerObject::revoke(const Value& nonce) { return core_.leases.end(nonce_of(nonce)); }

void ManagerObject::drop(Call& call, const std::vector<Value>& counts) {
  auto& grants = core_.sessions.find(call.key().session)->grants;
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
