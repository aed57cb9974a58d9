// The classes `lock` and `rlock`: locks that survive their owners.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include <steward/core/value.hpp>
#include <steward/manager/server/class.hpp>
#include <steward/manager/server/classes/texts.hpp>
#include <steward/manager/server/waiters.hpp>

namespace steward::detail::server {

// What becomes of a lock whose owner died: its session, or its thread alone.
enum class OwnerDeath : std::uint8_t {
  release = 0,  // it goes to the next waiter, who is told
  abandon = 1,  // it stays locked, and anyone may unlock it
  poison = 2,   // who waits or comes gets Poisoned, until reset()
};

// An owner is a thread of a session. Waiters are served first come, first served. Each hold has a
// token that rises over all locks of the manager, so that a resource can refuse a former owner.
//
// A grant counts as seen once the client has confirmed it or has unlocked. One that comes back
// (its taker cancelled, or never got it) is undone as if it had not been given; its token is spent.
//
// Watchers wait until lock() would not, and take nothing: any number of them is told at once.
//
// Invariants, whenever no method runs: 1. somebody waits or watches only while it is held or
// abandoned; 2. the owner's session owns something here (Context::own) exactly while it is held.
class LockObject : public Object {
 public:
  // [token, previous_owner_died]. The latter is told to the next owner only, in all of its grants.
  Outcome lock(Call& call);
  std::optional<Value> try_lock(Call& call);
  void unlock(Call& call);
  // By an owner who has done nothing with what the lock guards: the next one is told what he was.
  void give_back(Call& call);
  // The caller's thread has ended, and with it the hold with this token, unless it was over before.
  void owner_died(Call& call, std::uint64_t token);
  // Ends a poisoning; else nothing. Whoever calls it vouches for what the lock guards: the next
  // owner is not told of the death any more.
  void reset();
  // Whether lock() would not wait: it is free, or poisoned, or (reentrant) the caller's own.
  bool ready(Call& call);
  Outcome wait_ready(Call& call);

  bool locked() const { return state_ == State::held || state_ == State::abandoned; }
  // Of the current hold, else of the last; 0: there was none yet.
  std::uint64_t token() const { return token_; }
  std::string str(TextLimit limit) const;

  std::uint64_t changes() const override { return changes_; }
  void save(Saver& out) const override;
  void gave_up(ParkId parked, GaveUp why, Context& context) override;
  void confirmed(CallKey key, Context& context) override;
  void returned(CallKey key, Context& context) override;
  void session_ended(SessionNumber session, Ending ending, Context& context) override;

 protected:
  // [policy], or nothing. Reentrant: the owner may lock again, and unlocks as often.
  LockObject(Arguments& arguments, bool reentrant);
  LockObject(Loader& in, bool reentrant);

 private:
  enum class State : std::uint8_t { free = 0, held = 1, abandoned = 2, poisoned = 3 };

  bool held_by(const Owner& owner) const { return state_ == State::held && owner_ == owner; }
  void require_unpoisoned() const;
  // nullopt: somebody has it.
  std::optional<Value> grant(const Owner& owner, CallKey key, Context& context);
  void enter(State state);
  // The lock is nobody's now: the first waiter gets it.
  void pass_on(Context& context);
  // The owner will never unlock it. REQUIRES: it is held, and by nobody's session any more.
  void lose_owner(bool died, Context& context);
  // What the next owner is told if the current hold ends by other than its owner's death.
  bool untold_death() const { return previous_owner_died_ && !seen_; }

  const bool reentrant_;
  OwnerDeath policy_ = OwnerDeath::release;
  State state_ = State::free;
  std::uint64_t changes_ = 0;
  std::uint64_t token_ = 0;
  bool death_to_tell_ = false;  // to the next owner
  Waiters<Owner> waiters_{*this};
  std::set<std::pair<Owner, ParkId>> waits_by_owner_;  // the same
  Waiters<> watchers_{*this};

  // Of the current hold.
  Owner owner_;
  std::uint64_t depth_ = 0;  // how often it is locked
  bool previous_owner_died_ = false;
  bool seen_ = false;  // whether the owner knows that it is one
  std::set<CallKey> unconfirmed_;
};

class PlainLockObject final : public LockObject {
 public:
  PlainLockObject(const Environment&, Arguments& arguments) : LockObject(arguments, false) {}
  PlainLockObject(const Environment&, Loader& in) : LockObject(in, false) {}
};

class RLockObject final : public LockObject {
 public:
  RLockObject(const Environment&, Arguments& arguments) : LockObject(arguments, true) {}
  RLockObject(const Environment&, Loader& in) : LockObject(in, true) {}
};

Class lock_class();
Class rlock_class();

}  // namespace steward::detail::server
