// Lock and RLock: mutual exclusion between processes that survives the death of an owner.
#pragma once

#include <array>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <mutex>
#include <span>
#include <stop_token>
#include <string_view>
#include <type_traits>
#include <utility>

#include <steward/proxy/proxy.hpp>

namespace steward {

// What becomes of a lock whose owner died with it: its process, its session for a remote one, or
// its thread alone, which ended without unlocking it. (The end of a program is the end of its
// process, whatever its threads hold.)
enum class OwnerDeath : std::uint8_t {
  release = 0,  // the next one gets it and can ask previous_owner_died()
  // It stays locked, until anyone unlocks it: much as in Python. Also if its process ended in
  // order, in which case the other two give the lock to the next one without further ado.
  abandon = 1,
  poison = 2,  // lock() throws Poisoned, until somebody vouches for what it guards by reset()
};

struct LockOptions {
  OwnerDeath on_owner_death = OwnerDeath::release;
};

namespace detail::proxy {

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

class SeveralLocks;

// The methods of Lock and RLock under a call policy. The owner is the calling thread of this
// process, whichever proxy it uses: also one that was made after the proxy that locked is gone.
// Waiters are served first come, first served. Locking throws Poisoned after the death of an owner
// under OwnerDeath::poison. Times: false, or TimeoutError with with_timeout, means that the lock
// was not taken. Who waits with a std::stop_token gets Interrupted once a stop is requested, before
// or during the wait: then it was not taken either.
template <class Calls>
class LockMethods : public Calls {
  friend class SeveralLocks;

 public:
  template <class R>
  using Result = typename Calls::template Result<R>;

  // Waits. A Lock (not an RLock) that this thread holds already throws BadCall: it would wait for
  // itself.
  Result<void> lock(std::stop_token stop = {}) const {
    return this->read_as(Locked(), until_stopped(std::move(stop), taking("lock")));
  }
  // The trying and timed forms say false if the lock was not free (in time), also if this thread
  // itself holds it and it is no RLock. They throw Poisoned as lock() does.
  Result<bool> try_lock() const { return this->read_as(LockedIfFree(), trying("try_lock")); }
  template <class Rep, class Period>
  Result<bool> try_lock_for(std::chrono::duration<Rep, Period> wait,
                            std::stop_token stop = {}) const {
    if (wait <= wait.zero()) {
      return this->read_as(LockedIfFree(), until_stopped(std::move(stop), trying("try_lock")));
    }
    return this->read_as(LockedInTime(),
                         within(wait, until_stopped(std::move(stop), taking("lock"))));
  }
  // The time left counts when the call begins: a clock that is set meanwhile changes nothing.
  template <class Clock, class Duration>
  Result<bool> try_lock_until(std::chrono::time_point<Clock, Duration> end,
                              std::stop_token stop = {}) const {
    return try_lock_for(end - Clock::now(), std::move(stop));
  }
  // If this thread holds it: waits for nothing, and throws nothing, whatever has become of the
  // manager, so that std::scoped_lock is safe. A hold that was lost with its session (the manager
  // ended, a lease ran out) is over: its unlock does nothing, and the next other call of this
  // thread throws Disconnected. In a child of a plain fork() the holds are the parent's, which goes
  // on holding them: an unlock of one does nothing there. Throws NotOwner if this thread never held
  // it.
  Result<void> unlock() const {
    if (this->let_go(changing("unlock"))) return this->ready();
    return this->template call<void>(changing("unlock"));
  }

  // Python's names. True: this thread has it.
  Result<bool> acquire(std::stop_token stop = {}) const {
    return this->read_as(LockedInTime(), until_stopped(std::move(stop), taking("lock")));
  }
  template <class Rep, class Period>
  Result<bool> acquire(std::chrono::duration<Rep, Period> timeout,
                       std::stop_token stop = {}) const {
    return try_lock_for(timeout, std::move(stop));
  }
  Result<void> release() const { return unlock(); }

  // Whether any thread holds it.
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

}  // namespace detail::proxy

// A lock in a manager: `std::scoped_lock hold(lock);`, and for several `std::scoped_lock hold(a,
// b);`, in whatever order (see below; std::lock does not know it).
//
// A proxy: a value that stands for the lock and keeps it alive (see detail::proxy::ProxyOf for what
// all proxies can do, detail::proxy::LockMethods for the methods); copies of it are the same lock.
// Meets the TimedLockable requirements, also when const. Thread safety: that is what it is for.
class Lock : public detail::proxy::ProxyOf<Lock, detail::proxy::LockMethods> {
 public:
  static constexpr std::string_view kType = "lock";
};

// A lock that its owner may lock again, and unlocks as often. Otherwise as Lock.
class RLock : public detail::proxy::ProxyOf<RLock, detail::proxy::LockMethods> {
 public:
  static constexpr std::string_view kType = "rlock";
};

namespace detail::proxy {

using AnyLock = LockMethods<Blocking>;

template <class T>
concept LockProxy = std::derived_from<std::remove_cv_t<T>, AnyLock>;

// Locks all of them, in an order that is the same for everybody, and sorts `locks` into that order.
// Never waits without end while it holds one of them. Throws as lock() does, and holds none of them
// then; a Lock that is given twice, or that this thread has already, is BadCall. Of copies
// with_timeout the shortest time holds for all together.
void lock_all(std::span<const AnyLock*> locks);
// Unlocks all of them, each one even if another fails. Unlocking can fail only for a lock that this
// thread does not hold; that error is dropped.
void unlock_all(std::span<const AnyLock* const> locks) noexcept;

}  // namespace detail::proxy
}  // namespace steward

// Several locks at once, without a deadlock, whatever else this thread or others hold, as far as
// std::mutex has none. The general std::scoped_lock takes one, tries the next, and lets go of both
// if that is busy: between processes, where a lock goes straight to the next in line, two that do
// so in opposite orders may go on for ever. This one waits for one lock after the other, in an
// order that all share. Who waits for a further one for more than a moment (20 ms at first) lets go
// of all, waits its turn for that one with empty hands, and takes the others if they are free just
// then; if not it lets go of it and begins again, with more patience than that turn has taken. So a
// lock may change hands some times before its scoped_lock is made. If there is another mutex among
// them (std::mutex), std::scoped_lock is the general one.
template <steward::detail::proxy::LockProxy First, steward::detail::proxy::LockProxy Second,
          steward::detail::proxy::LockProxy... Rest>
class std::scoped_lock<First, Second, Rest...> {
 public:
  explicit scoped_lock(First& first, Second& second, Rest&... rest)
      : locks_{&first, &second, &rest...} {
    steward::detail::proxy::lock_all(locks_);
  }
  // This thread holds them already. (One that it does not hold stays as it is.)
  explicit scoped_lock(std::adopt_lock_t, First& first, Second& second, Rest&... rest)
      : locks_{&first, &second, &rest...} {}
  scoped_lock(const scoped_lock&) = delete;
  scoped_lock& operator=(const scoped_lock&) = delete;
  ~scoped_lock() { steward::detail::proxy::unlock_all(locks_); }

 private:
  std::array<const steward::detail::proxy::AnyLock*, 2 + sizeof...(Rest)> locks_;
};
