#include <steward/proxy/lock.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>

namespace steward::proxy {
namespace {

// Every grant is the server's, those of an RLock's nested locks too: it counts them, so that there
// is one truth whatever policy a lock and its unlock came by. The session only counts how many
// unlocks are certainly this thread's.
void note(const Reply& reply, std::string_view grant) {
  const auto [token, died] = PairOf<As<std::uint64_t>, As<bool>>::read(grant);
  reply.session.note_grant(reply.object, token, died);
}

}  // namespace

// Takes several locks, which stand in the order that all share. Only the first is waited for
// without end; the others while the patience lasts, for somebody may have one of them who waits for
// one of ours.
class SeveralLocks {
 public:
  // The time of the copy with the shortest timeout holds for all, from now on.
  explicit SeveralLocks(std::span<const AnyLock* const> locks) : locks_(locks) {
    for (const AnyLock* lock : locks) {
      const core::Deadline end = lock->deadline();
      if (!end || (end_ && *end_ <= *end)) continue;
      end_ = end;
      ends_first_ = lock;
    }
  }

  void take() const {
    // What a round waits for in vain is at most what went before: it ends, however long the queues.
    for (auto patience = kPatience;; patience *= 2) {
      const AnyLock* busy = try_all(patience);
      if (busy == nullptr) return;
      // Waits its turn with empty hands.
      take_by(*busy, end_);
      give_back(*busy);
    }
  }

 private:
  static constexpr Method kLocking = taking("lock");
  static constexpr core::Duration kPatience = std::chrono::milliseconds{20};

  // nullptr: all are taken. Else none is, and this one was busy for too long.
  const AnyLock* try_all(core::Duration patience) const {
    std::size_t taken = 0;
    try {
      take_by(*locks_.front(), end_);
      for (taken = 1; taken < locks_.size(); ++taken) {
        const core::Time enough = std::chrono::steady_clock::now() + patience;
        if (end_ && *end_ <= enough) {
          take_by(*locks_[taken], end_);
        } else if (!try_until(*locks_[taken], enough)) {
          break;
        }
      }
    } catch (...) {
      give_back(locks_.first(taken));
      throw;
    }
    if (taken == locks_.size()) return nullptr;
    give_back(locks_.first(taken));
    return locks_[taken];
  }

  void take_by(const AnyLock& lock, core::Deadline end) const {
    if (!try_until(lock, end)) throw ends_first_->timed_out(kLocking);
  }

  // One that this thread has already is never waited for: a Lock says that by BadCall.
  static bool try_until(const AnyLock& lock, core::Deadline end) {
    if (end && lock.hold(kLocking).depth == 0) return lock.try_lock_until(*end);
    lock.lock();
    return true;
  }

  // Whoever has it next must hear of the death that this thread was told of.
  static void give_back(const AnyLock& lock) {
    if (!lock.previous_owner_died()) return lock.unlock();
    const client::SessionPtr session = lock.session(kLocking);
    session->post(lock.object(), "give_back", core::kNoArguments);
    session->note_unlock(lock.object());
  }
  static void give_back(std::span<const AnyLock* const> locks) {
    for (auto lock = locks.rbegin(); lock != locks.rend(); ++lock) give_back(**lock);
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
  detail::Elements grants(reply.result);
  if (grants.left() == 0) return false;
  note(reply, grants.next());
  return true;
}

void lock_all(std::span<const AnyLock*> locks) {
  std::ranges::sort(locks, [](const AnyLock* a, const AnyLock* b) {
    return before(a->reference(), b->reference());
  });
  SeveralLocks(locks).take();
}

void unlock_all(std::span<const AnyLock* const> locks) {
  for (auto lock = locks.rbegin(); lock != locks.rend(); ++lock) (*lock)->unlock();
}

}  // namespace steward::proxy
