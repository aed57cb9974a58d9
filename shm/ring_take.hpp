// Ring: taking, holding, giving back, and what is there. Included by ring.hpp, which
// states the Thread safety and the Invariants.
#pragma once

#include <algorithm>

#include <steward/shm/ring.hpp>

namespace steward::shm {

template <class Memory>
bool Ring<Memory>::unpublished(Cell c, unsigned ring, Word at) const {
  const std::int64_t laps = ahead(c, ring, at);
  return laps < 0 || (laps == 0 && c.kind == Kind::empty);
}

// Leaves in `out` what was taken or, where there was nothing, the position without it.
template <class Memory>
Take Ring<Memory>::take_from(unsigned ring, Taken& out) {
  const bool main = ring != kRedelivery;
  Atomic& mine = main ? my_head_ : my_redelivery_head_;
  const Hint hint = main ? Hint::head : Hint::redelivery_head;
  Place place = main ? start(mine, hint)
                     : Place{0, std::max(mine.load(std::memory_order_relaxed),
                                         memory_.hint(hint).load(std::memory_order_acquire))};
  Patience patience(memory_, ring);
  for (;;) {
    const unsigned r = main ? place.segment : kRedelivery;
    Word seen = cell(r, place.at).load(std::memory_order_seq_cst);
    const Cell c = Cell::of(seen);
    const std::int64_t laps = ahead(c, r, place.at);
    if (laps < 0 || (laps == 0 && c.kind == Kind::empty)) {
      mine.store(place.word(), std::memory_order_relaxed);
      out = {r, place.at, {}, {}};
      return Take::empty;
    }
    if (laps > 0) {
      place.at = beyond(r, place.at, laps);
    } else if (c.kind == Kind::taken) {
      ++place.at;
      continue;
    } else if (c.kind == Kind::end) {
      if (!main) throw Damaged("the queue's shared memory ends where it has no end");
      const auto next = follow(c);
      if (!next) return Take::closed;
      place = *next;
    } else {
      const std::uint32_t block = checked(c.block);
      const Cell taken{c.lap, Kind::taken, me_, block};
      // TAKE. Acquire: sees the payload, and through the producer's release the block's pos.
      if (cell(r, place.at)
              .compare_exchange_strong(seen, taken.word(), std::memory_order_seq_cst,
                                       std::memory_order_relaxed)) {
        out = {r, place.at, taken,
               State::of(memory_.state(block).load(std::memory_order_acquire))};
        remember(mine, hint, {place.segment, place.at + 1});
        return Take::done;
      }
      continue;  // another took it
    }
    patience.spend();
  }
}

template <class Memory>
Take Ring<Memory>::take(Taken& out) {
  for (;;) {
    if (take_from(kRedelivery, out) == Take::done) return Take::done;
    const Word nothing_at = out.at;
    const Take main = take_from(0, out);
    if (main == Take::done) return main;
    // An item may have come back since, before another took the last one here: look again.
    const Cell c = Cell::of(cell(kRedelivery, nothing_at).load(std::memory_order_seq_cst));
    if (unpublished(c, kRedelivery, nothing_at)) return main;
  }
}

template <class Memory>
void Ring<Memory>::consume(const Taken& taken) {
  Atomic& word = memory_.state(taken.cell.block);
  // Not a compare-and-swap: only helpers change it beside us, and they lose to this.
  word.store(taken.state.freed().word(), std::memory_order_release);
}

template <class Memory>
void Ring<Memory>::help_state(unsigned ring, Word at, Cell taken) {
  const std::uint32_t block = checked(taken.block);
  // In this order: an older state with a newer pos fails the comparison.
  Word seen = memory_.state(block).load(std::memory_order_acquire);
  const Word pos = memory_.pos(block).load(std::memory_order_acquire);
  const State state = State::of(seen);
  if (state.holder != Holder::claimed && state.holder != Holder::redeliver) return;
  if (pos != pos_at(state, ring, at).word()) return;
  // Once: after a failure the block is at a later holder, and none of our business.
  memory_.state(block).compare_exchange_strong(
      seen, state.held_by(taken.owner, Holder::inflight).word(), std::memory_order_acq_rel,
      std::memory_order_relaxed);
}

template <class Memory>
void Ring<Memory>::help_release(unsigned ring, Word at, Cell taken) {
  help_state(ring, at, taken);
  Word seen = taken.word();
  const Cell empty{taken.lap + 1, Kind::empty, 0, 0};
  cell(ring, at).compare_exchange_strong(seen, empty.word(), std::memory_order_release,
                                         std::memory_order_relaxed);
}

template <class Memory>
Held Ring<Memory>::hold(const Taken& taken) {
  help_release(taken.ring, taken.at, taken.cell);
  const std::uint32_t block = taken.cell.block;
  const State state = State::of(memory_.state(block).load(std::memory_order_acquire));
  if (state.holder != Holder::inflight || state.owner != me_) {
    throw Damaged("the queue's shared memory gave a taken block away");
  }
  return {block, state};
}

template <class Memory>
Held Ring<Memory>::hold(const Taken& taken, Word until) {
  Held held = hold(taken);
  memory_.lease_end(held.block).store(until, std::memory_order_relaxed);
  held.state.holder = Holder::lease;
  // Nobody else changes what is INFLIGHT while its owner lives.
  memory_.state(held.block).store(held.state.word(), std::memory_order_seq_cst);
  note_expiry(until);
  return held;
}

template <class Memory>
bool Ring<Memory>::more() {
  const Place head = checked(Place::of(my_head_.load(std::memory_order_relaxed)));
  const Cell c = Cell::of(cell(head.segment, head.at).load(std::memory_order_seq_cst));
  return c.kind == Kind::full && ahead(c, head.segment, head.at) == 0;
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
  Word seen = held.state.word();
  const State back = held.state.given_back_by(me_);
  if (!memory_.state(held.block)
           .compare_exchange_strong(seen, back.word(), std::memory_order_acq_rel,
                                    std::memory_order_relaxed)) {
    return false;
  }
  redeliver(held.block, back);
  return true;
}

// By way of INFLIGHT, which nobody ends: a deadline stored into a lease that was lost meanwhile
// would be another's.
template <class Memory>
bool Ring<Memory>::touch(Held& held, Word until) {
  Atomic& word = memory_.state(held.block);
  Word seen = held.state.word();
  State state = held.state;
  ++state.generation;
  state.holder = Holder::inflight;
  if (!word.compare_exchange_strong(seen, state.word(), std::memory_order_acq_rel,
                                    std::memory_order_relaxed)) {
    return false;
  }
  memory_.lease_end(held.block).store(until, std::memory_order_relaxed);
  state.holder = Holder::lease;
  word.store(state.word(), std::memory_order_release);
  held.state = state;
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
  if (seen == 0 || seen > now) return;
  // Before the look: who leases afterwards notes its own end.
  if (!next.compare_exchange_strong(seen, now + kAgain, std::memory_order_seq_cst,
                                    std::memory_order_relaxed)) {
    return;  // somebody else looks
  }
  each_block([&](std::uint32_t block) {
    Word word = memory_.state(block).load(std::memory_order_seq_cst);
    const State state = State::of(word);
    if (state.holder != Holder::lease) return;
    const Word until = memory_.lease_end(block).load(std::memory_order_relaxed);
    if (until > now) return note_expiry(until);
    const State back = state.given_back_by(me_);
    if (memory_.state(block).compare_exchange_strong(word, back.word(), std::memory_order_acq_rel,
                                                     std::memory_order_relaxed)) {
      redeliver(block, back);
    }
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
    } else if (laps == 0 && c.kind != Kind::empty) {
      ++at;
      continue;
    } else if (laps == 0) {
      memory_.pos(block).store(pos_at(state, kRedelivery, at).word(), std::memory_order_relaxed);
      const Cell full{lap_of(kRedelivery, at), Kind::full, 0, block};
      if (cell(kRedelivery, at)
              .compare_exchange_strong(seen, full.word(), std::memory_order_seq_cst,
                                       std::memory_order_relaxed)) {
        break;
      }
      continue;
    } else if (laps == -1 && c.kind == Kind::taken) {
      help_release(kRedelivery, at - memory_.cells(kRedelivery), c);
    }
    patience.spend();
  }
  memory_.hint(Hint::redelivery_tail).store(at + 1, std::memory_order_release);
  memory_.wake(Event::not_empty, 1);
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
      if (laps < 0 || (laps == 0 && c.kind == Kind::empty)) return items;
      if (laps > 0) {
        place.at = beyond(r, place.at, laps);
        items = 0;  // all of it was taken while we walked
      } else if (c.kind == Kind::end) {
        const auto next = follow(c);
        if (!next) return items;
        place = *next;
      } else {
        items += c.kind == Kind::full ? 1 : 0;
        ++place.at;
        continue;
      }
      patience.spend();
    }
  };
  const Word back = memory_.hint(Hint::redelivery_head).load(std::memory_order_acquire);
  return count(kRedelivery, {0, back}) + count(0, start(my_head_, Hint::head));
}

}  // namespace steward::shm
