// Small settings of the ring, each under every schedule with two preemptions and a death anywhere.
#include <cstdlib>

#include <gtest/gtest.h>

#include <steward/tests/shm/simulation/every.hpp>
#include <steward/tests/shm/simulation/flaws.hpp>

namespace steward::detail::test {
namespace {

struct Small {
  std::vector<Script> processes;
  unsigned puts = 0;   // before they begin; with two cells that share one lap
  unsigned takes = 0;  // of these
  QueuePlan plan{};
  unsigned preemptions = 2;
  unsigned deaths = 1;
};

Setting setting_of(const Small& small) {
  Setting setting;
  setting.plan = small.plan;
  for (const auto& script : small.processes) setting.processes.push_back({{script}});
  setting.puts_before = small.puts;
  setting.takes_before = small.takes;
  setting.leaves = false;
  return setting;
}

// The long run has one death more: that of who recovers the first, among others.
Counts every(const Small& small) {
  const Setting setting = setting_of(small);
  Counts counts;
  Scheduler scheduler;
  World<> world(scheduler, counts);
  EverySchedule strategy(small.preemptions,
                         small.deaths + (std::getenv("STEWARD_FULL") != nullptr ? 1 : 0));
  while (strategy.another()) {
    if (const auto wrong = world.run(setting, strategy)) {
      ADD_FAILURE() << "schedule " << counts.schedules << ": " << *wrong;
      break;
    }
  }
  std::printf("%llu schedules, %llu steps\n", static_cast<unsigned long long>(counts.schedules),
              static_cast<unsigned long long>(counts.steps));
  return counts;
}

TEST(RingEverySchedule, AProducerAndAConsumer) {
  const Counts counts = every({.processes = {{Op::put, Op::put}, {Op::get, Op::get}}});
  EXPECT_GT(counts.taken_again, 0U);
  EXPECT_GT(counts.full, 0U);
}

TEST(RingEverySchedule, TwoProducersOfWhomOneHasRoom) {
  const Counts counts = every({.processes = {{Op::put}, {Op::put}}});
  EXPECT_GT(counts.full, 0U);
  EXPECT_GT(counts.put, counts.schedules / 2);
}

TEST(RingEverySchedule, TwoConsumersOfOneItem) {
  const Counts counts = every({.processes = {{Op::get}, {Op::get}}, .puts = 1});
  EXPECT_GT(counts.taken_again, 0U);
  EXPECT_EQ(counts.consumed, counts.schedules);
}

TEST(RingEverySchedule, GivingBackWhileAnotherTakes) {
  const Counts counts = every({.processes = {{Op::hold, Op::nack}, {Op::get}}, .puts = 1});
  EXPECT_GT(counts.taken_again, counts.schedules / 2);
}

TEST(RingEverySchedule, AnAnswerToALeaseThatEnds) {
  const Counts counts =
      every({.processes = {{Op::lease, Op::ack}, {Op::expire, Op::get}}, .puts = 1});
  EXPECT_GT(counts.lost, 0U);
  EXPECT_GT(counts.acked, 0U);
}

TEST(RingEverySchedule, ALeaseThatIsTouchedAsItEnds) {
  const Counts counts = every({.processes = {{Op::lease, Op::touch}, {Op::expire}}, .puts = 1});
  EXPECT_GT(counts.lost, 0U);
  EXPECT_GT(counts.touched, 0U);
}

TEST(RingEverySchedule, ALeaseIsFoundToBeOverWhileAnotherIsNoted) {
  const Counts counts = every({.processes = {{Op::lease}, {Op::expire, Op::lease, Op::expire}},
                               .puts = 2,
                               .plan = {.maxsize = 2, .cells = {4}},
                               .deaths = 0});
  EXPECT_GT(counts.expired, 0U);
}

TEST(RingEverySchedule, ClosingWhileAnotherPuts) {
  const Counts counts = every({.processes = {{Op::put}, {Op::close}}});
  EXPECT_GT(counts.put, 0U);
  EXPECT_GT(counts.refused_closed, 0U);
}

TEST(RingEverySchedule, ClosingWhileAnotherTakesTheLast) {
  const Counts counts = every({.processes = {{Op::get, Op::get}, {Op::close}}, .puts = 1});
  EXPECT_GT(counts.drained, 0U);
  EXPECT_GT(counts.empty, 0U);
}

TEST(RingEverySchedule, GrowingWhileAnotherTakes) {
  const Counts counts = every({.processes = {{Op::put, Op::put}, {Op::get}},
                               .plan = {.maxsize = 0, .cells = {2, 2, 4}}});
  EXPECT_GT(counts.grown, 0U);
}

TEST(RingEverySchedule, ClosingWhileAnotherGrows) {
  const Counts counts = every({.processes = {{Op::put}, {Op::close}},
                               .puts = 1,
                               .plan = {.maxsize = 0, .cells = {2, 2, 4}}});
  EXPECT_GT(counts.grown, 0U);
  EXPECT_GT(counts.refused_closed, 0U);
}

TEST(RingEverySchedule, TheLapAfterASlowConsumer) {
  const Counts counts =
      every({.processes = {{Op::get}, {Op::put, Op::get, Op::put}}, .puts = 1});
  EXPECT_GT(counts.helped, 0U);
}

TEST(RingEverySchedule, TheLapAfterOneWhoGivesBack) {
  const Counts counts = every(
      {.processes = {{Op::refuse}, {Op::put, Op::get, Op::put}}, .puts = 1, .preemptions = 1});
  EXPECT_GT(counts.helped, 0U);
}

TEST(RingEverySchedule, WaitingForTheLastItemWhileAnotherPuts) {
  const Counts counts = every({.processes = {{Op::join}, {Op::put}}, .puts = 1, .takes = 1});
  EXPECT_GT(counts.joined, 0U);
  EXPECT_GT(counts.not_joined, 0U);
}

TEST(RingEverySchedule, WaitingForTheLastItemWhileAnotherIsPutBack) {
  const Counts counts = every({.processes = {{Op::join}, {Op::get, Op::put_back}}, .puts = 1});
  EXPECT_GT(counts.put_back, 0U);
  EXPECT_GT(counts.not_joined, 0U);
}

// One who found a spot and is held up; another puts there, takes it, and frees the block for it.
TEST(RingEverySchedule, AClaimLongAfterItsSpotWasFound) {
  const Counts counts = every({.processes = {{Op::put}, {Op::put, Op::get}},
                               .plan = {.blocks = 2, .ready_blocks = 2}});
  EXPECT_GT(counts.put, counts.schedules);
}

TEST(RingEverySchedule, ASpotThatIsNotLookedAtAgainIsFound) {
  const Setting setting = setting_of({.processes = {{Op::put}, {Op::put, Op::get}},
                                      .plan = {.blocks = 2, .ready_blocks = 2}});
  Counts counts;
  Scheduler scheduler;
  World<SimulatedMemory<PublishesWithoutASecondLook>> world(scheduler, counts);
  EverySchedule strategy(2, 1);
  std::optional<std::string> wrong;
  while (!wrong && strategy.another()) wrong = world.run(setting, strategy);
  EXPECT_TRUE(wrong);
}

const Small kGivenBackBehindALook{.processes = {{Op::refuse}, {Op::get}, {Op::get}},
                                  .puts = 2,
                                  .plan = {.maxsize = 2, .cells = {4}},
                                  .deaths = 0};

TEST(RingEverySchedule, EmptyIsNotSaidOfAQueueThatNeverWas) {
  const Counts counts = every(kGivenBackBehindALook);
  EXPECT_GT(counts.taken_again, 0U);
}

TEST(RingEverySchedule, EmptyAfterOneLookIsFound) {
  const Setting setting = setting_of(kGivenBackBehindALook);
  Counts counts;
  Scheduler scheduler;
  World<SimulatedMemory<EmptyAfterOneLook>> world(scheduler, counts);
  EverySchedule strategy(kGivenBackBehindALook.preemptions, 0);
  std::optional<std::string> wrong;
  while (!wrong && strategy.another()) wrong = world.run(setting, strategy);
  ASSERT_TRUE(wrong);
  EXPECT_TRUE(wrong->starts_with("empty, and never was")) << *wrong;
}

}  // namespace
}  // namespace steward::detail::test
