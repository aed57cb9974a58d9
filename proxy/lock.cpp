#include <steward/proxy/lock.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>

#include <steward/core/errors.hpp>
#include <steward/proxy/take_several.hpp>

namespace steward::detail::proxy {
namespace {

// Every grant is the server's, those of an RLock's nested locks too: it counts them, so that there
// is one truth whatever policy a lock and its unlock came by. The session only counts how many
// unlocks are certainly this thread's.
void note(const Reply& reply, std::string_view grant) {
  const auto [token, died] = PairOf<As<std::uint64_t>, As<bool>>::read(grant);
  reply.session->note_grant(reply.object, token, died, reply.granted_by);
}

}  // namespace

// Several locks for TakeSeveral. The time of the copy with the shortest timeout holds for all, from
// now on.
class SeveralLocks {
 public:
  explicit SeveralLocks(std::span<const AnyLock* const> locks) : locks_(locks) {
    for (const AnyLock* lock : locks) {
      const core::Deadline end = lock->deadline();
      if (!end || (end_ && *end_ <= *end)) continue;
      end_ = end;
      ends_first_ = lock;
    }
  }

  std::size_t size() const { return locks_.size(); }
  static core::Time now() { return std::chrono::steady_clock::now(); }

  void take(std::size_t i) const {
    if (!try_until(*locks_[i], end_)) throw ends_first_->timed_out(locking());
  }
  bool take_until(std::size_t i, core::Time time) const {
    if (!end_ || time < *end_) return try_until(*locks_[i], time);
    take(i);
    return true;
  }
  bool try_take(std::size_t i) const { return locks_[i]->try_lock(); }

  // Whoever has it next must hear of the death that this thread was told of.
  void give_back(std::size_t i) const {
    const AnyLock& lock = *locks_[i];
    if (!lock.previous_owner_died()) return lock.unlock();
    const client::SessionPtr session = lock.session(locking());
    session->post(lock.object(), "give_back", core::kNoArguments);
    session->note_unlock(lock.object());
  }

 private:
  static Method locking() { return taking("lock"); }

  // One that this thread has already is never waited for, also not for the time of its timeout.
  static bool try_until(const AnyLock& lock, core::Deadline end) {
    if (lock.hold(locking()).depth == 0) {
      if (end) return lock.try_lock_until(*end);
      lock.lock();
    } else if (!lock.try_lock()) {
      throw BadCall(lock.name(locking()) +
                    ": this thread holds the lock already, and would wait for itself");
    }
    return true;
  }

  const std::span<const AnyLock* const> locks_;
  core::Deadline end_;
  const AnyLock* ends_first_ = nullptr;
};

void Locked::operator()(const Reply& reply) const { note(reply, reply.result); }

bool LockedInTime::operator()(const Reply& reply) const {
  if (!reply.done) return false;
  note(reply, reply.result);
  return true;
}

bool LockedIfFree::operator()(const Reply& reply) const {
  impl::Elements grants(reply.result);
  if (grants.left() == 0) return false;
  note(reply, grants.next());
  return true;
}

void lock_all(std::span<const AnyLock*> locks) {
  std::ranges::sort(locks, [](const AnyLock* a, const AnyLock* b) {
    return before(a->reference(), b->reference());
  });
  SeveralLocks several(locks);
  TakeSeveral(several).run();
}

void unlock_all(std::span<const AnyLock* const> locks) noexcept {
  static_cast<void>(each_from_the_last(locks, [](const AnyLock* lock) { lock->unlock(); }));
}

}  // namespace steward::detail::proxy
