// The simulation finds what it is made to find: each planted fault breaks a promise that it must
// break, within a few seeds.
#include <cstdio>
#include <map>
#include <ostream>
#include <string>

#include <gtest/gtest.h>

#include <steward/core/planted_fault.hpp>
#include <steward/tests/simulation/world.hpp>

namespace steward::detail {
namespace {

core::Fault the_fault = core::Fault::none;

}  // namespace

bool core::planted(Fault fault) { return fault == the_fault; }

namespace simulation {
namespace {

using core::Fault;

struct Case {
  const char* name;
  Fault fault;
  Promise promise;  // that it breaks
};

// Within so many it is found: most with the first, the rarest with the 45th.
constexpr std::uint64_t kSeeds = 500;

void PrintTo(const Case& one, std::ostream* out) { *out << one.name; }

constexpr Case kCases[] = {
    {"ReplyStoreOff", Fault::reply_store_off, Promise::retry_is_same},
    {"RequeueAtTheBack", Fault::requeue_at_the_back, Promise::items_in_order},
    {"LockGivenToADeadSession", Fault::lock_given_to_a_dead_session, Promise::one_holder},
    {"WaiterDroppedByAResume", Fault::waiter_dropped_by_a_resume, Promise::nobody_is_forgotten},
    {"TokenNotRaised", Fault::token_not_raised, Promise::tokens_rise},
    {"CancelIgnored", Fault::cancel_ignored, Promise::cancel_counts},
    {"AckNotKeptOverAResume", Fault::ack_not_kept_over_a_resume, Promise::confirmed},
    {"CompletionTwice", Fault::completion_twice, Promise::ended_once},
    {"ReferenceKeptAfterAnError", Fault::reference_kept_after_an_error, Promise::both_sides_agree},
    {"SlotNotFreed", Fault::slot_not_freed, Promise::both_sides_agree},
    {"DeathBeforeLastWords", Fault::death_before_last_words, Promise::last_words_count},
    {"RestOfAMessageLost", Fault::rest_of_a_message_lost, Promise::both_sides_agree},
};

class PlantedFault : public testing::TestWithParam<Case> {
 protected:
  PlantedFault() { the_fault = GetParam().fault; }
  ~PlantedFault() override { the_fault = Fault::none; }
};

TEST_P(PlantedFault, IsFound) {
  std::map<std::string, unsigned> others;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const Ended ended = run_world(seed, GetParam().fault);
    if (!ended.violation) continue;
    if (ended.violation->promise == GetParam().promise) {
      std::printf("seed %u: %s\n", static_cast<unsigned>(seed), ended.violation->what.c_str());
      return;
    }
    ++others[name_of(ended.violation->promise)];
  }
  std::string text;
  for (const auto& [name, times] : others) text += fmt::format(" {} {} times,", name, times);
  ADD_FAILURE() << "it was not found; the promises broken were:" << text;
}

INSTANTIATE_TEST_SUITE_P(Each, PlantedFault, testing::ValuesIn(kCases),
                         [](const auto& one) { return std::string(one.param.name); });

TEST(PlantedFaults, WithoutOneNoPromiseIsBroken) {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    EXPECT_FALSE(run_world(seed, Fault::none).violation) << seed;
  }
}

}  // namespace
}  // namespace simulation
}  // namespace steward::detail
