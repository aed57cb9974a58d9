// The thread that sleeps on words of shared memory for the loop.
#include <poll.h>

#include <chrono>
#include <deque>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include <steward/manager/server/ring_watch.hpp>
#include <steward/tests/shm/failing_new.hpp>

namespace steward::detail::test {
namespace {

using namespace std::chrono_literals;
using server::RingWatch;

class Watching : public testing::Test {
 protected:
  // As a waiter does it: the flag, then what is to be slept on.
  RingWatch::Word armed(shm::FutexWord& word) {
    return {memory, &word, word.fetch_or(1) | 1U};
  }
  bool is_told(std::chrono::milliseconds within) {
    pollfd event{watch.fd(), POLLIN, 0};
    return ::poll(&event, 1, static_cast<int>(within.count())) == 1;
  }

  const std::shared_ptr<const void> memory = std::make_shared<int>(0);
  std::deque<shm::FutexWord> words;  // longer there than the thread that may still wake them
  RingWatch watch;
};

TEST_F(Watching, TellsOnceThatAWordHasChanged) {
  shm::FutexWord& a = words.emplace_back(0);
  shm::FutexWord& b = words.emplace_back(0);
  watch.watch({armed(a), armed(b)}, 1h);
  EXPECT_FALSE(is_told(20ms));
  shm::wake(b, 1);
  ASSERT_TRUE(is_told(30s));
  EXPECT_TRUE(watch.take_news().any);
  EXPECT_FALSE(is_told(20ms)) << "not again before it was told what to watch now";
  watch.watch({armed(a), armed(b)}, 1h);
  shm::wake(a, 1);
  EXPECT_TRUE(is_told(30s));
}

TEST_F(Watching, SeesAChangeThatCameBeforeItSlept) {
  shm::FutexWord& a = words.emplace_back(0);
  const RingWatch::Word seen = armed(a);
  shm::wake(a, 1);
  watch.watch({seen}, 1h);
  EXPECT_TRUE(is_told(30s));
}

TEST_F(Watching, TellsThatASliceHasPassed) {
  shm::FutexWord& a = words.emplace_back(0);
  watch.watch({armed(a)}, 5ms);
  ASSERT_TRUE(is_told(30s));
  EXPECT_TRUE(watch.take_news().slice);
}

TEST_F(Watching, WantsTheLoopToLookAgainAfterTheListChangedUnderIt) {
  shm::FutexWord& a = words.emplace_back(0);
  shm::FutexWord& b = words.emplace_back(0);
  watch.watch({armed(a)}, 1h);
  EXPECT_FALSE(is_told(20ms));
  watch.watch({armed(a), armed(b)}, 1h);
  EXPECT_TRUE(is_told(30s));
  watch.take_news();
  watch.watch({armed(a), armed(b)}, 1h);  // the same: it sleeps on
  EXPECT_FALSE(is_told(20ms));
  shm::wake(a, 1);
  EXPECT_TRUE(is_told(30s));
}

TEST_F(Watching, PassesOnAWakeThatNobodyHereWants) {
  shm::FutexWord& a = words.emplace_back(0);
  watch.watch({armed(a)}, 1h);
  EXPECT_FALSE(is_told(20ms));
  shm::wake(a, 1);
  ASSERT_TRUE(is_told(30s));
  // Somebody else sleeps there meanwhile.
  RingWatch other;
  other.watch({armed(a)}, 1h);
  pollfd event{other.fd(), POLLIN, 0};
  EXPECT_EQ(::poll(&event, 1, 20), 0);
  watch.take_news();
  watch.watch({}, 1h);
  EXPECT_EQ(::poll(&event, 1, 30000), 1);
}

TEST_F(Watching, WatchesMoreWordsThanTheKernelCanSleepOn) {
  std::vector<RingWatch::Word> all;
  for (int i = 0; i < 1000; ++i) all.push_back(armed(words.emplace_back(0)));
  watch.watch(all, 1h);
  EXPECT_TRUE(is_told(30s)) << "it looks again in short slices";
  watch.take_news();
  shm::FutexWord& one = words.emplace_back(0);
  watch.watch({armed(one)}, 1h);
  EXPECT_FALSE(is_told(50ms));
}

// What left its thread would end the manager.
TEST_F(Watching, NeedsNoMemoryInItsThread) {
  shm::FutexWord& a = words.emplace_back(0);
  shm::FutexWord& b = words.emplace_back(0);
  watch.watch({armed(a)}, 1h);
  const FailingNewElsewhere failing;
  for (int i = 0; i < 3; ++i) {
    watch.watch({armed(a), armed(b)}, 1h);
    shm::wake(b, 1);
    ASSERT_TRUE(is_told(30s));
    watch.take_news();
    watch.watch({armed(a)}, 1h);
  }
}

TEST_F(Watching, EndsWhileItSleeps) {
  shm::FutexWord& a = words.emplace_back(0);
  watch.watch({armed(a)}, 1h);
  EXPECT_FALSE(is_told(5ms));
}

}  // namespace
}  // namespace steward::detail::test
