// Several locks at once: with locks that are a script, and a clock that only they move.
#include <chrono>
#include <cstddef>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <steward/proxy/take_several.hpp>

namespace steward::detail::test {
namespace {

using namespace std::chrono_literals;

// Each has a queue of the same length whenever somebody comes.
class ScriptedLocks {
 public:
  struct Script {
    core::Duration queue{};
    bool free_for_a_try = true;
    std::string refuses{};   // take() throws this
    std::string clings{};    // give_back() throws this, and keeps it
  };

  explicit ScriptedLocks(std::vector<Script> scripts) : scripts_(std::move(scripts)) {}

  std::size_t size() const { return scripts_.size(); }
  core::Time now() const { return now_; }
  void take(std::size_t i) {
    if (!scripts_[i].refuses.empty()) throw std::runtime_error(scripts_[i].refuses);
    now_ += scripts_[i].queue;
    held_.insert(i);
  }
  bool take_until(std::size_t i, core::Time time) {
    if (scripts_[i].refuses.empty() && now_ + scripts_[i].queue > time) {
      now_ = time;
      return false;
    }
    take(i);
    return true;
  }
  bool try_take(std::size_t i) {
    if (scripts_[i].free_for_a_try) held_.insert(i);
    return scripts_[i].free_for_a_try;
  }
  void give_back(std::size_t i) {
    if (!scripts_[i].clings.empty()) throw std::runtime_error(scripts_[i].clings);
    held_.erase(i);
  }

  const std::set<std::size_t>& held() const { return held_; }
  core::Duration passed() const { return now_ - core::Time(); }

 private:
  std::vector<Script> scripts_;
  core::Time now_{};
  std::set<std::size_t> held_;
};

using Held = std::set<std::size_t>;

TEST(TakeSeveral, OutwaitsASteadyQueueAfterItHasWaitedItsTurnOnce) {
  ScriptedLocks locks({{.free_for_a_try = false}, {.queue = 300ms}});
  proxy::TakeSeveral(locks).run();
  EXPECT_EQ(locks.held(), (Held{0, 1}));
  EXPECT_EQ(locks.passed(), 20ms + 300ms + 300ms);
}

TEST(TakeSeveral, NeedsOneTurnIfTheOthersAreFreeThen) {
  ScriptedLocks locks({{}, {.queue = 300ms}, {}});
  proxy::TakeSeveral(locks).run();
  EXPECT_EQ(locks.held(), (Held{0, 1, 2}));
  EXPECT_EQ(locks.passed(), 20ms + 300ms);
}

TEST(TakeSeveral, WaitsForTheFirstAsLongAsItTakes) {
  ScriptedLocks locks({{.queue = 1h}, {}});
  proxy::TakeSeveral(locks).run();
  EXPECT_EQ(locks.held(), (Held{0, 1}));
  EXPECT_EQ(locks.passed(), 1h);
}

TEST(TakeSeveral, GivesBackAllOthersIfOneCannotBe) {
  ScriptedLocks locks({{}, {.clings = "second"}, {.clings = "third"}, {}, {.queue = 1s}});
  try {
    proxy::TakeSeveral(locks).run();
    FAIL();
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "third");  // the first that was tried
  }
  EXPECT_EQ(locks.held(), (Held{1, 2}));
}

TEST(TakeSeveral, SaysWhyItDidNotTakeThemAndNotWhatFailedAfterwards) {
  ScriptedLocks locks({{}, {.clings = "given back"}, {.refuses = "taken"}});
  try {
    proxy::TakeSeveral(locks).run();
    FAIL();
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "taken");
  }
  EXPECT_EQ(locks.held(), Held{1});
}

TEST(Patience, FollowsTheQueueAndGrowsWithoutOne) {
  static_assert(proxy::next_patience(20ms, 300ms) == 450ms);
  static_assert(proxy::next_patience(450ms, 300ms) == 900ms);
  static_assert(proxy::next_patience(20ms, 0ms) == 40ms);
  // A queue that is twice as long each time is outwaited all the same once it stops growing.
  core::Duration patience = proxy::kFirstPatience;
  for (core::Duration queue = 50ms; queue < 2s; queue *= 2) {
    patience = proxy::next_patience(patience, queue);
    EXPECT_GT(patience, queue);
  }
}

}  // namespace
}  // namespace steward::detail::test
