#include <steward/client/session/holds.hpp>

namespace steward::detail::client {

Session::Hold Holds::find(core::ObjectId lock, Thread thread) const {
  const auto entry = entries_.find({lock, thread});
  return entry == entries_.end() ? Session::Hold{} : entry->second.current;
}

void Holds::granted(core::ObjectId lock, Thread thread, std::uint64_t token,
                    bool previous_owner_died) {
  Session::Hold& hold = entries_[{lock, thread}].current;
  hold = {token, previous_owner_died, hold.depth + 1};
}

Holds::Ended Holds::unlock(core::ObjectId lock, Thread thread) {
  const auto entry = entries_.find({lock, thread});
  if (entry == entries_.end()) return Ended::never;
  Entry& hold = entry->second;
  const bool held = hold.current.depth > 0;
  --(held ? hold.current.depth : hold.lost);
  if (hold.current.depth == 0 && hold.lost == 0) entries_.erase(entry);
  return held ? Ended::held : Ended::lost;
}

std::optional<Holds::Left> Holds::take_left(Thread thread) {
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    if (entry->first.second != thread) {
      ++entry;
      continue;
    }
    const Left left{entry->first.first, entry->second.current.token};
    const bool held = entry->second.current.depth > 0;
    entry = entries_.erase(entry);
    if (held) return left;
  }
  return std::nullopt;
}

std::map<Holds::Thread, core::ObjectId> Holds::holders() const {
  std::map<Thread, core::ObjectId> holders;
  for (const auto& [where, hold] : entries_) {
    if (hold.current.depth > 0) holders.emplace(where.second, where.first);
  }
  return holders;
}

void Holds::last_proxy_gone(core::ObjectId lock) {
  bool held = false;
  erase_if(lock, [&held](Entry& hold) {
    hold.lost = 0;
    if (hold.current.depth == 0) return true;
    held = true;
    return false;
  });
  if (!held) return;
  without_proxy_.push_back(lock);
  if (without_proxy_.size() <= kWithoutProxyMax) return;
  erase_if(without_proxy_.front(), [](const Entry&) { return true; });
  without_proxy_.pop_front();
}

}  // namespace steward::detail::client
