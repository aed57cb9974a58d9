#include <steward/client/holds.hpp>

#include <iterator>

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
  tidy(entry);
  return held ? Ended::held : Ended::lost;
}

void Holds::forget_lost(core::ObjectId lock) {
  auto entry = entries_.lower_bound({lock, Thread{}});
  while (entry != entries_.end() && entry->first.first == lock) {
    entry->second.lost = 0;
    entry = tidy(entry);
  }
}

Holds::Entries::iterator Holds::tidy(Entries::iterator entry) {
  const Entry& hold = entry->second;
  return hold.current.depth > 0 || hold.lost > 0 ? std::next(entry) : entries_.erase(entry);
}

}  // namespace steward::client
