// RingHost: when it looks again, and who has died meanwhile.
#include <chrono>
#include <exception>
#include <utility>

#include <steward/manager/server/ring_host.hpp>

namespace steward::detail::server {
namespace {

// What a call that found nothing waits for at the longest without a look.
constexpr core::Duration kSlice = std::chrono::milliseconds(100);
// Nothing orders the end of a block before the look at the flag of who waits for one.
constexpr core::Duration kMemorySlice = std::chrono::milliseconds(10);
// Rings whose dead are looked for at once: each costs system calls.
constexpr std::size_t kRecoverAtOnce = 64;
// The kernel may show the end of a process before it has let go of its locks.
constexpr core::Duration kRecoverAgain = std::chrono::milliseconds(50);

}  // namespace

void RingHost::watch() {
  std::vector<RingWatch::Word> words;
  core::Duration slice = kSlice;
  for (const core::ObjectId object : waiting_) {
    const Ring& ring = rings_.at(object);
    words.insert(words.end(), ring.words.begin(), ring.words.end());
    if (ring.short_of_memory) slice = kMemorySlice;
  }
  watch_.watch(std::move(words), slice);
}

// ---- The dead ----

void RingHost::process_died(core::Time now) {
  if (rings_.empty()) return;
  next_to_recover_ = rings_.begin()->first;
  recover_again_ = now + kRecoverAgain;
}

core::Deadline RingHost::next_deadline() const {
  if (next_to_recover_ || !searched_.empty()) return core::Time::min();
  core::Deadline next = recover_again_;
  for (const core::Deadline other : {search_again_, again_}) {
    if (other && (!next || *other < *next)) next = other;
  }
  return next;
}

void RingHost::look_around(core::Time now) {
  bool slice = false;
  if (woken_) {
    touched_.insert(waiting_.begin(), waiting_.end());
    changed_ = true;
    woken_ = false;
    slice = watch_.take_news().slice;
  }
  if (slice || next_to_recover_ || recover_again_) look_for_dead(slice, now);
}

void RingHost::look_for_dead(bool slice, core::Time now) {
  const auto recover = [&](Ring& ring) {
    touched_.insert(ring.object);
    changed_ = true;
    try {
      ring.queue->recover_dead();
    } catch (const std::exception&) {
      // Its memory is damaged, or there is none: who calls will be told.
    }
  };
  if (slice && now - last_slice_ >= kSlice && !next_to_recover_) {
    // Only where somebody waits: others find out when they come.
    last_slice_ = now;
    for (const core::ObjectId object : waiting_) recover(rings_.at(object));
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
