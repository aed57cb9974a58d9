#include <steward/manager/server/classes/lock.hpp>

#include <string_view>
#include <utility>

#include <fmt/format.h>

#include <steward/core/errors.hpp>

namespace steward::detail::server {
namespace {

constexpr std::uint64_t kLockSaveVersion = 2;
constexpr const char* kPoisoned = "the last owner died holding the lock; reset() makes it usable";

OwnerDeath policy_of(std::uint64_t number) {
  if (number > static_cast<std::uint64_t>(OwnerDeath::poison)) {
    throw BadCall(fmt::format(
        "argument 1: there is no policy {}; 0 is release, 1 abandon, 2 poison", number));
  }
  return static_cast<OwnerDeath>(number);
}

void save_owner(Saver& out, const Owner& owner) {
  out.number(static_cast<std::uint64_t>(owner.session));
  out.number(owner.thread);
}

Owner load_owner(Loader& in) {
  const SessionNumber session{in.number()};
  return {session, in.number()};
}

std::vector<Method> lock_methods() {
  using L = LockObject;
  return {method<&L::lock>("lock"),     method<&L::try_lock>("try_lock"),
          method<&L::unlock>("unlock"), method<&L::locked>("locked"),
          method<&L::token>("token"),   method<&L::reset>("reset"),
          method<&L::ready>("ready"),   method<&L::wait_ready>("wait_ready"),
          method<&L::str>("str"),       method<&L::give_back>("give_back"),
          method<&L::owner_died>("owner_died")};
}

}  // namespace

LockObject::LockObject(Arguments& arguments, bool reentrant)
    : reentrant_(reentrant),
      policy_(policy_of(arguments.take<std::optional<std::uint64_t>>().value_or(0))) {}

LockObject::LockObject(Loader& in, bool reentrant) : reentrant_(reentrant) {
  in.version(kLockSaveVersion);
  policy_ = policy_of(in.number());
  const std::uint64_t state = in.number();
  if (state > static_cast<std::uint64_t>(State::poisoned)) Loader::damaged();
  state_ = static_cast<State>(state);
  token_ = in.number();
  death_to_tell_ = in.boolean();
  waiters_.load(in, [&] { return load_owner(in); });
  for (const auto& [id, owner] : waiters_) waits_by_owner_.emplace(owner, id);
  watchers_.load(in);
  if (state_ != State::held) return;
  owner_ = load_owner(in);
  depth_ = in.number();
  previous_owner_died_ = in.boolean();
  seen_ = in.boolean();
  in.each([&] { unconfirmed_.insert(in.key()); });
}

void LockObject::enter(State state) {
  state_ = state;
  ++changes_;
}

void LockObject::require_unpoisoned() const {
  if (state_ == State::poisoned) throw Poisoned(kPoisoned);
}

std::optional<Value> LockObject::grant(const Owner& owner, CallKey key, Context& context) {
  if (state_ == State::free) {
    enter(State::held);
    owner_ = owner;
    depth_ = 0;
    token_ = context.next_fencing_token();
    previous_owner_died_ = std::exchange(death_to_tell_, false);
    seen_ = false;
    context.own(owner.session);
  } else if (!reentrant_ || !held_by(owner)) {
    return std::nullopt;
  }
  ++depth_;
  unconfirmed_.insert(key);
  context.hand_over(key);
  Value::List hold;
  hold.emplace_back(token_);
  hold.emplace_back(previous_owner_died_);
  return Value(std::move(hold));
}

Outcome LockObject::lock(Call& call) {
  require_unpoisoned();
  if (auto granted = grant(call.owner(), call.key(), call)) return *std::move(granted);
  if (!reentrant_ && held_by(call.owner()) && !call.timed()) {
    throw BadCall("this thread holds the lock already, and would wait for itself");
  }
  waits_by_owner_.emplace(call.owner(), waiters_.park(call, call.owner()));
  return kParked;
}

std::optional<Value> LockObject::try_lock(Call& call) {
  require_unpoisoned();
  return grant(call.owner(), call.key(), call);
}

void LockObject::unlock(Call& call) {
  if (state_ == State::abandoned) return pass_on(call);
  if (state_ != State::held) throw NotOwner("the lock is not held");
  if (!held_by(call.owner())) throw NotOwner("the lock is held by somebody else");
  seen_ = true;
  if (--depth_ > 0) return;
  call.disown(owner_.session);
  pass_on(call);
}

void LockObject::give_back(Call& call) {
  if (held_by(call.owner()) && depth_ == 1) death_to_tell_ = previous_owner_died_;
  unlock(call);
}

void LockObject::pass_on(Context& context) {
  enter(State::free);
  unconfirmed_.clear();
  if (waiters_.empty()) return answer_all(watchers_, Value(), context);
  // The first waiter, and in a reentrant lock whatever else the same thread waits for: it must not
  // wait for itself.
  const Owner next = waiters_.first().second;
  auto wait = waits_by_owner_.lower_bound({next, ParkId{}});
  while (wait != waits_by_owner_.end() && wait->first == next) {
    const ParkId id = wait->second;
    auto granted = grant(next, context.caller_of(id), context);
    if (!granted) return;
    wait = waits_by_owner_.erase(wait);
    context.answer(id, *std::move(granted));
  }
}

void LockObject::reset() {
  if (state_ == State::poisoned) enter(State::free);
}

bool LockObject::ready(Call& call) {
  return state_ == State::free || state_ == State::poisoned ||
         (reentrant_ && held_by(call.owner()));
}

Outcome LockObject::wait_ready(Call& call) {
  if (ready(call)) return Value();
  watchers_.park(call);
  return kParked;
}

void LockObject::gave_up(ParkId parked, GaveUp, Context&) {
  if (const Owner* owner = waiters_.find(parked)) waits_by_owner_.erase({*owner, parked});
}

void LockObject::confirmed(CallKey key, Context&) {
  if (unconfirmed_.erase(key) > 0) seen_ = true;
}

void LockObject::returned(CallKey key, Context& context) {
  if (unconfirmed_.erase(key) == 0) return;  // that hold has ended already
  if (--depth_ > 0) return;
  context.disown(owner_.session);
  death_to_tell_ = untold_death();
  pass_on(context);
}

void LockObject::session_ended(SessionNumber session, Ending ending, Context& context) {
  if (state_ == State::held && owner_.session == session) {
    lose_owner(ending == Ending::died, context);
  }
}

void LockObject::owner_died(Call& call, std::uint64_t token) {
  if (!held_by(call.owner()) || token_ != token) return;
  call.disown(owner_.session);
  lose_owner(true, call);
}

void LockObject::lose_owner(bool died, Context& context) {
  death_to_tell_ = died || untold_death();
  if (policy_ == OwnerDeath::abandon) {
    enter(State::abandoned);
    unconfirmed_.clear();
  } else if (policy_ == OwnerDeath::poison && died) {
    enter(State::poisoned);
    death_to_tell_ = false;
    unconfirmed_.clear();
    waits_by_owner_.clear();
    while (!waiters_.empty()) {
      context.fail(waiters_.first().first, core::ErrorCode::poisoned, kPoisoned);
    }
    answer_all(watchers_, Value(), context);
  } else {
    pass_on(context);
  }
}

std::string LockObject::str(TextLimit limit) const {
  constexpr std::string_view names[] = {"unlocked", "locked", "abandoned", "poisoned"};
  return cut_text(fmt::format(R"({{"state": "{}", "token": {}, "waiting": {}}})",
                              names[static_cast<std::size_t>(state_)], token_, waiters_.size()),
                  limit);
}

void LockObject::save(Saver& out) const {
  out.number(kLockSaveVersion);
  out.number(static_cast<std::uint64_t>(policy_));
  out.number(static_cast<std::uint64_t>(state_));
  out.number(token_);
  out.writer().boolean(death_to_tell_);
  waiters_.save(out, [&](const Owner& owner) { save_owner(out, owner); });
  watchers_.save(out);
  if (state_ != State::held) return;
  save_owner(out, owner_);
  out.number(depth_);
  out.writer().boolean(previous_owner_died_);
  out.writer().boolean(seen_);
  out.each(unconfirmed_, [&](const CallKey& key) { out.key(key); });
}

Class lock_class() {
  return {"lock", create<PlainLockObject>, lock_methods(), load<PlainLockObject>};
}
Class rlock_class() {
  return {"rlock", create<RLockObject>, lock_methods(), load<RLockObject>};
}

}  // namespace steward::detail::server
