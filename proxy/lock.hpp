// Lock and RLock: mutual exclusion between processes that survives the death of an owner.
#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

#include <steward/proxy/proxy.hpp>

namespace steward {

// What becomes of a lock whose owner died with it: its process, or its session for a remote one.
// (A process that ends in order gives its locks back.)
enum class OwnerDeath : std::uint8_t {
  release = 0,  // the next one gets it and can ask previous_owner_died()
  abandon = 1,  // it stays locked, until anyone unlocks it: as in Python
  poison = 2,   // lock() throws Poisoned, until somebody vouches for what it guards by reset()
};

struct LockOptions {
  OwnerDeath on_owner_death = OwnerDeath::release;
};

namespace proxy {

// Readings of a grant, [token, previous_owner_died], which is noted as the calling thread's hold:
// an unlock need not wait for an answer then.
struct Locked {
  using Result = void;
  void operator()(const Reply& reply) const;
};
struct LockedInTime {  // false: not in time
  using Result = bool;
  bool operator()(const Reply& reply) const;
};
struct LockedIfFree {  // a list of none or one; false: none
  using Result = bool;
  bool operator()(const Reply& reply) const;
};

// The methods of Lock and RLock under a call policy. The owner is a thread: of all processes, this
// one. Waiters are served first come, first served. Locking throws Poisoned after the death of an
// owner under OwnerDeath::poison. Times: false, or TimeoutError with with_timeout, means that the
// lock was not taken.
template <class Calls>
class LockMethods : public Calls {
 public:
  template <class R>
  using Result = typename Calls::template Result<R>;

  // Waits. A Lock (not an RLock) that this thread holds already throws BadCall: it would wait for
  // itself.
  Result<void> lock() const { return this->read_as(Locked(), taking("lock")); }
  Result<bool> try_lock() const { return this->read_as(LockedIfFree(), taking("try_lock")); }
  template <class Rep, class Period>
  Result<bool> try_lock_for(std::chrono::duration<Rep, Period> wait) const {
    if (wait <= wait.zero()) return try_lock();
    return this->read_as(LockedInTime(), within(wait, taking("lock")));
  }
  template <class Clock, class Duration>
  Result<bool> try_lock_until(std::chrono::time_point<Clock, Duration> end) const {
    return try_lock_for(end - Clock::now());
  }
  // Throws NotOwner if this thread does not hold it. If it does, nothing is waited for.
  Result<void> unlock() const {
    if (this->let_go(changing("unlock"))) return this->ready();
    return this->template call<void>(changing("unlock"));
  }

  // Python's names. True: this thread has it.
  Result<bool> acquire() const { return this->read_as(LockedInTime(), taking("lock")); }
  template <class Rep, class Period>
  Result<bool> acquire(std::chrono::duration<Rep, Period> timeout) const {
    return try_lock_for(timeout);
  }
  Result<void> release() const { return unlock(); }

  // By whomever.
  Result<bool> locked() const { return this->template call<bool>(reading("locked")); }
  // A number that rises with every hold of any lock of this manager: written along with what the
  // lock guards, it tells a late write of a former owner (a fencing token). Of this thread's hold;
  // if it has none, of the lock's current or last one; 0: there was none yet.
  Result<std::uint64_t> token() const {
    const client::Session::Hold mine = this->hold(reading("token"));
    if (mine.depth > 0) return this->ready(mine.token);
    return this->template call<std::uint64_t>(reading("token"));
  }
  // Whether this thread got the lock because its owner before died: what it guards may be half
  // changed. No call.
  Result<bool> previous_owner_died() const {
    const client::Session::Hold mine = this->hold(reading("previous_owner_died"));
    return this->ready(mine.depth > 0 && mine.previous_owner_died);
  }
  // Ends a poisoning: the caller vouches for what the lock guards. Else does nothing.
  Result<void> reset() const { return this->template call<void>(changing("reset")); }

 protected:
  using Calls::Calls;
};

}  // namespace proxy

// A lock in a manager: `std::scoped_lock hold(lock);`
//
// A proxy: a value that stands for the lock and keeps it alive (see proxy::ProxyOf for what all
// proxies can do, proxy::LockMethods for the methods); copies of it are the same lock. Meets the
// TimedLockable requirements, also when const. Thread safety: that is what it is for.
class Lock : public proxy::ProxyOf<Lock, proxy::LockMethods> {
 public:
  static constexpr std::string_view kType = "lock";
};

// A lock that its owner may lock again, and unlocks as often. Otherwise as Lock.
class RLock : public proxy::ProxyOf<RLock, proxy::LockMethods> {
 public:
  static constexpr std::string_view kType = "rlock";
};

}  // namespace steward
