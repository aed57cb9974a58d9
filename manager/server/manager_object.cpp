// The manager object, number 0: makes, names, finds and counts the others.
#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include <steward/core/errors.hpp>
#include <steward/manager/server/core_impl.hpp>

namespace steward::detail::server {
namespace {

using Impl = Core::Impl;

core::Nonce take_nonce(Arguments& arguments) {
  const auto nonce = core::Nonce::from(arguments.take<Value>().bytes());
  if (!nonce) throw BadCall("a nonce must be 16 bytes");
  return *nonce;
}

core::ReferencePtr existing(const Impl& core, core::ObjectId id) {
  if (core::ReferencePtr reference = core.objects.reference(id)) return reference;
  throw StaleHandle(fmt::format("object #{} no longer exists", core::number(id)));
}

BadCall no_class(const Registry& registry, std::string_view name) {
  std::string known;
  for (const auto& type : registry.classes()) {
    known += fmt::format("{}{}", known.empty() ? "" : ", ", type->name);
  }
  return BadCall(fmt::format("there is no class '{}': there are {}", name, known));
}

// Opens the object of this name, or makes it.
Value create(Impl& core, Session&, Arguments& arguments) {
  const auto type_name = arguments.take<std::string_view>();
  const auto name = arguments.take<std::optional<std::string>>();
  Arguments init = arguments.take_arguments();
  arguments.finish();
  if (name && (name->empty() || name->size() > core.limits.name_bytes)) {
    throw BadCall(fmt::format("an object's name has 1 to {} bytes, not {}", core.limits.name_bytes,
                              name->size()));
  }
  if (name) {
    if (const auto found = core.names.find(*name); found != core.names.end()) {
      const core::Token& token = found->second->token();
      if (token.type == type_name) return Value::of_reference(found->second);
      throw BadCall(fmt::format("'{}' is a {}, not a {}", *name, token.type, type_name));
    }
  }
  const Class* type = core.registry.find(type_name);
  if (type == nullptr) throw no_class(core.registry, type_name);
  if (core.objects.size() >= core.limits.objects) {
    throw Overloaded(fmt::format("{} objects exist, the limit", core.objects.size()));
  }
  std::unique_ptr<Object> object = type->create(core.environment, init);
  core.require_room(kObjectBytes + object->bytes());
  core::ReferencePtr reference = core.objects.add(*type, std::move(object));
  if (name) core.names.emplace(*name, reference);
  return Value::of_reference(std::move(reference));
}

// Who has the object by this lease may say so again: he has merely read the handle twice, or two of
// his threads are at it, or he did not get the answer in time.
Value claim(Impl& core, Session& session, Arguments& arguments) {
  const core::ObjectId id{arguments.take<std::uint64_t>()};
  core::ReferencePtr reference = existing(core, id);
  std::optional<core::Nonce> lease;
  if (const auto nonce = arguments.take<std::optional<Value>>()) {
    lease = core::Nonce::from(nonce->bytes());
  }
  const bool needs_lease = arguments.take<std::optional<bool>>().value_or(false);
  arguments.finish();
  const bool good = lease && (core.leases.waits(*lease, id) || session.has_by(id, *lease));
  if (needs_lease && !good) {
    throw StaleHandle("this handle is good for one client by its lease, which is spent or over");
  }
  if (needs_lease) session.spend(id, *lease);
  // A lease that is spent or over makes this a plain claim.
  if (lease) core.end_lease(session, *lease);
  return Value::of_reference(std::move(reference));
}

Value lease(Impl& core, Session& session, Arguments& arguments) {
  const core::ObjectId id{arguments.take<std::uint64_t>()};
  const core::Nonce nonce = take_nonce(arguments);
  arguments.finish();
  if (core.leases.count_of(session.number) >= core.limits.claim_leases) {
    throw Overloaded(fmt::format("{} handles of this client travel unclaimed, the limit",
                                 core.limits.claim_leases));
  }
  if (!core.leases.add({nonce, existing(core, id), session.number,
                        core.now + core.limits.claim_lease})) {
    throw BadCall("this nonce is in use");
  }
  return {};
}

Value revoke(Impl& core, Session&, Arguments& arguments) {
  const core::Nonce nonce = take_nonce(arguments);
  arguments.finish();
  return core.leases.take(nonce).has_value();
}

Value drop(Impl&, Session& session, Arguments& arguments) {
  for (const Value& item : arguments.take<std::vector<Value>>()) {
    const Value::List& pair = item.list();
    if (pair.size() != 2) throw BadCall("expected pairs of object and count");
    const auto grant = session.grants.find(core::ObjectId{pair[0].natural()});
    const std::uint64_t count = pair[1].natural();
    if (grant == session.grants.end()) continue;
    if (grant->second.count > count) {
      grant->second.count -= count;
    } else {
      session.grants.erase(grant);
    }
  }
  arguments.finish();
  return {};
}

Value remove(Impl& core, Session&, Arguments& arguments) {
  const auto name = arguments.take<std::string_view>();
  arguments.finish();
  const auto found = core.names.find(name);
  if (found == core.names.end()) return false;
  core.names.erase(found);
  return true;
}

// The object of this name, a list of none or one.
Value find(Impl& core, Session&, Arguments& arguments) {
  const auto name = arguments.take<std::string_view>();
  arguments.finish();
  Value::List found;
  if (const auto named = core.names.find(name); named != core.names.end()) {
    found.push_back(Value::of_reference(named->second));
  }
  return found;
}

// In the order of the alphabet.
Value names(Impl& core, Session&, Arguments& arguments) {
  arguments.finish();
  Value::List all;
  for (const auto& [name, reference] : core.names) {
    all.emplace_back(Value::List{Value(name), Value::of_reference(reference)});
  }
  return all;
}

Value number_of_objects(Impl& core, Session&, Arguments& arguments) {
  arguments.finish();
  return core.objects.size();
}

Value objects(Impl& core, Session&, Arguments& arguments) {
  arguments.finish();
  Value::List handles;
  for (const core::ObjectId id : core.objects.ids()) {
    if (auto reference = core.objects.reference(id)) {
      handles.push_back(Value::of_reference(std::move(reference)));
    }
  }
  return handles;
}

Value debug_info(Impl& core, Session&, Arguments& arguments) {
  arguments.finish();
  std::string text =
      fmt::format("{} objects of {} bytes, {} sessions, {} parked calls\n", core.objects.size(),
                  core.objects.bytes(), core.sessions.size(), core.parked.size());
  for (const core::ObjectId id : core.objects.ids()) {
    const ObjectTable::Entry& entry = *core.objects.find(id);
    fmt::format_to(std::back_inserter(text), "  {}#{}: {} references, version {}, {} waiting\n",
                   entry.type->name, core::number(id), entry.reference.use_count(), entry.version,
                   entry.object->waiting().size());
  }
  for (const auto& [name, reference] : core.names) {
    fmt::format_to(std::back_inserter(text), "  '{}' is {}\n", name,
                   core::describe(reference->token()));
  }
  for (const auto& [number, session] : core.sessions.all()) {
    fmt::format_to(std::back_inserter(text),
                   "  session {}: {} references, {} parked, {} unconfirmed, {} stored replies\n",
                   static_cast<std::uint64_t>(number), session.grants.size(),
                   session.parked.size(), session.unconfirmed.size(), session.replies.size());
  }
  return text;
}

// Comes here with wrong arguments, or when nobody waits: Impl::ask_statistics has not taken it.
Value stat(Impl&, Session&, Arguments& arguments) {
  arguments.finish();
  return {};
}

Value shutdown(Impl& core, Session&, Arguments& arguments) {
  arguments.finish();
  core.outputs->shutdown = true;
  return {};
}

struct ManagerMethod {
  std::string_view name;
  Value (*serve)(Impl&, Session&, Arguments&);
};

constexpr std::array kMethods{
    ManagerMethod{"create", create},   ManagerMethod{"claim", claim},
    ManagerMethod{"lease", lease},     ManagerMethod{"revoke", revoke},
    ManagerMethod{"drop", drop},       ManagerMethod{"remove", remove},
    ManagerMethod{"objects", objects}, ManagerMethod{"number_of_objects", number_of_objects},
    ManagerMethod{"shutdown", shutdown}, ManagerMethod{"debug_info", debug_info},
    ManagerMethod{"find", find},       ManagerMethod{"names", names},
    ManagerMethod{Impl::kStatistics, stat},
};

}  // namespace

std::vector<std::string_view> Core::manager_methods() {
  std::vector<std::string_view> names;
  for (const ManagerMethod& method : kMethods) names.push_back(method.name);
  return names;
}

std::optional<MethodNumber> Core::Impl::manager_method(std::string_view name) const {
  const auto found = std::ranges::find(kMethods, name, &ManagerMethod::name);
  if (found == kMethods.end()) return std::nullopt;
  const auto place = static_cast<std::size_t>(found - kMethods.begin());
  return MethodNumber{static_cast<std::uint32_t>(registry.number_of_methods() + place)};
}

Value Core::Impl::serve_manager(Session& session, std::string_view method, Arguments& arguments,
                                std::optional<MethodNumber>& number) {
  const auto found = std::ranges::find(kMethods, method, &ManagerMethod::name);
  if (found == kMethods.end()) throw BadCall("the manager has no such method");
  number = manager_method(method);
  return found->serve(*this, session, arguments);
}

}  // namespace steward::detail::server
