// The ring under the memory orders that its code states. The simulation plays all interleavings of
// its steps; here a load may see an old value, too, where the C++ memory model lets it, and an item
// is a variable whose every race is found.
//
// What Relacy cannot do (CMakeLists.txt makes a copy of it that can do a little more):
// - Random plays are a sample. Where every schedule is played, it is of two threads, and of few
//   preemptions; a load then goes back by one value at most, in random plays by seven.
// - A load never sees what is stored later, and stores to a word are ordered as they are made. The
//   ring has no circle of relaxed operations in which that would matter: what goes from one process
//   to another goes by a release and an acquire.
// - Its sequentially consistent operations have the order in which they are made, everywhere. The
//   model since C++20 promises a little less where they meet others on the same word.
// - A compare-and-swap that fails sees the newest value. In the ring it could see no other that
//   mattered: what it expects of a word it has itself seen or stored there.
// - It does not know the futex, nor words of several sizes: see sleepers.hpp.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <steward/shm/ring.hpp>
#include <steward/tests/client/seed.hpp>
#include <steward/tests/shm/memory_order/orders.hpp>

namespace steward::detail::test {
namespace {

bool full_run() { return std::getenv("STEWARD_FULL") != nullptr; }

// While it lives, the code with other orders than it states.
class Altered {
 public:
  explicit Altered(std::vector<Instead> orders) : orders_(std::move(orders)) {
    Director::instead = orders_;
  }
  ~Altered() { Director::instead = {}; }
  Altered(const Altered&) = delete;
  Altered& operator=(const Altered&) = delete;

