// Ring: claiming, publishing, closing. Included by ring.hpp, which
// states the Thread safety and the Invariants.
#pragma once

#include <algorithm>

#include <steward/shm/ring.hpp>

namespace steward::shm {

// A hint is stored once in so many operations: it saves steps of a walk, and costs a cache line.
inline constexpr Word kHintEvery = 16;

template <class Memory>
Place Ring<Memory>::start(const Atomic& mine, Hint hint) {
  const Word own = mine.load(std::memory_order_relaxed);
  const Word shared = memory_.hint(hint).load(std::memory_order_acquire);
  return checked(Place::of(std::max(own, shared)));
}

template <class Memory>
void Ring<Memory>::remember(Atomic& mine, Hint hint, Place place) {
  mine.store(place.word(), std::memory_order_relaxed);
  if (place.at % kHintEvery != 0) return;
  Atomic& shared = memory_.hint(hint);
  // Two that store at once may step back a little: stale, not wrong.
  if (shared.load(std::memory_order_relaxed) < place.word()) {
    shared.store(place.word(), std::memory_order_release);
  }
}

template <class Memory>
std::optional<Place> Ring<Memory>::follow(Cell end) const {
  if (end.block == 0) return std::nullopt;
  return checked(Place{end.block, 0});
}

template <class Memory>
std::optional<Place> Ring<Memory>::find_tail(Place place, Word& seen) {
  Patience patience(memory_, 0);
  for (;;) {
    seen = cell(place.segment, place.at).load(std::memory_order_acquire);
    const Cell c = Cell::of(seen);
    const std::int64_t laps = ahead(c, place.segment, place.at);
    if (laps > 0) {
      place.at = beyond(place.segment, place.at, laps);
    } else if (laps == 0 && c.kind == Kind::end) {
      const auto next = follow(c);
      if (!next) return std::nullopt;
      place = *next;
    } else if (laps == 0 && c.kind != Kind::empty) {
      ++place.at;
      continue;  // the walk itself: as long as the ring at most
    } else if (laps == 0 || (laps == -1 && c.kind == Kind::taken)) {
      return place;
    } else {
      // With hints behind the truth nothing else can stand here; a stalled reader may have seen it.
      place = start(my_tail_, Hint::tail);
    }
    patience.spend();
  }
}

template <class Memory>
Word Ring<Memory>::queued_before(Place tail, Word limit) {
  Place head = start(my_head_, Hint::head);
  // Of an earlier segment nothing counts: the limit is that of the segment's cells.
  if (head.segment != tail.segment) head = {tail.segment, 0};
  head.at = std::min(head.at, tail.at);
  const Word began = head.at;
  Patience patience(memory_, 0);
  while (tail.at - head.at >= limit) {
    const Cell c = Cell::of(cell(head.segment, head.at).load(std::memory_order_acquire));
    const std::int64_t laps = ahead(c, head.segment, head.at);
    if (laps > 0) {
      head.at = std::min(beyond(head.segment, head.at, laps), tail.at);
    } else if (laps == 0 && c.kind == Kind::taken) {
      ++head.at;
    } else if (laps == 0 && c.kind == Kind::full) {
      break;
    } else {
      patience.spend();  // every position before the tail was published
    }
  }
  if (head.at != began) my_head_.store(head.word(), std::memory_order_relaxed);
  return tail.at - head.at;
}

template <class Memory>
bool Ring<Memory>::full() {
  if (memory_.maxsize() == 0) return false;
  Word seen = 0;
  const auto tail = find_tail(start(my_tail_, Hint::tail), seen);
  return tail && queued_before(*tail, memory_.maxsize()) >= memory_.maxsize();
}

template <class Memory>
std::optional<Claim> Ring<Memory>::try_claim(std::uint32_t block) {
  Atomic& word = memory_.state(block);
  Word seen = word.load(std::memory_order_acquire);
  const State state = State::of(seen);
  if (state.holder != Holder::free) return std::nullopt;
  const State mine{state.generation, 0, Holder::claimed, me_};
  // Acquire: the last reader's loads of the payload end before our stores begin.
  if (!word.compare_exchange_strong(seen, mine.word(), std::memory_order_acquire,
                                    std::memory_order_relaxed)) {
    return std::nullopt;
  }
  return Claim{block, mine};
}

// The block that the cell at the end named a lap ago: to publish over that cell its header is read
// anyway.
template <class Memory>
std::optional<Claim> Ring<Memory>::claim_near(BlockRange range) {
  const Place tail = start(my_tail_, Hint::tail);
  const Cell c = Cell::of(cell(tail.segment, tail.at).load(std::memory_order_acquire));
  if (c.kind != Kind::taken) return std::nullopt;
  if (c.block < range.first || c.block >= range.first + range.ready) return std::nullopt;
  return try_claim(c.block);
}

template <class Memory>
std::optional<Claim> Ring<Memory>::claim(unsigned size_class) {
  constexpr std::uint32_t kProbes = 32;
  // Large blocks are searched from the first, so that few of them are ever touched.
  const bool dense = memory_.reuses_first(size_class);
  for (;;) {
    const BlockRange range = memory_.block_range(size_class);
    if (!dense) {
      if (auto claim = claim_near(range)) return claim;
    }
    const auto search = [&](std::uint32_t from, std::uint32_t probes) -> std::optional<Claim> {
      for (std::uint32_t i = 0; i < probes; ++i) {
        const std::uint32_t at = (from + i) % range.ready;
        if (auto claim = try_claim(range.first + at)) {
          if (!dense) cursor_.store(at + 1, std::memory_order_relaxed);
          return claim;
        }
      }
      return std::nullopt;
    };
    const std::uint32_t from =
        dense || range.ready == 0 ? 0 : cursor_.load(std::memory_order_relaxed) % range.ready;
    if (auto claim = search(from, std::min(range.ready, kProbes))) return claim;
    if (range.ready < range.count) {
      memory_.make_blocks(size_class, range.ready + 1);
      cursor_.store(range.ready, std::memory_order_relaxed);
      continue;
    }
    return search(from, range.ready);
  }
}

template <class Memory>
void Ring<Memory>::unclaim(const Claim& claim) {
  // First, or 16 bits of generation could come round to an old position of a stopped consumer.
  memory_.pos(claim.block).store(Pos::kNone, std::memory_order_relaxed);
  memory_.state(claim.block).store(claim.state.freed().word(), std::memory_order_release);
  memory_.wake(Event::block_freed, kEveryone);
}

// Leads who meets the last free cell of a segment into the next one. False: there is none.
template <class Memory>
bool Ring<Memory>::grow(Place tail, Word seen) {
  const unsigned next = tail.segment + 1;
  if (next >= memory_.segments()) return false;
  memory_.make_segment(next);
  const Cell end{lap_of(tail.segment, tail.at), Kind::end, 0, next};
  // Failed: another was faster, with this or with an item.
  cell(tail.segment, tail.at)
      .compare_exchange_strong(seen, end.word(), std::memory_order_seq_cst,
                               std::memory_order_relaxed);
  return true;
}

template <class Memory>
Put Ring<Memory>::publish(const Claim& claim) {
  const Word maxsize = memory_.maxsize();
  Place place = start(my_tail_, Hint::tail);
  for (;;) {
    Word seen = 0;
    const auto tail = find_tail(place, seen);
    if (!tail) return Put::closed;
    place = *tail;
    const Cell c = Cell::of(seen);
    if (c.kind == Kind::taken) {
      help_state(place.segment, place.at - memory_.cells(place.segment), c);
    }
    // Unbounded: the last free cell of a segment is for the sign to the next.
    const Word limit = maxsize != 0 ? maxsize : memory_.cells(place.segment) - 1;
    if (queued_before(place, limit) >= limit) {
      if (maxsize != 0 || !grow(place, seen)) return Put::full;
      continue;
    }
    memory_.pos(claim.block)
        .store(pos_at(claim.state, place.segment, place.at).word(), std::memory_order_relaxed);
    const Cell full{lap_of(place.segment, place.at), Kind::full, 0, claim.block};
    // COMMIT. Sequentially consistent: it pairs with the flag of those who sleep.
    if (cell(place.segment, place.at)
            .compare_exchange_strong(seen, full.word(), std::memory_order_seq_cst,
                                     std::memory_order_relaxed)) {
      remember(my_tail_, Hint::tail, {place.segment, place.at + 1});
      return Put::done;
    }
    // Somebody else's success, unless the memory is damaged: there is no bound on those.
  }
}

template <class Memory>
void Ring<Memory>::close() {
  Place place = start(my_tail_, Hint::tail);
  for (;;) {
    Word seen = 0;
    const auto tail = find_tail(place, seen);
    if (!tail) break;
    place = *tail;
    const Cell c = Cell::of(seen);
    if (c.kind == Kind::taken) {
      help_release(place.segment, place.at - memory_.cells(place.segment), c);
      continue;
    }
    const Cell end{lap_of(place.segment, place.at), Kind::end, 0, 0};
    if (cell(place.segment, place.at)
            .compare_exchange_strong(seen, end.word(), std::memory_order_seq_cst,
                                     std::memory_order_relaxed)) {
      break;
    }
  }
  memory_.wake_all();
}

}  // namespace steward::shm
