#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include <steward/manager/server/classes/lock.hpp>
#include <steward/tests/server/classes/fake_call.hpp>

namespace steward::detail::server {
namespace {

using testing::Answer;
using testing::Client;
using testing::Hosted;
using testing::list_of;

constexpr Client kOne{1, 1};
constexpr Client kOther{1, 2};  // another thread of the same session
constexpr Client kTwo{2, 1};
constexpr Client kThree{3, 1};

constexpr int kRelease = 0;
constexpr int kAbandon = 1;
constexpr int kPoison = 2;
constexpr const char* kPoisoned =
    "poisoned: the last owner died holding the lock; reset() makes it usable";

Value grant(int token, bool previous_owner_died = false) {
  return list_of(token, previous_owner_died);
}

class EveryLock : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Kinds, EveryLock, ::testing::Values("lock", "rlock"));

TEST_P(EveryLock, IsHeldByOneThreadAtATime) {
  Hosted lock(GetParam());
  EXPECT_EQ(lock.ask("locked"), Value(false));
  EXPECT_EQ(lock.call(kOne, "lock").value, grant(1));
  EXPECT_EQ(lock.ask("locked"), Value(true));
  EXPECT_EQ(lock.call(kTwo, "try_lock").value, list_of());
  EXPECT_EQ(lock.call(kOther, "try_lock").value, list_of()) << "threads are owners of their own";
  EXPECT_EQ(lock.call(kOne, "unlock").value, Value());
  EXPECT_EQ(lock.ask("locked"), Value(false));
  EXPECT_EQ(lock.call(kTwo, "try_lock").value, list_of(grant(2)));
}

TEST_P(EveryLock, GoesToWhoWaitsLongest) {
  Hosted lock(GetParam());
  lock.call(kOne, "lock");
  const Answer other = lock.call(kOther, "lock");
  const Answer two = lock.call(kTwo, "lock");
  lock.check_waiting();
  lock.call(kOne, "unlock");
  EXPECT_EQ(lock.now(other).value, grant(2));
  EXPECT_TRUE(lock.now(two).waits());
  lock.call(kOther, "unlock");
  EXPECT_EQ(lock.now(two).value, grant(3));
}

TEST_P(EveryLock, HasATokenThatRisesWithEachHold) {
  Hosted lock(GetParam());
  EXPECT_EQ(lock.ask("token"), Value(0)) << "there was no hold yet";
  lock.call(kOne, "lock");
  EXPECT_EQ(lock.ask("token"), Value(1));
  lock.call(kOne, "unlock");
  EXPECT_EQ(lock.ask("token"), Value(1)) << "of the last hold";
  lock.call(kTwo, "lock");
  EXPECT_EQ(lock.ask("token"), Value(2));
}

TEST_P(EveryLock, IsUnlockedByItsOwnerOnly) {
  Hosted lock(GetParam());
  EXPECT_EQ(lock.refusal("unlock"), "not_owner: the lock is not held");
  lock.call(kOne, "lock");
  EXPECT_EQ(lock.call(kOther, "unlock").error, "not_owner: the lock is held by somebody else");
  EXPECT_EQ(lock.call(kTwo, "unlock").error, "not_owner: the lock is held by somebody else");
  EXPECT_EQ(lock.ask("locked"), Value(true));
}

TEST_P(EveryLock, AWaiterThatLeavesIsPassedOver) {
  Hosted lock(GetParam());
  lock.call(kOne, "lock");
  const Answer two = lock.call(kTwo, "lock");
  const Answer three = lock.call(kThree, "lock");
  lock.cancel(two);
  lock.check_waiting();
  lock.call(kOne, "unlock");
  EXPECT_EQ(lock.now(three).value, grant(2));
}

TEST_P(EveryLock, IsOwnedBySessionsOnlyWhileHeld) {
  Hosted lock(GetParam());
  lock.call(kOne, "lock");
  EXPECT_EQ(lock.owned_by(1), 1U);
  lock.call(kTwo, "lock");
  EXPECT_EQ(lock.owned_by(2), 0U) << "who waits owns nothing";
  lock.call(kOne, "unlock");
  EXPECT_EQ(lock.owned_by(1), 0U);
  EXPECT_EQ(lock.owned_by(2), 1U);
}

TEST(Lock, RefusesToLetItsHolderWaitForItself) {
  Hosted lock("lock");
  lock.call(kOne, "lock");
  EXPECT_EQ(lock.call(kOne, "lock").error,
            "bad_call: this thread holds the lock already, and would wait for itself");
  EXPECT_EQ(lock.call(kOne, "try_lock").value, list_of());
  EXPECT_TRUE(lock.timed_call(kOne, "lock").waits()) << "until its time is up";
}

TEST(RLock, IsUnlockedAsOftenAsItWasLocked) {
  Hosted lock("rlock");
  EXPECT_EQ(lock.call(kOne, "lock").value, grant(1));
  EXPECT_EQ(lock.call(kOne, "lock").value, grant(1)) << "one hold, one token";
  EXPECT_EQ(lock.call(kOne, "try_lock").value, list_of(grant(1)));
  EXPECT_EQ(lock.owned_by(1), 1U);
  const Answer two = lock.call(kTwo, "lock");
  lock.call(kOne, "unlock");
  lock.call(kOne, "unlock");
  EXPECT_TRUE(lock.now(two).waits());
  lock.call(kOne, "unlock");
  EXPECT_EQ(lock.now(two).value, grant(2));
}

TEST(RLock, GrantsAllThatItsNewOwnerWaitsFor) {
  Hosted lock("rlock");
  lock.call(kOne, "lock");
  const Answer two = lock.call(kTwo, "lock");
  const Answer three = lock.call(kThree, "lock");
  const Answer again = lock.call(kTwo, "lock");
  lock.call(kOne, "unlock");
  EXPECT_EQ(lock.now(two).value, grant(2));
  EXPECT_EQ(lock.now(again).value, grant(2));
  EXPECT_TRUE(lock.now(three).waits());
  lock.check_waiting();
  lock.call(kTwo, "unlock");
  EXPECT_TRUE(lock.now(three).waits());
  lock.call(kTwo, "unlock");
  EXPECT_EQ(lock.now(three).value, grant(3));
}

// --- grants that come back

TEST_P(EveryLock, AGrantThatIsCancelledGoesToTheNext) {
  Hosted lock(GetParam());
  const Answer one = lock.call(kOne, "lock");
  const Answer two = lock.call(kTwo, "lock");
  lock.cancel(one);
  EXPECT_EQ(lock.now(two).value, grant(2)) << "and nobody died";
  EXPECT_EQ(lock.owned_by(1), 0U);
  lock.cancel(two);
  EXPECT_EQ(lock.ask("locked"), Value(false));
}

TEST_P(EveryLock, AGrantThatIsOverDoesNotUnlockALaterOne) {
  Hosted lock(GetParam());
  const Answer first = lock.call(kOne, "lock");
  lock.call(kOne, "unlock");
  lock.call(kOne, "lock");
  lock.cancel(first);
  EXPECT_EQ(lock.ask("locked"), Value(true));
}

TEST_P(EveryLock, AConfirmedGrantStays) {
  Hosted lock(GetParam());
  const Answer one = lock.call(kOne, "lock");
  lock.confirm(one);
  lock.cancel(one);
  EXPECT_EQ(lock.ask("locked"), Value(true));
  EXPECT_EQ(lock.unconfirmed(), 0U);
}

TEST(RLock, AnInnerGrantThatIsCancelledLeavesTheOuter) {
  Hosted lock("rlock");
  lock.confirm(lock.call(kOne, "lock"));
  lock.cancel(lock.call(kOne, "lock"));
  EXPECT_EQ(lock.ask("locked"), Value(true));
  lock.call(kOne, "unlock");
  EXPECT_EQ(lock.ask("locked"), Value(false));
}

// --- owners that die

TEST_P(EveryLock, ReleasedByDeathTellsTheNextOwnerOnly) {
  Hosted lock(GetParam(), {kRelease});
  lock.call(kOne, "lock");
  const Answer two = lock.call(kTwo, "lock");
  lock.end_session(1, Ending::died);
  EXPECT_EQ(lock.now(two).value, grant(2, true));
  lock.call(kTwo, "unlock");
  EXPECT_EQ(lock.call(kThree, "lock").value, grant(3, false));
}

TEST_P(EveryLock, ReleasedByDeathTellsAlsoWhoComesLater) {
  Hosted lock(GetParam());
  lock.confirm(lock.call(kOne, "lock"));
  lock.end_session(1, Ending::died);
  EXPECT_EQ(lock.ask("locked"), Value(false));
  EXPECT_EQ(lock.call(kTwo, "try_lock").value, list_of(grant(2, true)));
}

TEST_P(EveryLock, AnOrderlyEndReleasesWithoutAWord) {
  for (const int policy : {kRelease, kPoison}) {
    Hosted lock(GetParam(), {policy});
    lock.confirm(lock.call(kOne, "lock"));
    const Answer two = lock.call(kTwo, "lock");
    lock.end_session(1, Ending::orderly);
    EXPECT_EQ(lock.now(two).value, grant(2, false));
  }
}

TEST_P(EveryLock, DeathOfAnotherSessionChangesNothing) {
  Hosted lock(GetParam(), {kPoison});
  lock.call(kOne, "lock");
  lock.call(kTwo, "lock");
  lock.end_session(2, Ending::died);
  lock.call(kOne, "unlock");
  EXPECT_EQ(lock.call(kThree, "lock").value, grant(2, false));
}

TEST_P(EveryLock, ADeathIsToldAgainIfTheGrantThatToldItComesBack) {
  Hosted lock(GetParam());
  lock.confirm(lock.call(kOne, "lock"));
  lock.end_session(1, Ending::died);
  lock.cancel(lock.call(kTwo, "lock"));
  EXPECT_EQ(lock.call(kThree, "lock").value, grant(3, true));
  lock.end_session(3, Ending::orderly);
  EXPECT_EQ(lock.call(kTwo, "lock").value, grant(4, true)) << "the answer never arrived";
}

TEST_P(EveryLock, ADeathIsToldAgainIfItsOwnerGivesItBack) {
  Hosted lock(GetParam());
  EXPECT_EQ(lock.refusal("give_back"), "not_owner: the lock is not held");
  lock.confirm(lock.call(kOne, "lock"));
  lock.end_session(1, Ending::died);
  lock.confirm(lock.call(kTwo, "lock"));
  EXPECT_EQ(lock.call(kThree, "give_back").error, "not_owner: the lock is held by somebody else");
  const Answer three = lock.call(kThree, "lock");
  EXPECT_EQ(lock.call(kTwo, "give_back").value, Value());
  EXPECT_EQ(lock.now(three).value, grant(3, true));
  lock.call(kThree, "unlock");
  lock.call(kTwo, "lock");
  lock.call(kTwo, "give_back");
  EXPECT_EQ(lock.call(kThree, "lock").value, grant(5, false));
}

TEST_P(EveryLock, AnOwnerThatDiedBeforeItConfirmedIsADeath) {
  Hosted lock(GetParam());
  lock.call(kOne, "lock");
  const Answer two = lock.call(kTwo, "lock");
  lock.end_session(1, Ending::died);
  EXPECT_EQ(lock.now(two).value, grant(2, true));
}

TEST_P(EveryLock, IsFreeAlsoIfHandOversGoBackBeforeWhatIsOwned) {
  for (const int policy : {kRelease, kAbandon, kPoison}) {
    Hosted lock(GetParam(), {policy});
    lock.call(kOne, "lock");
    const Answer two = lock.call(kTwo, "lock");
    lock.end_session(1, Ending::died, Hosted::Order::hand_overs_first);
    EXPECT_EQ(lock.now(two).value, grant(2, false));
    EXPECT_EQ(lock.owned_by(2), 1U);
  }
}

TEST_P(EveryLock, AbandonedStaysLockedUntilAnybodyUnlocks) {
  for (const Ending ending : {Ending::died, Ending::orderly}) {
    Hosted lock(GetParam(), {kAbandon});
    lock.confirm(lock.call(kOne, "lock"));
    const Answer two = lock.call(kTwo, "lock");
    lock.end_session(1, ending);
    EXPECT_EQ(lock.ask("locked"), Value(true));
    EXPECT_TRUE(lock.now(two).waits());
    EXPECT_EQ(lock.call(kThree, "try_lock").value, list_of());
    EXPECT_EQ(lock.call(kThree, "unlock").value, Value());
    EXPECT_EQ(lock.now(two).value, grant(2, ending == Ending::died));
    EXPECT_EQ(lock.call(kThree, "unlock").error, "not_owner: the lock is held by somebody else");
  }
}

TEST(RLock, AbandonedIsUnlockedAtOnceHoweverOftenItWasLocked) {
  Hosted lock("rlock", {kAbandon});
  lock.call(kOne, "lock");
  lock.call(kOne, "lock");
  lock.end_session(1, Ending::died);
  lock.call(kTwo, "unlock");
  EXPECT_EQ(lock.ask("locked"), Value(false));
}

TEST_P(EveryLock, PoisonedRefusesEverybodyUntilReset) {
  Hosted lock(GetParam(), {kPoison});
  lock.call(kOne, "lock");
  const Answer two = lock.call(kTwo, "lock");
  const Answer three = lock.call(kThree, "lock");
  lock.end_session(1, Ending::died);
  EXPECT_EQ(lock.now(two).error, kPoisoned);
  EXPECT_EQ(lock.now(three).error, kPoisoned);
  EXPECT_TRUE(lock.waiting().empty());
  EXPECT_EQ(lock.call(kTwo, "lock").error, kPoisoned);
  EXPECT_EQ(lock.call(kTwo, "try_lock").error, kPoisoned);
  EXPECT_EQ(lock.call(kTwo, "unlock").error, "not_owner: the lock is not held");
  EXPECT_EQ(lock.ask("locked"), Value(false));
  lock.ask("reset");
  EXPECT_EQ(lock.call(kTwo, "lock").value, grant(2, false));
}

TEST_P(EveryLock, AThreadThatEndsIsADeathOfTheOwner) {
  for (const int policy : {kRelease, kAbandon, kPoison}) {
    Hosted lock(GetParam(), {policy});
    lock.confirm(lock.call(kOne, "lock"));
    const Answer two = lock.call(kTwo, "lock");
    EXPECT_EQ(lock.owned_by(1), 1U);
    EXPECT_EQ(lock.call(kOne, "owner_died", {Value(1)}).value, Value());
    EXPECT_EQ(lock.owned_by(1), 0U) << "the session lives";
    if (policy == kPoison) {
      EXPECT_EQ(lock.now(two).error, kPoisoned);
      lock.ask("reset");
      EXPECT_EQ(lock.call(kTwo, "lock").value, grant(2, false));
      continue;
    }
    if (policy == kAbandon) {
      EXPECT_TRUE(lock.now(two).waits());
      lock.end_session(1, Ending::orderly);  // which has nothing to do with it any more
      EXPECT_TRUE(lock.now(two).waits());
      EXPECT_EQ(lock.call(kThree, "unlock").value, Value());
    }
    EXPECT_EQ(lock.now(two).value, grant(2, true));
    EXPECT_EQ(lock.owned_by(2), 1U);
  }
}

TEST_P(EveryLock, OnlyTheHoldThatIsMeantLosesItsOwner) {
  Hosted lock(GetParam());
  EXPECT_EQ(lock.call(kOne, "owner_died", {Value(1)}).value, Value()) << "nobody holds it";
  lock.call(kOne, "lock");
  lock.call(kOther, "owner_died", {Value(1)});
  lock.call(kTwo, "owner_died", {Value(1)});
  lock.call(kOne, "owner_died", {Value(0)});
  lock.call(kOne, "owner_died", {Value(2)});
  EXPECT_EQ(lock.ask("locked"), Value(true));
  EXPECT_EQ(lock.call(kOne, "unlock").value, Value());
}

TEST(RLock, IsLeftAtOnceHoweverOftenItsThreadHadLockedIt) {
  Hosted lock("rlock");
  for (int i = 0; i < 3; ++i) lock.call(kOne, "lock");
  const Answer two = lock.call(kTwo, "lock");
  lock.call(kOne, "owner_died", {Value(1)});
  EXPECT_EQ(lock.now(two).value, grant(2, true));
}

TEST_P(EveryLock, ResetDoesNothingToAHealthyLock) {
  Hosted lock(GetParam(), {kPoison});
  lock.ask("reset");
  lock.call(kOne, "lock");
  lock.ask("reset");
  EXPECT_EQ(lock.ask("locked"), Value(true));
}

TEST_P(EveryLock, IsReadyWhileNobodyHoldsIt) {
  Hosted lock(GetParam());
  EXPECT_EQ(lock.call(kTwo, "ready").value, Value(true));
  lock.call(kOne, "lock");
  EXPECT_EQ(lock.call(kTwo, "ready").value, Value(false));
  EXPECT_EQ(lock.call(kOther, "ready").value, Value(false));
  EXPECT_EQ(lock.call(kOne, "ready").value, Value(GetParam() == std::string("rlock")));
  lock.call(kOne, "unlock");
  EXPECT_EQ(lock.call(kOne, "wait_ready").value, Value());
}

TEST_P(EveryLock, TellsAllWatchersOnceNobodyWantsIt) {
  Hosted lock(GetParam());
  lock.call(kOne, "lock");
  const Answer two = lock.call(kTwo, "wait_ready");
  const Answer three = lock.call(kThree, "wait_ready");
  const Answer next = lock.call(kTwo, "lock");
  lock.check_waiting();
  lock.call(kOne, "unlock");
  EXPECT_EQ(lock.now(next).value, grant(2)) << "who waits to have it comes first";
  EXPECT_TRUE(lock.now(two).waits());
  lock.call(kTwo, "unlock");
  EXPECT_EQ(lock.now(two).value, Value());
  EXPECT_EQ(lock.now(three).value, Value());
  EXPECT_EQ(lock.ask("locked"), Value(false));
  lock.check_waiting();
}

TEST_P(EveryLock, AnWatcherThatLeavesIsForgotten) {
  Hosted lock(GetParam());
  lock.call(kOne, "lock");
  lock.cancel(lock.call(kTwo, "wait_ready"));
  lock.check_waiting();
  lock.call(kOne, "unlock");
  EXPECT_EQ(lock.call(kTwo, "lock").value, grant(2));
}

TEST_P(EveryLock, WatchersHearOfAPoisoningAndOfARelease) {
  for (const int policy : {kRelease, kPoison}) {
    Hosted lock(GetParam(), {policy});
    lock.call(kOne, "lock");
    const Answer two = lock.call(kTwo, "wait_ready");
    lock.end_session(1, Ending::died);
    EXPECT_EQ(lock.now(two).value, Value()) << policy;
    EXPECT_EQ(lock.call(kTwo, "ready").value, Value(true));
  }
  Hosted lock(GetParam(), {kAbandon});
  lock.call(kOne, "lock");
  const Answer two = lock.call(kTwo, "wait_ready");
  lock.end_session(1, Ending::died);
  EXPECT_TRUE(lock.now(two).waits()) << "it is locked until somebody unlocks it";
  lock.call(kThree, "unlock");
  EXPECT_EQ(lock.now(two).value, Value());
}

TEST_P(EveryLock, AGrantThatComesBackIsSeenByWatchers) {
  Hosted lock(GetParam());
  const Answer given = lock.call(kOne, "lock");
  const Answer two = lock.call(kTwo, "wait_ready");
  lock.cancel(given);
  EXPECT_EQ(lock.now(two).value, Value());
}

TEST_P(EveryLock, PrintsItsState) {
  Hosted lock(GetParam(), {kPoison});
  EXPECT_EQ(lock.ask("str"), Value(R"({"state": "unlocked", "token": 0, "waiting": 0})"));
  lock.call(kOne, "lock");
  lock.call(kTwo, "lock");
  EXPECT_EQ(lock.ask("str"), Value(R"({"state": "locked", "token": 1, "waiting": 1})"));
  lock.end_session(1, Ending::died);
  EXPECT_EQ(lock.ask("str"), Value(R"({"state": "poisoned", "token": 1, "waiting": 0})"));
}

TEST_P(EveryLock, SavesOwnerWaitersAndGrants) {
  const auto with = [](auto&& change) {
    Hosted lock(GetParam());
    change(lock);
    return lock.save();
  };
  std::vector<std::string> all{
      with([](Hosted&) {}),
      with([](Hosted& lock) { lock.call(kOne, "lock"); }),
      with([](Hosted& lock) { lock.call(kTwo, "lock"); }),
      with([](Hosted& lock) { lock.call(kOther, "lock"); }),
      with([](Hosted& lock) { lock.confirm(lock.call(kOne, "lock")); }),
      with([](Hosted& lock) {
        lock.call(kOne, "lock");
        lock.call(kTwo, "lock");
      }),
      with([](Hosted& lock) {
        lock.call(kOne, "lock");
        lock.end_session(1, Ending::died);
      }),
      with([](Hosted& lock) {
        lock.call(kOne, "lock");
        lock.end_session(1, Ending::orderly);
      })};
  EXPECT_EQ(all[1], with([](Hosted& lock) { lock.call(kOne, "lock"); }));
  std::ranges::sort(all);
  EXPECT_EQ(std::ranges::adjacent_find(all), all.end()) << "each state looks different";
}

}  // namespace
}  // namespace steward::detail::server
