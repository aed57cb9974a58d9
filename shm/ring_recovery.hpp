// Ring: taking back what the dead held, and the look at all blocks. Included by ring.hpp, which
// states the Thread safety and the Invariants.
#pragma once

#include <algorithm>
#include <optional>
#include <utility>

#include <steward/shm/ring.hpp>

namespace steward::detail::shm {

template <class Memory>
template <class Visit>
void Ring<Memory>::each_block(Visit visit) {
  for (unsigned k = 0; k < memory_.size_classes(); ++k) {
    const BlockRange range = memory_.block_range(k);
    for (std::uint32_t i = 0; i < range.ready; ++i) visit(range.first + i);
  }
}

// Whether the cell that the block's pos names still names the block, at that lap.
template <class Memory>
bool Ring<Memory>::published(std::uint32_t block, State state) {
  const Word word = memory_.pos(block).load(std::memory_order_acquire);
  if (word == Pos::kNone) return false;
  const Pos pos = Pos::of(word);
  const bool redelivered = state.holder() == Holder::redeliver;
  if (pos.generation != (state.generation() & words::kMask<16>)) return false;
  if ((pos.ring == kRedelivery) != redelivered) return false;
  if (!redelivered && pos.ring >= memory_.ready_segments()) return false;
  if (pos.index >= memory_.ready_cells(pos.ring)) return false;
  const Cell c = Cell::of(memory_.cell(pos.ring, pos.index).load(std::memory_order_acquire));
  return (c.lap() & words::kMask<20>) == pos.lap &&
         (c.kind() == Kind::full || c.kind() == Kind::taken) && c.block() == block;
}

template <class Memory>
void Ring<Memory>::recover_cells(unsigned owner, unsigned ring) {
  const Word cells = memory_.ready_cells(ring);
  for (Word i = 0; i < cells; ++i) {
    const Cell c = Cell::of(memory_.cell(ring, i).load(std::memory_order_acquire));
    if (c.kind() != Kind::taken || c.owner() != owner) continue;
    help_release(ring, c.lap() * memory_.cells(ring) + i, c);
  }
}

template <class Memory>
void Ring<Memory>::recover_block(unsigned owner, std::uint32_t block) {
  Atomic& word = memory_.state(block);
  Word seen = word.load(std::memory_order_acquire);
  const State state = State::of(seen);
  if (state.holder() == Holder::lease) {
    // Of anybody: the dead one may have been about to note it.
    note_expiry(memory_.lease_end(block).load(std::memory_order_relaxed));
  }
  if (state.owner() != owner) return;
  switch (state.holder()) {
    case Holder::inflight:
    case Holder::lease:
      // Fails only for a lease that somebody ended meanwhile.
      give_back(block, state, owner);
      return;
    case Holder::redeliver:
      if (published(block, state)) return;
      // The state again, after the cell: it may have been taken and be gone.
      if (word.load(std::memory_order_acquire) == seen) redeliver(block, state);
      return;
    case Holder::claimed:
      if (published(block, state)) return;
      // Likewise, by the comparison.
      word.compare_exchange_strong(seen, state.freed().word(), std::memory_order_acq_rel,
                                   std::memory_order_relaxed);
      return;
    case Holder::free:
      return;
  }
}

template <class Memory>
void Ring<Memory>::recover(unsigned owner) {
  for (unsigned s = 0; s < memory_.ready_segments(); ++s) recover_cells(owner, s);
  recover_cells(owner, kRedelivery);
  each_block([&](std::uint32_t block) { recover_block(owner, block); });
  // Also those who were about to sleep: what the dead one would have told them is told now.
  memory_.wake_all();
}

template <class Memory>
bool Ring<Memory>::holds_message(std::uint32_t block) {
  for (;;) {
    // Sequentially consistent: also the last look of one who then sleeps in join().
    const Word seen = memory_.state(block).load(std::memory_order_seq_cst);
    const State state = State::of(seen);
    if (state.holder() == Holder::free) return false;
    if (state.holder() != Holder::claimed || published(block, state)) return true;
    if (memory_.state(block).load(std::memory_order_seq_cst) == seen) return false;
  }
}

template <class Memory>
template <class Visit>
std::optional<std::uint32_t> Ring<Memory>::each_block(std::uint32_t from, std::uint32_t& left,
                                                      Visit visit) {
  for (unsigned k = 0; k < memory_.size_classes(); ++k) {
    const BlockRange range = memory_.block_range(k);
    for (std::uint32_t b = std::max(from, range.first); b < range.first + range.ready; ++b) {
      if (left == 0) return b;
      --left;
      if (!visit(b)) return b + 1;
    }
  }
  return std::nullopt;
}

// Between two looks at the same state word nobody else has had the block: it never repeats.
template <class Memory>
template <class Read>
typename Ring<Memory>::Found Ring<Memory>::look_at(std::uint32_t block, Read read) {
  // Whoever changes it does something with its item: nobody does that so often in no time.
  for (int tries = 1000; tries > 0; --tries) {
    const Word seen = memory_.state(block).load(std::memory_order_acquire);
    if (!holds_message(block)) return Found::nothing;
    read();
    if (memory_.state(block).load(std::memory_order_acquire) != seen) continue;
    const Holder holder = State::of(seen).holder();
    const bool in_hands = holder == Holder::inflight || holder == Holder::lease;
    return in_hands ? Found::in_hands : Found::queued;
  }
  throw Damaged("a block of the queue's shared memory does not come to rest");
}

template <class Memory>
Word Ring<Memory>::redelivery_tail() {
  Word at = memory_.hint(Hint::redelivery_tail).load(std::memory_order_acquire);
  Patience patience(memory_, kRedelivery);
  for (;;) {
    const Cell c = Cell::of(cell(kRedelivery, at).load(std::memory_order_acquire));
    if (unpublished(c, kRedelivery, at)) return at;
    const std::int64_t laps = ahead(c, kRedelivery, at);
    at = laps > 0 ? beyond(kRedelivery, at, laps) : at + 1;
    patience.jump();
  }
}

// Valid because a message never changes its block: what the pass has not met in a block can only
// have come in through the ends of the queue, and those did not move. (Of what comes back, too: an
// open task may be put back as an item, in a block that was passed already.)
template <class Memory>
template <class Also>
bool Ring<Memory>::nothing_unfinished(Also also) {
  // A closed queue has no end that could move.
  const auto ends = [&]() -> std::pair<std::optional<Place>, Word> {
    Spot spot{start(my_tail_, Hint::tail), 0};
    const bool open = find_tail(spot);
    return {open ? std::optional(spot.place) : std::nullopt, redelivery_tail()};
  };
  const auto before = ends();
  bool none = true;
  each_block([&](std::uint32_t block) { none = none && !holds_message(block); });
  return none && also() && ends() == before;
}

}  // namespace steward::detail::shm
