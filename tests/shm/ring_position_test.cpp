// A position knows its block's generation by 16 bits. When these have come round, an old position
// must not pass for a new one: not for who was stopped for long, nor for who recovers a dead one.
#include <optional>
#include <string>

#include <gtest/gtest.h>

#include <steward/tests/shm/simulation/every.hpp>
#include <steward/tests/shm/simulation/memory.hpp>

namespace steward::detail::test {

struct TouchKeepsThePosition {};
struct UnclaimKeepsThePosition {};

}  // namespace steward::detail::test

namespace steward::detail::shm {

template <>
inline bool Ring<test::SimulatedMemory<test::TouchKeepsThePosition>>::touch(Held& held,
                                                                            Word until) {
  Atomic& word = memory_.state(held.block);
  Word seen = held.state.word();
  const State before = held.state;
  const State state{before.generation() + 1, before.deliveries(), Holder::inflight, me_};
  if (!word.compare_exchange_strong(seen, state.word())) return false;
  memory_.lease_end(held.block).store(until);
  held.state = state.held_by(me_, Holder::lease);
  word.store(held.state.word());
  return true;
}

template <>
inline void Ring<test::SimulatedMemory<test::UnclaimKeepsThePosition>>::unclaim(
    const Claim& claim) {
  memory_.state(claim.block).store(claim.state.freed().word());
}

}  // namespace steward::detail::shm

