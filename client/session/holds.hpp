// Holds: the locks that threads of this process hold through one session. It makes an unlock
// possible that need not wait for an answer, and one that cannot fail: a hold that was lost with
// its session is remembered, so that its unlock is told from that of a thread that never held it.
//
// A hold is remembered until it is unlocked or lost, with proxies of its lock or without: the lock
// may have a name, or others may have it, and a later proxy is for the same hold. Mostly, though, a
// lock goes with its last proxy, and nobody says so here: of the holds without a proxy only the
// latest 1,000 are remembered. An unlock of an older one is a call like any other.
// A hold that was lost is remembered until it is unlocked, or the last proxy of the lock in this
// process is gone. Thread safety: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <iterator>
#include <map>
#include <optional>
#include <utility>

#include <steward/client/session.hpp>
#include <steward/core/ids.hpp>
#include <steward/core/wire.hpp>

namespace steward::detail::client {

class Holds {
 public:
  using Thread = core::ThreadNumber;

  // Depth 0: the thread does not hold the lock.
  Session::Hold find(core::ObjectId lock, Thread thread) const;
  // The manager has given it to the thread, perhaps once more.
  void granted(core::ObjectId lock, Thread thread, std::uint64_t token, bool previous_owner_died);

  // Likewise, but in a session that is over.
  void granted_before(core::ObjectId lock, Thread thread) { ++entries_[{lock, thread}].lost; }

  enum class Ended : std::uint8_t {
    held,   // the manager must be told
    lost,   // it was over already
    never,  // this thread has no hold here
  };
  // The thread gives back one hold: the latest, which is never a lost one while there is another.
  Ended unlock(core::ObjectId lock, Thread thread);

  // The thread has ended. Takes one of its holds away, until none is left; nullopt: none that the
  // manager must be told of.
  struct Left {
    core::ObjectId lock;
    std::uint64_t token = 0;
  };
  std::optional<Left> take_left(Thread thread);

  // One lock of each thread that holds any.
  std::map<Thread, core::ObjectId> holders() const;
  // The session is over, and all holds with it. Remembers those of locks for which `usable` says
  // true: somebody may still unlock them.
  template <class F>
  void lose(F usable) noexcept {
    without_proxy_.clear();
    for (auto entry = entries_.begin(); entry != entries_.end();) {
      Entry& hold = entry->second;
      hold.lost += std::exchange(hold.current, {}).depth;
      entry = usable(entry->first.first) ? std::next(entry) : entries_.erase(entry);
    }
  }
  // No proxy of this lock is left: its lost holds are forgotten.
  void last_proxy_gone(core::ObjectId lock);
  // There is a proxy again.
  void proxy_made(core::ObjectId lock) { std::erase(without_proxy_, lock); }

  static constexpr std::size_t kWithoutProxyMax = 1000;

 private:
  struct Entry {
    Session::Hold current;
    std::uint64_t lost = 0;  // how many unlocks of lost holds are still to come
  };

  // Of one lock.
  template <class F>
  void erase_if(core::ObjectId lock, F wanted) {
    auto entry = entries_.lower_bound({lock, Thread{}});
    while (entry != entries_.end() && entry->first.first == lock) {
      entry = wanted(entry->second) ? entries_.erase(entry) : std::next(entry);
    }
  }

  std::map<std::pair<core::ObjectId, Thread>, Entry> entries_;
  std::deque<core::ObjectId> without_proxy_;  // locks that are held; the oldest first
};

}  // namespace steward::detail::client