 private:
  std::vector<Instead> orders_;
};

template <class Play>
void holds() {
  const Played played = play_randomly<Play>(seed(), full_run() ? 1'000'000 : 10'000);
  std::printf("%llu plays\n", static_cast<unsigned long long>(played.count));
  if (played.good()) return;
  say<Play>(played);
  ADD_FAILURE() << rl::test_result_str(played.result)
                << "; at once with STEWARD_SEED=" << played.last - 1;
}

TEST(RingMemoryOrder, HoldsWhenTheRingIsLapped) { holds<Laps>(); }
TEST(RingMemoryOrder, HoldsWithThreadsUnderOneNumber) { holds<Sharing>(); }
TEST(RingMemoryOrder, HoldsWhenItemsAreGivenBack) { holds<Refusing>(); }
TEST(RingMemoryOrder, HoldsWhenLeasesEnd) { holds<Leases>(); }
TEST(RingMemoryOrder, HoldsWhenLeasesAreTouched) { holds<Touching>(); }
TEST(RingMemoryOrder, HoldsWhenLeasesBeginWhileOthersLook) { holds<Expiring>(); }
TEST(RingMemoryOrder, HoldsWhenOneIsKilled) { holds<Deaths>(); }
TEST(RingMemoryOrder, HoldsWhenARecovererIsKilled) { holds<Recoveries>(); }
TEST(RingMemoryOrder, HoldsWhenItIsClosed) { holds<Closing>(); }
TEST(RingMemoryOrder, HoldsWhileItGrows) { holds<Growing>(); }
TEST(RingMemoryOrder, HoldsWhileOneJoins) { holds<Joining>(); }
TEST(RingMemoryOrder, WakesForEachItem) { holds<WaitingForItems>(); }
TEST(RingMemoryOrder, WakesForTheItemsOfABatch) { holds<WaitingForABatch>(); }
TEST(RingMemoryOrder, WakesForWhatComesBack) { holds<WaitingForWhatComesBack>(); }
TEST(RingMemoryOrder, WakesForRoom) { holds<WaitingForRoom>(); }
TEST(RingMemoryOrder, WakesForTheLastAnswer) { holds<WaitingForTheLast>(); }
TEST(RingMemoryOrder, WakesWhenItIsClosed) { holds<WaitingForTheEnd>(); }
TEST(RingMemoryOrder, WakesForWhatADeadOnePut) { holds<WaitingForTheDead>(); }
TEST(RingMemoryOrder, WakesAnotherWhereOnesTimeIsUp) { holds<WaitingWithADeadline>(); }

template <class Play>
void holds_in_every_schedule(unsigned preemptions) {
  const Played played = play_all<Play>(preemptions + (full_run() ? 2 : 0));
  std::printf("%llu plays\n", static_cast<unsigned long long>(played.count));
  EXPECT_TRUE(played.good()) << rl::test_result_str(played.result);
}

TEST(RingMemoryOrder, HoldsInEveryScheduleOfALap) { holds_in_every_schedule<TwoItems>(3); }
TEST(RingMemoryOrder, HoldsInEveryScheduleOfARefusal) { holds_in_every_schedule<OneRefusal>(3); }
TEST(RingMemoryOrder, HoldsInEveryScheduleOfALease) { holds_in_every_schedule<OneLease>(3); }
TEST(RingMemoryOrder, WakesForRoomInEverySchedule) { holds_in_every_schedule<WaitingForRoom>(3); }
TEST(RingMemoryOrder, WakesForTheLastAnswerInEverySchedule) {
  holds_in_every_schedule<WaitingForTheLast>(3);
}
TEST(RingMemoryOrder, WakesForWhatComesBackInEverySchedule) {
  holds_in_every_schedule<WaitingForWhatComesBack>(3);
}
TEST(RingMemoryOrder, WakesForWhatADeadOnePutInEverySchedule) {
  holds_in_every_schedule<WaitingForTheDead>(2);
}

// ---- That all of it is looked at, and that what is wrong is found ----

constexpr std::size_t kSitesMax = 200;
std::array<Site, kSitesMax> sites;
std::size_t sites_count = 0;

std::string text(const Site& site) {
  constexpr std::array kRoles{"own",       "cell", "state",  "pos",
                              "lease_end", "hint", "expiry", "event"};
  constexpr std::array kOperations{"load", "store", "exchange"};
  constexpr std::array kOrder{"relaxed", "consume", "acquire", "release", "acq_rel", "seq_cst"};
  return std::string(site.function) + ", " + kRoles[static_cast<unsigned>(site.role)] + ", " +
         kOperations[static_cast<unsigned>(site.operation)] + ", " +
         kOrder[static_cast<unsigned>(site.order)];
}

TEST(RingMemoryOrder, EveryOperationHasAReason) {
  // Within a play: without allocations.
  Director::on_site = [](const Site& site) {
    const auto end = sites.begin() + static_cast<std::ptrdiff_t>(sites_count);
    if (std::find(sites.begin(), end, site) == end) sites.at(sites_count++) = site;
  };
  const std::uint64_t from = seed();
  for (const Piece* piece : kPieces) EXPECT_TRUE(piece->play(from, 3'000).good()) << piece->name;
  Director::on_site = nullptr;

  const std::span played(sites.data(), sites_count);
  for (const Site& site : played) {
    EXPECT_EQ(std::ranges::count(kOrders, site, &Reason::site), 1)
        << text(site) << ": orders.hpp is to say why that is enough";
  }
  for (const Reason& reason : kOrders) {
    EXPECT_EQ(std::ranges::count(played, reason.site), 1)
        << text(reason.site) << ": no play makes it, or the code is another now";
  }
}

constexpr std::uint64_t kPlaysToFind = 200'000;

// Each order that a play can prove to be needed, one at a time.
TEST(RingMemoryOrder, AWeakerOrderIsFound) {
  const std::uint64_t from = seed();
  for (const Reason& reason : kOrders) {
    if (reason.proof == nullptr || (reason.rarely && !full_run())) continue;
    const Altered but({{reason.site, reason.weaker}});
    const Played played =
        reason.proof->play(from, reason.rarely ? 20 * kPlaysToFind : kPlaysToFind);
    EXPECT_FALSE(played.good()) << text(reason.site);
    std::printf("%s: %s in %s after %llu\n", text(reason.site).c_str(),
                rl::test_result_str(played.result), reason.proof->name,
                static_cast<unsigned long long>(played.count));
  }
}

TEST(RingMemoryOrder, CellsWithoutOrderAreFound) {
  const Altered but({{kAnyOf<Role::cell>, Order::relaxed}});
  EXPECT_FALSE(play_randomly<Laps>(seed(), kPlaysToFind).good());
}
TEST(RingMemoryOrder, HeadersWithoutOrderAreFound) {
  const Altered but({{kAnyOf<Role::state>, Order::relaxed}});
  EXPECT_FALSE(play_randomly<Laps>(seed(), kPlaysToFind).good());
}
TEST(RingMemoryOrder, AnItemThatIsWrittenWhileItIsReadIsFound) {
  const Altered but({{{"consume", Role::state, Operation::store, Order::release}, Order::relaxed}});
  EXPECT_EQ(play_randomly<Laps>(seed(), kPlaysToFind).result, rl::test_result_data_race);
}
TEST(RingMemoryOrder, AClaimThatAcquiresNothingIsFound) {
  const Altered but(
      {{{"try_claim", Role::state, Operation::load, Order::acquire}, Order::relaxed},
       {{"try_claim", Role::state, Operation::exchange, Order::acquire}, Order::relaxed}});
  EXPECT_EQ(play_randomly<Laps>(seed(), kPlaysToFind).result, rl::test_result_data_race);
}
TEST(RingMemoryOrder, AFlagWithoutOrderIsFound) {
  const Altered but({{kAnyOf<Role::event>, Order::relaxed}});
  const std::uint64_t from = seed();
  for (const Piece* piece : {&kForItems, &kForABatch, &kForWhatComesBack, &kForRoom, &kForTheLast,
                             &kForTheDead, &kWithADeadline}) {
    EXPECT_EQ(piece->play(from, kPlaysToFind).result, rl::test_result_deadlock) << piece->name;
  }
}

}  // namespace
}  // namespace steward::detail::test
