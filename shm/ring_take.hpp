// Ring: taking, holding, giving back, and what is there. Included by ring.hpp, which
// states the Thread safety and the Invariants.
#pragma once

#include <algorithm>

#include <steward/shm/ring.hpp>

namespace steward::detail::shm {

template <class Memory>
bool Ring<Memory>::unpublished(Cell c, unsigned ring, Word at) const {
  const std::int64_t laps = ahead(c, ring, at);
  return laps < 0 || (laps == 0 && c.kind() == Kind::empty);
}

// Leaves in `out` what was taken or, where there was nothing, the position without it.
template <class Memory>
Take Ring<Memory>::take_from(bool redelivery, Taken& out) {
  Atomic& mine = redelivery ? my_redelivery_head_ : my_head_;
  const Hint hint = redelivery ? Hint::redelivery_head : Hint::head;
  Place place = checked(Place::of(mine.load(std::memory_order_relaxed)));
  bool hinted = false;
  Patience patience(memory_, redelivery ? kRedelivery : 0);
  for (;;) {
    const unsigned r = redelivery ? kRedelivery : place.segment;
    Word seen = cell(r, place.at).load(std::memory_order_seq_cst);
    const Cell c = Cell::of(seen);
    const std::int64_t laps = ahead(c, r, place.at);
    if (laps == 0 && c.kind() == Kind::full) {
      const std::uint32_t block = checked(c.block());
      const Cell taken{c.lap(), Kind::taken, me_, block};
      // TAKE. Acquire: sees the payload, and through the producer's release the block's pos.
      if (!cell(r, place.at)
               .compare_exchange_strong(seen, taken.word(), std::memory_order_seq_cst,
                                        std::memory_order_relaxed)) {
        continue;  // another took it
      }
      out = {r, place.at, taken};
      remember(mine, hint, {place.segment, place.at + 1});
      memory_.prefetch(r, index_of(r, place.at + kLookAhead), Kind::full);
      return Take::done;
    }
    if (!hinted) {
      // Others have been here since, perhaps so many that a lap of ours means nothing any more.
      hinted = true;
      const Place later = std::max(place, start(mine, hint));
      if (later != place) {
        place = later;
        continue;
      }
    }
    if (laps < 0 || (laps == 0 && c.kind() == Kind::empty)) {
      mine.store(place.word(), std::memory_order_relaxed);
      out.at = place.at;
      return Take::empty;
    }
    if (laps > 0) {
      place.at = beyond(r, place.at, laps);
    } else if (c.kind() == Kind::taken) {
      ++place.at;
      continue;
    } else {
      if (redelivery) throw Damaged("the queue's shared memory ends where it has no end");
      const auto next = follow(c);
      if (!next) return Take::closed;
      place = *next;
    }
    patience.jump();
  }
}

template <class Memory>
Take Ring<Memory>::take(Taken& out) {
  for (;;) {
    Word nothing_at = my_redelivery_head_.load(std::memory_order_relaxed);
    Cell back = Cell::of(cell(kRedelivery, nothing_at).load(std::memory_order_seq_cst));
    if (!unpublished(back, kRedelivery, nothing_at)) {
      if (take_from(true, out) == Take::done) return Take::done;
      nothing_at = out.at;
    }
    const Take main = take_from(false, out);
    if (main == Take::done) return main;
    // An item may have come back since, before another took the last one here: look again.
    back = Cell::of(cell(kRedelivery, nothing_at).load(std::memory_order_seq_cst));
    if (unpublished(back, kRedelivery, nothing_at)) return main;
  }
}

template <class Memory>
void Ring<Memory>::consume(const Taken& taken) {
  // Not a compare-and-swap: only helpers change it beside us, and they lose to this.
  memory_.state(taken.cell.block())
      .store(state_of(taken).freed().word(), std::memory_order_release);
}

template <class Memory>
void Ring<Memory>::help_state(unsigned ring, Word at, Cell taken) {
  const std::uint32_t block = checked(taken.block());
  // In this order: an older state with a newer pos fails the comparison.
  Word seen = memory_.state(block).load(std::memory_order_acquire);
  const Word pos = memory_.pos(block).load(std::memory_order_acquire);
  const State state = State::of(seen);
  if (state.holder() != Holder::claimed && state.holder() != Holder::redeliver) return;
  if (pos != pos_at(state, ring, at).word()) return;
  // Once: after a failure the block is at a later holder, and none of our business.
  memory_.state(block).compare_exchange_strong(
      seen, state.held_by(taken.owner(), Holder::inflight).word(), std::memory_order_acq_rel,
      std::memory_order_relaxed);
}

template <class Memory>
void Ring<Memory>::help_release(unsigned ring, Word at, Cell taken) {
  help_state(ring, at, taken);
  Word seen = taken.word();
  const Cell empty{taken.lap() + 1, Kind::empty, 0, 0};
  cell(ring, at).compare_exchange_strong(seen, empty.word(), std::memory_order_release,
                                         std::memory_order_relaxed);
}

template <class Memory>
Held Ring<Memory>::hold(const Taken& taken) {
  help_release(taken.ring, taken.at, taken.cell);
  const std::uint32_t block = taken.cell.block();
  const State state = State::of(memory_.state(block).load(std::memory_order_acquire));
  if (state.holder() != Holder::inflight || state.owner() != me_) {
    throw Damaged("the queue's shared memory gave a taken block away");
  }
  return {block, state};
}

template <class Memory>
Held Ring<Memory>::hold(const Taken& taken, Word until) {
  Held held = hold(taken);
  memory_.lease_end(held.block).store(until, std::memory_order_relaxed);
  held.state = held.state.held_by(me_, Holder::lease);
  // Twice: this one is for others, should this process be stopped before the second, and that one
  // for those who looked in between.
  note_expiry(until);
  // Nobody else changes what is INFLIGHT while its owner lives.
  memory_.state(held.block).store(held.state.word(), std::memory_order_seq_cst);
  note_expiry(until);
  return held;
}

template <class Memory>
bool Ring<Memory>::more(Word beyond) {
  Place head = checked(Place::of(my_head_.load(std::memory_order_relaxed)));
  head.at += beyond;
  const Cell c = Cell::of(cell(head.segment, head.at).load(std::memory_order_seq_cst));
  return c.kind() == Kind::full && ahead(c, head.segment, head.at) == 0;
}

template <class Memory>
bool Ring<Memory>::ack(const Held& held) {
  Word seen = held.state.word();
  const bool mine = memory_.state(held.block)
                        .compare_exchange_strong(seen, held.state.freed().word(),
                                                 std::memory_order_seq_cst,
                                                 std::memory_order_relaxed);
  if (mine) {
    memory_.wake(Event::block_freed, kEveryone);
    memory_.wake(Event::all_done, kEveryone);
  }
  return mine;
}

template <class Memory>
bool Ring<Memory>::nack(const Held& held) {
  return give_back(held.block, held.state, me_);
}

// False: the block is at a later state.
template <class Memory>
bool Ring<Memory>::give_back(std::uint32_t block, State from, unsigned by) {
  // First, as there may be no memory: the block stays where it is then.
  const Word at = memory_.hint(Hint::redelivery_tail).load(std::memory_order_acquire);
  memory_.make_redelivery(index_of(kRedelivery, at) + 2);
  Word seen = from.word();
  const State back = from.given_back_by(by);
  if (!memory_.state(block).compare_exchange_strong(seen, back.word(), std::memory_order_acq_rel,
                                                    std::memory_order_relaxed)) {
    return false;
  }
  redeliver(block, back);
  return true;
}

template <class Memory>
void Ring<Memory>::put_back(const Claim& claim) {
  // Nobody else changes what is CLAIMED while its owner lives, nor what is INFLIGHT.
  const State held = claim.state.held_by(me_, Holder::inflight);
  memory_.state(claim.block).store(held.word(), std::memory_order_seq_cst);
  static_cast<void>(nack({claim.block, held}));
}

// By way of INFLIGHT, which nobody ends: a deadline stored into a lease that was lost meanwhile
// would be another's.
template <class Memory>
bool Ring<Memory>::touch(Held& held, Word until) {
  Atomic& word = memory_.state(held.block);
  Word seen = held.state.word();
  const State before = held.state;
  const State state{before.generation() + 1, before.deliveries(), Holder::inflight, me_};
  if (!word.compare_exchange_strong(seen, state.word(), std::memory_order_acq_rel,
                                    std::memory_order_relaxed)) {
    return false;
  }
  // As unclaim(): touched for long, the generation could come round to its position.
  memory_.pos(held.block).store(Pos::kNone, std::memory_order_release);
  memory_.lease_end(held.block).store(until, std::memory_order_relaxed);
  held.state = state.held_by(me_, Holder::lease);
  word.store(held.state.word(), std::memory_order_release);
  note_expiry(until);
  return true;
}

template <class Memory>
void Ring<Memory>::note_expiry(Word until) {
  Atomic& next = memory_.next_expiry();
  Word seen = next.load(std::memory_order_seq_cst);
  while (seen == 0 || seen > until) {
    if (next.compare_exchange_strong(seen, until, std::memory_order_seq_cst,
                                     std::memory_order_seq_cst)) {
      return;
    }
  }
}

template <class Memory>
void Ring<Memory>::expire(Word now) {
  // A queue that has known leases looks at them at least this often: then it does not matter who
  // was stopped or killed while it looked.
  constexpr Word kAgain = 1'000'000'000;
  Atomic& next = memory_.next_expiry();
  Word seen = next.load(std::memory_order_relaxed);
  // Before the look: who leases afterwards notes its own end. Fails for somebody else who looks,
  // and then it is not time yet, or for such a note.
  do {
    if (seen == 0 || seen > now) return;
  } while (!next.compare_exchange_strong(seen, now + kAgain, std::memory_order_seq_cst,
                                         std::memory_order_relaxed));
  each_block([&](std::uint32_t block) {
    const State state = State::of(memory_.state(block).load(std::memory_order_seq_cst));
    if (state.holder() != Holder::lease) return;
    const Word until = memory_.lease_end(block).load(std::memory_order_relaxed);
    if (until > now) return note_expiry(until);
    give_back(block, state, me_);
  });
}

template <class Memory>
void Ring<Memory>::redeliver(std::uint32_t block, State state) {
  Patience patience(memory_, kRedelivery);
  Word at = memory_.hint(Hint::redelivery_tail).load(std::memory_order_acquire);
  for (;;) {
    memory_.make_redelivery(index_of(kRedelivery, at) + 2);
    Word seen = cell(kRedelivery, at).load(std::memory_order_acquire);
    const Cell c = Cell::of(seen);
    const std::int64_t laps = ahead(c, kRedelivery, at);
    if (laps > 0) {
      at = beyond(kRedelivery, at, laps);
    } else if (laps == 0 && c.kind() != Kind::empty) {
      ++at;
      continue;
    } else if (laps == 0) {
      memory_.pos(block).store(pos_at(state, kRedelivery, at).word(), std::memory_order_release);
      const Cell full{lap_of(kRedelivery, at), Kind::full, 0, block};
      if (cell(kRedelivery, at)
              .compare_exchange_strong(seen, full.word(), std::memory_order_seq_cst,
                                       std::memory_order_relaxed)) {
        break;
      }
      continue;
    } else if (laps == -1 && c.kind() == Kind::taken) {
      help_release(kRedelivery, at - memory_.cells(kRedelivery), c);
    } else {
      patience.retry();
    }
    patience.jump();
  }
  memory_.hint(Hint::redelivery_tail).store(at + 1, std::memory_order_release);
  memory_.wake(Event::not_empty, 1);
}

template <class Memory>
Take Ring<Memory>::look() {
  const auto first = [&](unsigned ring, Place place) {
    Patience patience(memory_, ring);
    for (;;) {
      const unsigned r = ring == kRedelivery ? kRedelivery : place.segment;
      const Cell c = Cell::of(cell(r, place.at).load(std::memory_order_seq_cst));
      const std::int64_t laps = ahead(c, r, place.at);
      if (unpublished(c, r, place.at)) return Take::empty;
      if (laps == 0 && c.kind() == Kind::full) return Take::done;
      if (laps > 0) {
        place.at = beyond(r, place.at, laps);
      } else if (c.kind() == Kind::end) {
        if (r == kRedelivery) throw Damaged("the queue's shared memory ends where it has no end");
        const auto next = follow(c);
        if (!next) return Take::closed;
        place = *next;
      } else {
        ++place.at;
        continue;
      }
      patience.jump();
    }
  };
  const Word back = memory_.hint(Hint::redelivery_head).load(std::memory_order_acquire);
  if (first(kRedelivery, {0, back}) == Take::done) return Take::done;
  const Take main = first(0, start(my_head_, Hint::head));
  if (main == Take::done) return main;
  // An item may have come back since, before another took the last one here.
  return first(kRedelivery, {0, back}) == Take::done ? Take::done : main;
}

template <class Memory>
Word Ring<Memory>::size() {
  const auto count = [&](unsigned ring, Place place) {
    Word items = 0;
    Patience patience(memory_, ring);
    for (;;) {
      const unsigned r = ring == kRedelivery ? kRedelivery : place.segment;
      const Cell c = Cell::of(cell(r, place.at).load(std::memory_order_acquire));
      const std::int64_t laps = ahead(c, r, place.at);
      if (laps < 0 || (laps == 0 && c.kind() == Kind::empty)) return items;
      if (laps > 0) {
        place.at = beyond(r, place.at, laps);
        items = 0;  // all of it was taken while we walked
      } else if (c.kind() == Kind::end) {
        const auto next = follow(c);
        if (!next) return items;
        place = *next;
      } else {
        items += c.kind() == Kind::full ? 1 : 0;
        ++place.at;
        continue;
      }
      patience.jump();
    }
  };
  const Word back = memory_.hint(Hint::redelivery_head).load(std::memory_order_acquire);
  return count(kRedelivery, {0, back}) + count(0, start(my_head_, Hint::head));
}

}  // namespace steward::detail::shm
