#include <steward/proxy/lock.hpp>

#include <algorithm>

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
  std::size_t taken = 0;
  try {
    for (; taken < locks.size(); ++taken) locks[taken]->lock();
  } catch (...) {
    unlock_all(locks.first(taken));
    throw;
  }
}

void unlock_all(std::span<const AnyLock* const> locks) {
  for (auto lock = locks.rbegin(); lock != locks.rend(); ++lock) (*lock)->unlock();
}

}  // namespace steward::proxy
