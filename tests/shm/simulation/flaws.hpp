// Ring with one rule taken away at a time: what the simulation must find.
//
// Each flaw is a name for the memory and a member of Ring that is written again for it. The rest is
// the real code.
#pragma once

#include <steward/tests/shm/simulation/memory.hpp>

namespace steward::detail::test {

struct EmptyAfterOneLook {};
struct PosWithoutGeneration {};
struct RecoveryTrustsTheCell {};
struct RecoveryStores {};
struct RecoversBlocksFirst {};
struct CellBeforeHeader {};
struct PublishesOverAnUntoldHeader {};
struct PublishesWithoutASecondLook {};
struct CommitIsAStore {};
struct TakeIsAStore {};
struct ConsumesByComparison {};
struct AckIsAStore {};
struct FullByTheHintAlone {};
struct RemembersTooMuch {};
struct ExpiresByAStore {};
struct TouchStoresTheEndFirst {};
struct NotesNoExpiry {};
struct JoinsAfterOneLook {};
struct ClosesByAStore {};
struct GrowsByAStore {};

}  // namespace steward::detail::test

namespace steward::detail::shm {

template <class Flaw>
using Flawed = test::SimulatedMemory<Flaw>;

template <>
inline Take Ring<Flawed<test::EmptyAfterOneLook>>::take(Taken& out) {
  if (take_from(kRedelivery, out) == Take::done) return Take::done;
  return take_from(0, out);
}

template <>
inline Pos Ring<Flawed<test::PosWithoutGeneration>>::pos_at(State, unsigned ring, Word at) const {
  return {0, ring, lap_of(ring, at), static_cast<std::uint32_t>(index_of(ring, at))};
}
template <>
inline bool Ring<Flawed<test::PosWithoutGeneration>>::published(std::uint32_t block, State state) {
  const Word word = memory_.pos(block).load();
  if (word == Pos::kNone) return false;
  const Pos pos = Pos::of(word);
  if ((pos.ring == kRedelivery) != (state.holder() == Holder::redeliver)) return false;
  const Cell c = Cell::of(memory_.cell(pos.ring, pos.index).load());
  return (c.lap() & words::kMask<20>) == pos.lap &&
         (c.kind() == Kind::full || c.kind() == Kind::taken) && c.block() == block;
}

template <>
inline void Ring<Flawed<test::RecoveryTrustsTheCell>>::recover_block(unsigned owner,
                                                                     std::uint32_t block) {
  Atomic& word = memory_.state(block);
  Word seen = word.load();
  const State state = State::of(seen);
  if (state.owner() != owner) return;
  if (state.holder() == Holder::inflight || state.holder() == Holder::lease) {
    const State back = state.given_back_by(owner);
    if (word.compare_exchange_strong(seen, back.word())) redeliver(block, back);
  } else if (state.holder() == Holder::redeliver) {
    if (!published(block, state)) redeliver(block, state);
  } else if (state.holder() == Holder::claimed && !published(block, state)) {
    word.compare_exchange_strong(seen, state.freed().word());
  }
}

template <>
inline void Ring<Flawed<test::RecoveryStores>>::recover_block(unsigned owner,
                                                              std::uint32_t block) {
  Atomic& word = memory_.state(block);
  const State state = State::of(word.load());
  if (state.owner() != owner) return;
  if (state.holder() == Holder::inflight || state.holder() == Holder::lease) {
    const State back = state.given_back_by(owner);
    word.store(back.word());
    redeliver(block, back);
  } else if (state.holder() == Holder::redeliver) {
    if (!published(block, state) && word.load() == state.word()) redeliver(block, state);
  } else if (state.holder() == Holder::claimed && !published(block, state)) {
    word.store(state.freed().word());
  }
}

template <>
inline void Ring<Flawed<test::RecoversBlocksFirst>>::recover(unsigned owner) {
  each_block([&](std::uint32_t block) { recover_block(owner, block); });
  for (unsigned s = 0; s < memory_.ready_segments(); ++s) recover_cells(owner, s);
  recover_cells(owner, kRedelivery);
}

template <>
inline void Ring<Flawed<test::CellBeforeHeader>>::help_release(unsigned ring, Word at, Cell taken) {
  Word seen = taken.word();
  const Cell empty{taken.lap() + 1, Kind::empty, 0, 0};
  cell(ring, at).compare_exchange_strong(seen, empty.word());
  help_state(ring, at, taken);
}

template <>
inline Put Ring<Flawed<test::PublishesOverAnUntoldHeader>>::publish(const Claim& claim,
                                                                    Spot& spot) {
  for (;;) {
    const Place at = spot.place;
    memory_.pos(claim.block).store(pos_at(claim.state, at.segment, at.at).word());
    const Cell full{lap_of(at.segment, at.at), Kind::full, 0, claim.block};
    if (cell(at.segment, at.at).compare_exchange_strong(spot.seen, full.word())) return Put::done;
    if (const Put room = find_room(spot); room != Put::done) return room;
  }
}

template <>
inline Put Ring<Flawed<test::PublishesWithoutASecondLook>>::publish(const Claim& claim,
                                                                    Spot& spot) {
  for (;;) {
    const Place at = spot.place;
    const Cell c = Cell::of(spot.seen);
    if (c.kind() == Kind::taken && c.block() != claim.block) {
      help_state(at.segment, at.at - memory_.cells(at.segment), c);
    }
    memory_.pos(claim.block).store(pos_at(claim.state, at.segment, at.at).word());
    const Cell full{lap_of(at.segment, at.at), Kind::full, 0, claim.block};
    if (cell(at.segment, at.at).compare_exchange_strong(spot.seen, full.word())) return Put::done;
    if (const Put room = find_room(spot); room != Put::done) return room;
  }
}

template <>
inline Put Ring<Flawed<test::CommitIsAStore>>::publish(const Claim& claim, Spot& spot) {
  const Place at = spot.place;
  const Cell c = Cell::of(spot.seen);
  if (c.kind() == Kind::taken) help_state(at.segment, at.at - memory_.cells(at.segment), c);
  memory_.pos(claim.block).store(pos_at(claim.state, at.segment, at.at).word());
  cell(at.segment, at.at).store(Cell{lap_of(at.segment, at.at), Kind::full, 0, claim.block}.word());
  return Put::done;
}

template <>
inline Take Ring<Flawed<test::TakeIsAStore>>::take(Taken& out) {
  for (Place place = start(my_head_, Hint::head);;) {
    Atomic& word = cell(place.segment, place.at);
    const Cell c = Cell::of(word.load());
    const std::int64_t laps = ahead(c, place.segment, place.at);
    if (laps < 0 || (laps == 0 && c.kind() == Kind::empty)) return Take::empty;
    if (laps > 0) {
      place.at = beyond(place.segment, place.at, laps);
    } else if (c.kind() == Kind::taken) {
      ++place.at;
    } else {
      const Cell taken{c.lap(), Kind::taken, me_, c.block()};
      word.store(taken.word());
      out = {place.segment, place.at, taken};
      return Take::done;
    }
  }
}

// A helper may have told the header meanwhile: only a plain store beats it.
template <>
inline void Ring<Flawed<test::ConsumesByComparison>>::consume(const Taken& taken) {
  auto& word = memory_.state(taken.cell.block());
  Word seen = word.load();
  word.compare_exchange_strong(seen, State::of(seen).freed().word());
}

template <>
inline bool Ring<Flawed<test::AckIsAStore>>::ack(const Held& held) {
  memory_.state(held.block).store(held.state.freed().word());
  return true;
}

template <>
inline Word Ring<Flawed<test::FullByTheHintAlone>>::queued_before(Place tail, Word) {
  return tail.at - std::min(start(my_head_, Hint::head).at, tail.at);
}

template <>
inline void Ring<Flawed<test::RemembersTooMuch>>::remember(Atomic& mine, Hint, Place place) {
  mine.store(Place{place.segment, place.at + 1}.word());
}

template <>
inline void Ring<Flawed<test::ExpiresByAStore>>::expire(Word now) {
  each_block([&](std::uint32_t block) {
    const State state = State::of(memory_.state(block).load());
    if (state.holder() != Holder::lease || memory_.lease_end(block).load() > now) return;
    const State back = state.given_back_by(me_);
    memory_.state(block).store(back.word());
    redeliver(block, back);
  });
}

template <>
inline bool Ring<Flawed<test::TouchStoresTheEndFirst>>::touch(Held& held, Word until) {
  memory_.lease_end(held.block).store(until);
  Word seen = held.state.word();
  const State before = held.state;
  const State state{before.generation() + 1, before.deliveries(), Holder::inflight, me_};
  Atomic& word = memory_.state(held.block);
  if (!word.compare_exchange_strong(seen, state.word())) return false;
  held.state = state.held_by(me_, Holder::lease);
  word.store(held.state.word());
  note_expiry(until);
  return true;
}

template <>
inline void Ring<Flawed<test::NotesNoExpiry>>::note_expiry(Word until) {
  Atomic& next = memory_.next_expiry();
  if (next.load() == 0) next.store(until);
}

template <>
template <class Also>
inline bool Ring<Flawed<test::JoinsAfterOneLook>>::nothing_unfinished(Also also) {
  bool none = true;
  each_block([&](std::uint32_t block) { none = none && !holds_message(block); });
  return none && also();
}

template <>
inline void Ring<Flawed<test::ClosesByAStore>>::close() {
  Spot spot{start(my_tail_, Hint::tail), 0};
  if (!find_tail(spot)) return;
  const Place at = spot.place;
  const Cell c = Cell::of(spot.seen);
  if (c.kind() == Kind::taken) help_state(at.segment, at.at - memory_.cells(at.segment), c);
  cell(at.segment, at.at).store(Cell{lap_of(at.segment, at.at), Kind::end, 0, 0}.word());
}

template <>
inline bool Ring<Flawed<test::GrowsByAStore>>::grow(const Spot& spot) {
  const Place at = spot.place;
  const unsigned next = at.segment + 1;
  if (next >= memory_.segments()) return false;
  memory_.make_segment(next);
  cell(at.segment, at.at).store(Cell{lap_of(at.segment, at.at), Kind::end, 0, next}.word());
  return true;
}

}  // namespace steward::detail::shm
