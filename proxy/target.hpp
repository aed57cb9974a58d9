// Target: the base of every proxy. A reference, perhaps a timeout, and the one call that all
// methods of all proxies go through: bytes in, bytes out.
#pragma once

#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>

#include <steward/client/session.hpp>
#include <steward/core/clock.hpp>
#include <steward/core/errors.hpp>
#include <steward/core/token.hpp>

namespace steward::detail::proxy {

// A method as it is called: its name on the wire and what it does to the object.
struct Method {
  std::string_view name;
  client::Effect effect = client::Effect::change;
  bool confirm = false;  // the manager keeps the result until it is told that it can be used
  bool parks = false;    // the manager may let it wait for what others do
  bool timed = false;    // a timed form: not done by `until` is a result, not an error
  core::Deadline until = std::nullopt;
  std::optional<core::Duration> wait = std::nullopt;  // how long that was when it began
  std::stop_token stop = {};
};

// When a call must end, and what that means.
struct TimeLimit {
  core::Deadline end;
  bool own = false;  // a timed form's own time is over then: a result, and no error
};

inline Method reading(std::string_view name) { return {name, client::Effect::read}; }
inline Method changing(std::string_view name) { return {name, client::Effect::change}; }
// Hands something over, when there is something.
inline Method taking(std::string_view name) { return {name, client::Effect::take, true, true}; }
// Hands something over if there is something now.
inline Method trying(std::string_view name) { return {name, client::Effect::take, true}; }
// Puts something in, when there is room.
inline Method offering(std::string_view name) {
  return {name, client::Effect::offer, false, true};
}
inline Method waiting(Method method) {
  method.parks = true;
  return method;
}

// The method, whose wait ends with Interrupted once a stop is requested.
inline Method until_stopped(std::stop_token stop, Method method) {
  method.stop = std::move(stop);
  return method;
}

// The timed form of a method that takes or offers. The duration starts now.
template <class Rep, class Period>
Method within(std::chrono::duration<Rep, Period> wait, Method method) {
  method.timed = true;
  method.until = core::deadline_after(wait);
  if (method.until) method.wait = std::chrono::ceil<core::Duration>(wait);
  return method;
}

// This reference, or one that this process owns for its object: what came from another process of
// the program, as a plain token, is claimed at once or soon, since its sender may let go of it (see
// core::Claiming). (A handle that a manager or a stranger has said is claimed at its first use: see
// client::unclaimed.) Throws StaleHandle, Disconnected.
core::ReferencePtr owned(core::ReferencePtr reference);

// A value. Thread safety: as std::shared_ptr; calls may be made from any thread.
// Ownership: the reference keeps the object alive; a copy shares it.
class Target {
 public:
  // Null for an empty proxy.
  const core::ReferencePtr& reference() const { return reference_; }

 protected:
  // An empty target that will refer to objects of this type (of static storage).
  explicit Target(std::string_view type) : type_(type) {}

  // Refers to this object from now on; see owned(). If it throws nothing has changed.
  void refer_to(core::ReferencePtr reference) { reference_ = owned(std::move(reference)); }

  // Every call from now on ends at the latest that long after it began.
  template <class Rep, class Period>
  void set_timeout(std::chrono::duration<Rep, Period> timeout) {
    timeout_ = core::deadline_after(timeout)
                   ? std::optional(std::chrono::ceil<core::Duration>(timeout))
                   : std::nullopt;
  }

  // When a call that begins now must end.
  core::Deadline deadline() const {
    return timeout_ ? core::deadline_after(*timeout_) : std::nullopt;
  }

  // Likewise, be it for the timeout or the method's own time: the shorter one counts, whichever
  // clock was read first.
  TimeLimit time_limit(const Method& method) const;

  // The call under all proxies. `arguments` is a MessagePack array, encoded under session.codec().
  // nullopt: a timed form was not done in its own time. What a method takes is the caller's once he
  // keeps the receipt. Throws as client::Session::call.
  std::optional<client::Result> call(client::Session& session, const Method& method,
                                     const TimeLimit& limit, std::string_view arguments,
                                     client::Receipt& receipt) const;

  // The session that calls go through. nullptr: a timed form's own time was over before there was
  // one. Throws StaleHandle if the proxy is empty or its object is gone, Disconnected,
  // TimeoutError.
  client::SessionPtr session(const Method& method) const {
    return session(method, time_limit(method));
  }
  client::SessionPtr session(const Method& method, const TimeLimit& limit) const;

  // "list#3.pop": how error texts name a call.
  std::string name(const Method& method) const;

  // Rethrows what is being handled, the name of the call in front if it is an error of packing or
  // unpacking.
  [[noreturn]] void fail(const Method& method) const;

  // What a call throws that was not done within the timeout of this copy.
  TimeoutError timed_out(const Method& method) const;

  // The calling thread's hold of this lock, as this process has noted it.
  client::Session::Hold hold(const Method& method) const;
  // If the calling thread holds it, or did until its session was lost or its process was forked:
  // unlocks without waiting for an answer, and returns true.
  bool let_go(const Method& method) const;

  core::ObjectId object() const { return reference_->token().object; }

 private:
  std::string_view type_;
  core::ReferencePtr reference_;
  std::optional<core::Duration> timeout_;  // takes no part in comparison, hash and packing
};

// Whether two references are to one object.
bool same_object(const core::ReferencePtr& a, const core::ReferencePtr& b);
// One order of all objects of all managers, the same in every process.
bool before(const core::ReferencePtr& a, const core::ReferencePtr& b);
std::size_t hash_object(const core::ReferencePtr& reference);

// <ListProxy object, typeid 'list' at 0x3>; `type` names an empty one.
std::string representation(const core::ReferencePtr& reference, std::string_view type);

}  // namespace steward::detail::proxy
