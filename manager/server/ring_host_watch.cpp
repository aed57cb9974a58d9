// RingHost: when it looks again, and who has died meanwhile.
#include <algorithm>
#include <chrono>
#include <exception>
#include <iterator>
#include <utility>

#include <steward/manager/server/ring_host.hpp>

namespace steward::detail::server {
namespace {

// Past that sleep_on_any() cannot sleep; a word of the watch's own comes on top.
constexpr std::size_t kWordsOfShard = 127;
// So often a few of the rings that are waited for are looked at.
constexpr core::Duration kSlice = std::chrono::milliseconds(100);
constexpr std::size_t kRecoverInSlice = 16;
// Nothing orders the end of a block before the look at the flag of who waits for one.
constexpr core::Duration kMemorySlice = std::chrono::milliseconds(10);
// Rings whose dead are looked for at once: each costs system calls.
constexpr std::size_t kRecoverAtOnce = 64;
// The kernel may show the end of a process before it has let go of its locks.
constexpr core::Duration kRecoverAgain = std::chrono::milliseconds(50);

}  // namespace

RingHost::Shard::Shard(Poller& where) : poller(where) {
  poller.add(watch.fd(), [this] { woken = true; });
}

RingHost::Shard::~Shard() { poller.remove(watch.fd()); }

void RingHost::join_shard(Ring& ring) {
  const std::size_t words = ring.words.size();
  const auto has_room = [&](const Shard& shard, std::size_t mine) {
    return shard.words - mine + words <= kWordsOfShard;
  };
  if (ring.shard != nullptr && !has_room(*ring.shard, ring.words_there)) leave_shard(ring);
  if (ring.shard == nullptr) {
    auto shard =
        std::ranges::find_if(shards_, [&](const auto& each) { return has_room(*each, 0); });
    if (shard == shards_.end()) {
      shards_.push_back(std::make_unique<Shard>(poller_));
      shard = std::prev(shards_.end());
    }
    (*shard)->rings.insert(ring.object);
    ring.shard = shard->get();
  }
  ring.shard->words += words - std::exchange(ring.words_there, words);
  ring.shard->changed = true;
}

void RingHost::leave_shard(Ring& ring) {
  Shard* const shard = std::exchange(ring.shard, nullptr);
  if (shard == nullptr) return;
  shard->rings.erase(ring.object);
  shard->words -= std::exchange(ring.words_there, 0);
  shard->changed = true;
}

void RingHost::watch() {
  for (const auto& shard : shards_) {
    if (!shard->changed) continue;
    std::vector<RingWatch::Word> words;
    core::Duration slice = RingWatch::kLong;
    for (const core::ObjectId object : shard->rings) {
      const Ring& ring = rings_.at(object);
      words.insert(words.end(), ring.words.begin(), ring.words.end());
      if (ring.short_of_memory) slice = kMemorySlice;
    }
    shard->watch.watch(std::move(words), slice);
    shard->changed = false;
  }
}

// ---- The dead ----

void RingHost::process_died(core::Time now) {
  if (rings_.empty()) return;
  // A walk that is under way goes on, or deaths that come fast would keep it at the first rings.
  if (!next_to_recover_) next_to_recover_ = rings_.begin()->first;
  recover_again_ = now + kRecoverAgain;
}

core::Deadline RingHost::next_deadline() const {
  // After a want of something nothing goes on before it is time to try again.
  if (!again_ && (next_to_recover_ || !searched_.empty())) return core::Time::min();
  core::Deadline next = recover_again_;
  const core::Deadline slice = waiting_.empty() ? core::Deadline() : next_slice_;
  for (const core::Deadline other : {search_again_, again_, slice}) {
    if (other && (!next || *other < *next)) next = other;
  }
  return next;
}

void RingHost::look_around(core::Time now) {
  for (const auto& shard : shards_) {
    if (!std::exchange(shard->woken, false)) continue;
    shard->watch.take_news();
    touched_.insert(shard->rings.begin(), shard->rings.end());
    shard->changed = true;
  }
  look_for_dead(now);
}

void RingHost::look_for_dead(core::Time now) {
  const auto recover = [&](Ring& ring) {
    touched_.insert(ring.object);
    try {
      ring.queue->recover_dead();
    } catch (const std::exception&) {
      // Its memory is damaged, or there is none: who calls will be told.
    }
  };
  // Only where somebody waits, for others find out when they come; and few at a time, for of its
  // clients' deaths the manager is told: this is for processes that it does not know.
  if (!waiting_.empty() && now >= next_slice_) {
    next_slice_ = now + kSlice;
    for (std::size_t left = std::min(kRecoverInSlice, waiting_.size()); left > 0; --left) {
      auto next = waiting_.upper_bound(last_in_slice_);
      if (next == waiting_.end()) next = waiting_.begin();
      last_in_slice_ = *next;
      recover(rings_.at(*next));
    }
  }
  if (!next_to_recover_ && recover_again_ && *recover_again_ <= now) {
    recover_again_.reset();
    if (!rings_.empty()) next_to_recover_ = rings_.begin()->first;
  }
  if (!next_to_recover_) return;
  auto place = rings_.lower_bound(*next_to_recover_);
  for (std::size_t left = kRecoverAtOnce; left > 0 && place != rings_.end(); --left, ++place) {
    recover(place->second);
  }
  next_to_recover_.reset();
  if (place != rings_.end()) next_to_recover_ = place->first;
}

}  // namespace steward::detail::server
