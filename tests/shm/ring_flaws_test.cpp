// The simulation finds what is wrong: each of these rings lacks one rule, and is found out by
// random schedules.
#include <gtest/gtest.h>

#include <steward/tests/client/seed.hpp>
#include <steward/tests/shm/simulation/flaws.hpp>
#include <steward/tests/shm/simulation/random.hpp>

namespace steward::detail::test {
namespace {

// Ten times and more of what has been needed.
constexpr unsigned kSchedules = 200'000;

template <class Flaw>
bool is_found(const Family& family = {}) {
  Counts counts;
  const auto wrong =
      random_schedules<SimulatedMemory<Flaw>>(family, seed(), kSchedules, counts);
  if (wrong) std::printf("%s\n", wrong->substr(0, wrong->find('\n')).c_str());
  return wrong.has_value();
}

TEST(RingFlaws, PositionsWithoutGenerationAreFound) {
  EXPECT_TRUE(is_found<PosWithoutGeneration>());
}
TEST(RingFlaws, ARecoveryThatTrustsTheCellIsFound) {
  EXPECT_TRUE(is_found<RecoveryTrustsTheCell>());
}
TEST(RingFlaws, ARecoveryThatStoresIsFound) {
  EXPECT_TRUE(is_found<RecoveryStores>({.leases = true}));
}
TEST(RingFlaws, ARecoveryOfBlocksBeforeCellsIsFound) {
  EXPECT_TRUE(is_found<RecoversBlocksFirst>());
}
TEST(RingFlaws, ACellBeforeItsHeaderIsFound) { EXPECT_TRUE(is_found<CellBeforeHeader>()); }
TEST(RingFlaws, AnItemOverAnUntoldHeaderIsFound) {
  EXPECT_TRUE(is_found<PublishesOverAnUntoldHeader>());
}
TEST(RingFlaws, ASpotThatIsNotLookedAtAgainIsFound) {
  EXPECT_TRUE(is_found<PublishesWithoutASecondLook>());
}
TEST(RingFlaws, ACommitThatIsAStoreIsFound) { EXPECT_TRUE(is_found<CommitIsAStore>()); }
TEST(RingFlaws, ATakeThatIsAStoreIsFound) { EXPECT_TRUE(is_found<TakeIsAStore>()); }
TEST(RingFlaws, AConsumerThatLosesToItsHelperIsFound) {
  EXPECT_TRUE(is_found<ConsumesByComparison>());
}
TEST(RingFlaws, AnAckThatIsAStoreIsFound) { EXPECT_TRUE(is_found<AckIsAStore>({.leases = true})); }
TEST(RingFlaws, FullByTheHintAloneIsFound) { EXPECT_TRUE(is_found<FullByTheHintAlone>()); }
TEST(RingFlaws, AHintAheadOfTheTruthIsFound) { EXPECT_TRUE(is_found<RemembersTooMuch>()); }
TEST(RingFlaws, AnExpiryThatIsAStoreIsFound) {
  EXPECT_TRUE(is_found<ExpiresByAStore>({.leases = true}));
}
TEST(RingFlaws, AnEndStoredIntoALostLeaseIsFound) {
  EXPECT_TRUE(is_found<TouchStoresTheEndFirst>({.leases = true}));
}
TEST(RingFlaws, ALeaseOfWhichNobodyKnowsIsFound) {
  EXPECT_TRUE(is_found<NotesNoExpiry>({.leases = true}));
}
TEST(RingFlaws, AJoinAfterOneLookIsFound) { EXPECT_TRUE(is_found<JoinsAfterOneLook>()); }
TEST(RingFlaws, AClosingThatIsAStoreIsFound) {
  EXPECT_TRUE(is_found<ClosesByAStore>({.closes = true}));
}
TEST(RingFlaws, AGrowthThatIsAStoreIsFound) {
  EXPECT_TRUE(is_found<GrowsByAStore>({.unbounded = true}));
}

}  // namespace
}  // namespace steward::detail::test
