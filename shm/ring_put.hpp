// Ring: claiming, publishing, closing. Included by ring.hpp, which
// states the Thread safety and the Invariants.
#pragma once

#include <algorithm>

#include <steward/shm/ring.hpp>

namespace steward::detail::shm {

// A hint is stored once in so many operations: it saves steps of a walk, and costs a cache line.
inline constexpr Word kHintEvery = 64;
// So many positions ahead the processor is told which block comes next: an atomic operation on a
// line that is elsewhere holds up everything behind it.
inline constexpr Word kLookAhead = 8;

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
  if (end.block() == 0) return std::nullopt;
  return checked(Place{end.block(), 0});
}

template <class Memory>
bool Ring<Memory>::find_tail(Spot& spot) {
  Patience patience(memory_, 0);
  Place& place = spot.place;
  for (;;) {
    spot.seen = cell(place.segment, place.at).load(std::memory_order_acquire);
    const Cell c = Cell::of(spot.seen);
    const std::int64_t laps = ahead(c, place.segment, place.at);
    if (laps > 0) {
      place.at = beyond(place.segment, place.at, laps);
    } else if (laps == 0 && c.kind() == Kind::end) {
      const auto next = follow(c);
      if (!next) return false;
      place = *next;
    } else if (laps == 0 && c.kind() != Kind::empty) {
      ++place.at;
      continue;  // the walk itself: as long as the ring at most
    } else if (laps == 0 || (laps == -1 && c.kind() == Kind::taken)) {
      return true;
    } else {
      // With hints behind the truth nothing else can stand here; a stalled reader may have seen it.
      place = start(my_tail_, Hint::tail);
      patience.retry();
    }
    patience.jump();
  }
}

template <class Memory>
Word Ring<Memory>::queued_before(Place tail, Word limit) {
  Place head = start(my_head_, Hint::head);
  // Of an earlier segment nothing counts: the limit is that of the segment's cells.
  if (head.segment != tail.segment) head = {tail.segment, 0};
  head.at = std::min(head.at, tail.at);
  Patience patience(memory_, 0);
  while (tail.at - head.at >= limit) {
    // Sequentially consistent: also the last look of one who then sleeps for room.
    const Cell c = Cell::of(cell(head.segment, head.at).load(std::memory_order_seq_cst));
    const std::int64_t laps = ahead(c, head.segment, head.at);
    if (laps > 0) {
      head.at = std::min(beyond(head.segment, head.at, laps), tail.at);
    } else if (laps == 0 && c.kind() == Kind::taken) {
      ++head.at;
    } else if (laps == 0 && c.kind() == Kind::full) {
      break;
    } else {
      patience.retry();  // every position before the tail was published
    }
  }
  // The beginning of a segment says nothing yet of the one before it.
  if (head.at > 0 && my_head_.load(std::memory_order_relaxed) < head.word()) {
    my_head_.store(head.word(), std::memory_order_relaxed);
  }
  return tail.at - head.at;
}

template <class Memory>
Put Ring<Memory>::find_room(Spot& spot) {
  // Mostly the end is where we left it, and there was room for more than one when we last looked.
  const Place place = checked(Place::of(my_tail_.load(std::memory_order_relaxed)));
  const Place head = Place::of(my_head_.load(std::memory_order_relaxed));
  spot = {place, cell(place.segment, place.at).load(std::memory_order_acquire)};
  if (head.segment == place.segment && place.at - head.at < limit(place.segment) &&
      is_end(spot.seen, place)) {
    return Put::done;
  }
  return walk_to_room(spot);
}

template <class Memory>
Put Ring<Memory>::walk_to_room(Spot& spot) {
  spot.place = start(my_tail_, Hint::tail);
  for (;;) {
    if (!find_tail(spot)) return Put::closed;
    const Word most = limit(spot.place.segment);
    if (queued_before(spot.place, most) < most) return Put::done;
    if (memory_.maxsize() != 0 || !grow(spot)) return Put::full;
  }
}

template <class Memory>
bool Ring<Memory>::room(Word items) {
  const Word maxsize = memory_.maxsize();
  const Place tail = start(my_tail_, Hint::tail);
  return maxsize > items && queued_before(tail, maxsize - items) < maxsize - items;
}

template <class Memory>
bool Ring<Memory>::try_claim(std::uint32_t block, Claim& out) {
  Atomic& word = memory_.state(block);
  Word seen = word.load(std::memory_order_acquire);
  const State state = State::of(seen);
  if (state.holder() != Holder::free) return false;
  out.block = block;
  out.state = {state.generation(), 0, Holder::claimed, me_};
  // Acquire: the last reader's loads of the payload end before our stores begin.
  return word.compare_exchange_strong(seen, out.state.word(), std::memory_order_acquire,
                                      std::memory_order_relaxed);
}

// The block that the cell at the end named a lap ago: to publish over that cell its header is read
// anyway.
template <class Memory>
bool Ring<Memory>::claim_near(BlockRange range, const Spot& spot, Claim& out) {
  const Cell c = Cell::of(spot.seen);
  return c.kind() == Kind::taken && c.block() - range.first < range.ready &&
         try_claim(c.block(), out);
}