namespace steward::detail::test {
namespace {

constexpr Word kGenerations = Word{1} << 16U;

class Nobody : public Observer {
  void touched(const WordName&, Word, Word) override {}
};

template <class Memory>
bool put(shm::Ring<Memory>& ring) {
  shm::Spot spot;
  shm::Claim claim;
  return ring.find_room(spot) == shm::Put::done && ring.claim(0, &spot, claim) &&
         ring.publish(claim, spot) == shm::Put::done;
}

template <class Memory>
shm::Taken take(shm::Ring<Memory>& ring) {
  shm::Taken taken;
  EXPECT_EQ(ring.take(taken), shm::Take::done);
  return taken;
}

// As if that many changes had been made one after the other: nothing but the generation is another
// after them.
template <class Memory>
shm::State later(Memory& memory, std::uint32_t block, shm::State was, Word generations) {
  const shm::State is{was.generation() + generations, was.deliveries(), was.holder(), was.owner()};
  memory.state(block).begin_as({Role::state, 0, block}, is.word());
  return is;
}

// The producer of the next lap finds the consumer's cell and is stopped; the consumer keeps its
// lease for 65535 touches and then gives the item back, by one generation more. Says what is wrong.
template <class Flaw>
std::optional<std::string> touched_for_long(Strategy& strategy) {
  using Ring = shm::Ring<SimulatedMemory<Flaw>>;
  Scheduler scheduler;
  Nobody nobody;
  SimulatedMemory<Flaw> memory({.maxsize = 1, .cells = {2}, .blocks = 3});
  Ring consumer(memory, 1);
  Ring producer(memory, 2);
  EXPECT_TRUE(put(producer));
  const shm::Taken taken = take(consumer);
  EXPECT_TRUE(put(producer));
  producer.consume(take(producer));

  bool answered = false;
  scheduler.start(0, 1, [&] {
    shm::Held held = consumer.hold(taken, 1);
    held.state = later(memory, held.block, held.state, kGenerations - 2);
    answered = consumer.touch(held, 1) && consumer.nack(held);
  });
  scheduler.start(1, 2, [&] { static_cast<void>(put(producer)); });
  Simulation::scheduler = &scheduler;
  Simulation::observer = &nobody;
  const bool ran = scheduler.run(strategy);
  Simulation::scheduler = nullptr;
  if (!ran) return scheduler.violation();
  if (!answered) return "the lease was lost";

  const shm::Taken again = take(producer);
  if (!producer.redelivered(again)) return "what was given back is not what is taken";
  try {
    producer.hold(again);
  } catch (const shm::Damaged& damaged) {
    return damaged.what();
  }
  return std::nullopt;
}

// Under every schedule with two preemptions.
template <class Flaw>
std::optional<std::string> ever_touched_for_long() {
  EverySchedule strategy(2, 0);
  std::optional<std::string> wrong;
  while (!wrong && strategy.another()) wrong = touched_for_long<Flaw>(strategy);
  return wrong;
}

TEST(RingPosition, OfALeaseThatIsTouchedForLongIsNotMetAgain) {
  EXPECT_EQ(ever_touched_for_long<NoFlaw>(), std::nullopt);
}

TEST(RingPosition, ATouchThatKeepsThePositionIsFound) {
  EXPECT_NE(ever_touched_for_long<TouchKeepsThePosition>(), std::nullopt);
}

// A block whose item is gone, named by the taken cell still, is claimed and not published for 65535
// times; whoever claims it then has the generation of that cell. Whether it keeps it beside another
// producer, who puts over that cell.
template <class Flaw>
bool keeps_a_claim_after_many() {
  SimulatedMemory<Flaw> memory({.maxsize = 1, .cells = {2}, .blocks = 3});
  shm::Ring<SimulatedMemory<Flaw>> first(memory, 1);
  shm::Ring<SimulatedMemory<Flaw>> second(memory, 2);
  EXPECT_TRUE(put(first));
  const shm::Taken taken = take(first);
  const auto once = shm::State::of(memory.state(taken.cell.block()).peek());
  first.consume(taken);

  const shm::Spot spot{{}, taken.cell.word()};  // names the block that is to be claimed
  shm::Claim claim;
  EXPECT_TRUE(first.claim(0, &spot, claim));
  claim.state = later(memory, claim.block, claim.state, kGenerations - 2);
  first.unclaim(claim);
  EXPECT_TRUE(first.claim(0, &spot, claim));
  EXPECT_EQ(claim.block, taken.cell.block());
  EXPECT_EQ(claim.state.generation() % kGenerations, once.generation());

  EXPECT_TRUE(put(second));
  second.consume(take(second));
  EXPECT_TRUE(put(second));
  return memory.state(claim.block).peek() == claim.state.word();
}

TEST(RingPosition, OfAnItemThatIsGoneIsNotThatOfALaterClaim) {
  EXPECT_TRUE(keeps_a_claim_after_many<NoFlaw>());
}

TEST(RingPosition, AnUnclaimThatKeepsThePositionIsFound) {
  EXPECT_FALSE(keeps_a_claim_after_many<UnclaimKeepsThePosition>());
}

// The same claim, whose owner is killed: the block is free again and not taken for published.
template <class Flaw>
bool frees_a_dead_claim_after_many() {
  SimulatedMemory<Flaw> memory({.maxsize = 1, .cells = {2}, .blocks = 3});
  shm::Ring<SimulatedMemory<Flaw>> dead(memory, 1);
  shm::Ring<SimulatedMemory<Flaw>> other(memory, 2);
  EXPECT_TRUE(put(dead));
  const shm::Taken taken = take(other);
  other.consume(taken);

  const shm::Spot spot{{}, taken.cell.word()};
  shm::Claim claim;
  EXPECT_TRUE(dead.claim(0, &spot, claim));
  claim.state = later(memory, claim.block, claim.state, kGenerations - 2);
  dead.unclaim(claim);
  EXPECT_TRUE(dead.claim(0, &spot, claim));

  other.recover(1);
  return shm::State::of(memory.state(claim.block).peek()).holder() == shm::Holder::free;
}

TEST(RingPosition, OfAnItemThatIsGoneHidesNoDeadClaim) {
  EXPECT_TRUE(frees_a_dead_claim_after_many<NoFlaw>());
}

TEST(RingPosition, AnUnclaimThatKeepsThePositionHidesOne) {
  EXPECT_FALSE(frees_a_dead_claim_after_many<UnclaimKeepsThePosition>());
}

}  // namespace
}  // namespace steward::detail::test
