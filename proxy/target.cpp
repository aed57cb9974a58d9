#include <steward/proxy/target.hpp>

#include <chrono>
#include <new>
#include <tuple>
#include <typeinfo>

#include <fmt/format.h>

#include <steward/client/reference.hpp>
#include <steward/client/waiting.hpp>
#include <steward/core/errors.hpp>
#include <steward/core/interrupt.hpp>

namespace steward::detail::proxy {

core::ReferencePtr owned(core::ReferencePtr reference) {
  if (!reference) return nullptr;
  // Derived classes own; the base is a bare token.
  const core::Reference& pointee = *reference;
  if (typeid(pointee) != typeid(core::Reference)) return reference;
  const auto [when, deadline] = core::current_handle_codec().claiming();
  if (when == core::Claiming::When::soon || client::has_passed(deadline)) {
    return client::claimed_soon(pointee.token());
  }
  try {
    return client::open_token(pointee.token(), {}, deadline);
  } catch (const Interrupted&) {
    throw;
  } catch (const Error&) {
    // What came beside it is not to be lost because its manager is slow.
    if (!client::has_passed(deadline)) throw;
  }
  return client::claimed_soon(pointee.token());
}

std::string Target::name(const Method& method) const {
  const std::string object = reference_ ? core::describe(reference_->token()) : std::string(type_);
  return fmt::format("{}.{}", object, method.name);
}

TimeLimit Target::time_limit(const Method& method) const {
  const bool own = method.timed && !(timeout_ && (!method.wait || *timeout_ < *method.wait));
  return {own ? method.until : deadline(), own};
}

client::SessionPtr Target::session(const Method& method, const TimeLimit& limit) const {
  if (!reference_) throw StaleHandle(name(method) + ": the proxy is empty");
  try {
    const core::StopScope scope(method.stop);
    return client::session_of(reference_, limit.end);
  } catch (const Interrupted&) {
    core::throw_interrupted(name(method));
  } catch (const Disconnected&) {
    if (!client::has_passed(limit.end)) throw;
  } catch (const TimeoutError&) {
    if (!client::has_passed(limit.end)) throw;
  } catch (...) {
    fail(method);
  }
  if (!limit.own) throw timed_out(method);
  return nullptr;
}

std::optional<client::Result> Target::call(client::Session& session, const Method& method,
                                           const TimeLimit& limit, std::string_view arguments,
                                           client::Receipt& receipt) const {
  client::CallOptions options;
  options.effect = method.effect;
  options.deadline = limit.end;
  if (method.confirm) options.receipt = &receipt;
  options.parks = method.parks;
  options.object_type = reference_->token().type;
  options.stop = method.stop;
  std::optional<client::Result> reply = session.call(object(), method.name, arguments, options);
  if (!reply && !limit.own) throw timed_out(method);
  return reply;
}

TimeoutError Target::timed_out(const Method& method) const {
  const auto waited = std::chrono::duration<double>(timeout_.value_or(core::Duration{}));
  return TimeoutError(fmt::format("{}: not done within {} s", name(method), waited.count()));
}

void Target::fail(const Method& method) const {
  const auto named = [&](const std::exception& error) {
    const std::string prefix = name(method) + ": ";
    const std::string_view text = error.what();
    return text.starts_with(prefix) ? std::string(text) : prefix + std::string(text);
  };
  try {
    throw;
  } catch (const BadCall& error) {
    throw BadCall(named(error));
  } catch (const StaleHandle& error) {
    throw StaleHandle(named(error));
  } catch (const std::bad_alloc&) {
    throw Overloaded(name(method) + ": no memory is left for it");
  }
}

client::Session::Hold Target::hold(const Method& method) const {
  return session(method)->hold(object());
}

bool Target::let_go(const Method& method) const {
  return client::end_copied_hold(reference_) || session(method)->unlock(object());
}

bool same_object(const core::ReferencePtr& a, const core::ReferencePtr& b) {
  if (!a || !b) return a == b;
  return a->token().incarnation == b->token().incarnation &&
         a->token().object == b->token().object;
}

bool before(const core::ReferencePtr& a, const core::ReferencePtr& b) {
  if (!a || !b) return !a && b;
  const core::Token& first = a->token();
  const core::Token& second = b->token();
  return std::tie(first.incarnation, first.object) < std::tie(second.incarnation, second.object);
}

std::size_t hash_object(const core::ReferencePtr& reference) {
  if (!reference) return 0;
  const core::Token& token = reference->token();
  const std::size_t manager = std::hash<core::Incarnation>()(token.incarnation);
  // An odd factor spreads the small numbers of objects over all bits.
  return manager ^ (static_cast<std::size_t>(core::number(token.object)) * 0x9e3779b97f4a7c15U);
}

std::string representation(const core::ReferencePtr& reference, std::string_view type) {
  if (reference) return core::representation(reference->token());
  return fmt::format("<empty {} proxy>", type);
}

}  // namespace steward::detail::proxy