template <class Memory>
bool Ring<Memory>::claim_from(BlockRange range, std::uint32_t from, std::uint32_t probes,
                              Claim& out) {
  std::uint32_t at = from < range.ready ? from : 0;
  for (; probes > 0; --probes) {
    const bool claimed = try_claim(range.first + at, out);
    if (++at == range.ready) at = 0;
    if (!claimed) continue;
    cursor_.store(at, std::memory_order_relaxed);
    return true;
  }
  return false;
}

template <class Memory>
bool Ring<Memory>::claim(unsigned size_class, const Spot* spot, Claim& out) {
  constexpr std::uint32_t kProbes = 32;
  // Large blocks are searched from the first, so that few of them are ever touched.
  const bool dense = memory_.reuses_first(size_class);
  for (;;) {
    const BlockRange range = memory_.block_range(size_class);
    if (spot != nullptr && !dense && claim_near(range, *spot, out)) return true;
    const std::uint32_t from = dense ? 0 : cursor_.load(std::memory_order_relaxed);
    if (claim_from(range, from, std::min(range.ready, kProbes), out)) return true;
    if (range.ready == range.count) return claim_from(range, from, range.ready, out);
    memory_.make_blocks(size_class, range.ready + 1);
    cursor_.store(range.ready, std::memory_order_relaxed);
  }
}

template <class Memory>
void Ring<Memory>::unclaim(const Claim& claim) {
  // First, or 16 bits of generation could come round to an old position of a stopped consumer.
  memory_.pos(claim.block).store(Pos::kNone, std::memory_order_release);
  memory_.state(claim.block).store(claim.state.freed().word(), std::memory_order_release);
  memory_.wake(Event::block_freed, kEveryone);
}

// Leads who meets the last free cell of a segment into the next one. False: there is none.
template <class Memory>
bool Ring<Memory>::grow(const Spot& spot) {
  const Place at = spot.place;
  const unsigned next = at.segment + 1;
  if (next >= memory_.segments()) return false;
  const Cell c = Cell::of(spot.seen);
  if (c.kind() == Kind::taken) help_state(at.segment, at.at - memory_.cells(at.segment), c);
  memory_.make_segment(next);
  const Cell end{lap_of(at.segment, at.at), Kind::end, 0, next};
  Word seen = spot.seen;
  // Failed: another was faster, with this or with an item.
  cell(at.segment, at.at)
      .compare_exchange_strong(seen, end.word(), std::memory_order_seq_cst,
                               std::memory_order_relaxed);
  return true;
}

template <class Memory>
Put Ring<Memory>::publish(const Claim& claim, Spot& spot) {
  // The spot was found before the claim. Others may have put this very block there since, taken it
  // out and freed it: with our generation in its pos it would look as if ours had been taken.
  const Word now = cell(spot.place.segment, spot.place.at).load(std::memory_order_acquire);
  if (now != spot.seen) {
    if (const Put room = find_room(spot); room != Put::done) return room;
  }
  for (;;) {
    const Place at = spot.place;
    const Cell c = Cell::of(spot.seen);
    // Our own block's header says already that its last item is gone.
    if (c.kind() == Kind::taken && c.block() != claim.block) {
      help_state(at.segment, at.at - memory_.cells(at.segment), c);
    }
    memory_.pos(claim.block)
        .store(pos_at(claim.state, at.segment, at.at).word(), std::memory_order_release);
    const Cell full{lap_of(at.segment, at.at), Kind::full, 0, claim.block};
    // COMMIT. Sequentially consistent: it pairs with the flag of those who sleep. The room that was
    // found is still there: while nobody publishes, the head alone moves.
    Word seen = spot.seen;
    if (cell(at.segment, at.at)
            .compare_exchange_strong(seen, full.word(), std::memory_order_seq_cst,
                                     std::memory_order_relaxed)) {
      remember(my_tail_, Hint::tail, {at.segment, at.at + 1});
      memory_.prefetch(at.segment, index_of(at.segment, at.at + kLookAhead), Kind::taken);
      return Put::done;
    }
    // Somebody else's success. There is no bound on those.
    if (const Put room = find_room(spot); room != Put::done) return room;
  }
}

template <class Memory>
void Ring<Memory>::close() {
  Spot spot{start(my_tail_, Hint::tail), 0};
  while (find_tail(spot)) {
    const Place at = spot.place;
    const Cell c = Cell::of(spot.seen);
    if (c.kind() == Kind::taken) {
      help_release(at.segment, at.at - memory_.cells(at.segment), c);
      continue;
    }
    const Cell end{lap_of(at.segment, at.at), Kind::end, 0, 0};
    if (cell(at.segment, at.at)
            .compare_exchange_strong(spot.seen, end.word(), std::memory_order_seq_cst,
                                     std::memory_order_relaxed)) {
      break;
    }
  }
  memory_.wake_all();
}

}  // namespace steward::detail::shm
