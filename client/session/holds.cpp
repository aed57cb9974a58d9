#include <steward/client/session/holds.hpp>

#include <algorithm>

namespace steward::client {

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

void Holds::forget(core::ObjectId lock) {
  const auto is_it = [lock](const auto& entry) { return entry.first.first == lock; };
  const auto first = entries_.lower_bound({lock, Thread{}});
  entries_.erase(first, std::find_if_not(first, entries_.end(), is_it));
}

}  // namespace steward::client
