// What one sees of a queue who waits for several things and takes nothing.
#include <steward/shm/shared_queue.hpp>

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <string_view>
#include <thread>

#include <gtest/gtest.h>

#include <steward/shm/wait_any.hpp>

namespace steward::detail::shm {
namespace {

using namespace std::chrono_literals;
using Outcome = SharedQueue::Outcome;

constexpr core::Time kNow = SharedQueue::kNow;

std::span<const std::byte> bytes(std::string_view text) {
  return std::as_bytes(std::span(text));
}

bool see_it(const Item&) { return true; }

std::unique_ptr<SharedQueue> again(const SharedQueue& queue) {
  return SharedQueue::open(UniqueFd(::dup(queue.fd())));
}

Outcome get(SharedQueue& queue, core::Deadline deadline = kNow) {
  Held kept;
  return queue.get(see_it, deadline, kept);
}

TEST(Ready, SaysWhatAGetWouldFind) {
  const auto queue = SharedQueue::create({});
  const auto other = again(*queue);
  EXPECT_FALSE(queue->ready());
  other->put(bytes("a"), 0, kNow);
  EXPECT_TRUE(queue->ready());
  EXPECT_TRUE(queue->ready()) << "it takes nothing";
  EXPECT_EQ(queue->size(), 1U);
  EXPECT_EQ(get(*other), Outcome::done);
  EXPECT_FALSE(queue->ready());
  for (int i = 0; i < 5000; ++i) {
    other->put(bytes("a"), 0, kNow);
    EXPECT_TRUE(queue->ready());
    EXPECT_EQ(get(*other), Outcome::done);
    EXPECT_FALSE(queue->ready());
  }
}

TEST(Ready, SeesWhatCameBack) {
  const auto queue = SharedQueue::create({});
  const auto other = again(*queue);
  queue->put(bytes("a"), 0, kNow);
  Held held;
  ASSERT_EQ(other->reserve([] { return core::Deadline(); }, see_it, kNow, held), Outcome::done);
  EXPECT_FALSE(queue->ready());
  EXPECT_TRUE(other->nack(held));
  EXPECT_TRUE(queue->ready());
}

TEST(Ready, SeesThatALeaseIsOver) {
  const auto queue = SharedQueue::create({});
  queue->put(bytes("a"), 0, kNow);
  Held held;
  const auto until = [] { return std::chrono::steady_clock::now() + 5ms; };
  ASSERT_EQ(queue->reserve(until, see_it, kNow, held), Outcome::done);
  EXPECT_LE(queue->slice(), 5ms);
  while (!queue->ready()) std::this_thread::yield();
  EXPECT_EQ(get(*queue), Outcome::done);
}

TEST(Ready, AClosedQueueIsReadyToSaySo) {
  const auto queue = SharedQueue::create({});
  queue->put(bytes("a"), 0, kNow);
  queue->close();
  EXPECT_TRUE(queue->ready());
  EXPECT_EQ(get(*queue), Outcome::done);
  EXPECT_TRUE(queue->ready());
  EXPECT_EQ(get(*queue), Outcome::closed);
}

TEST(Ready, AnEndedQueueIsReadyToSaySo) {
  const auto queue = SharedQueue::create({});
  queue->end();
  EXPECT_TRUE(queue->ready());
}

TEST(Ready, FollowsAQueueThatGrows) {
  const auto queue = SharedQueue::create({});
  const auto other = again(*queue);
  for (int i = 0; i < 20'000; ++i) queue->put(bytes("a"), 0, kNow);
  for (int i = 0; i < 20'000; ++i) {
    if (i % 1000 == 0) { EXPECT_TRUE(queue->ready()) << i; }
    ASSERT_EQ(get(*other), Outcome::done);
  }
  EXPECT_FALSE(queue->ready());
}

TEST(WaitAny, AWakeOnAnyWordEndsTheSleep) {
  FutexWord a{0};
  FutexWord b{0};
  for (FutexWord* word : {&a, &b}) {
    const std::vector<SeenWord> seen{see(a), see(b)};
    std::thread waker([word] { wake_all(*word); });
    EXPECT_EQ(sleep_on_any(seen, std::chrono::steady_clock::now() + 1h), Slept::woken);
    waker.join();
  }
}

TEST(WaitAny, AWordThatHasChangedIsNotSleptOn) {
  FutexWord a{0};
  FutexWord b{0};
  const std::vector<SeenWord> seen{see(a), see(b)};
  wake_all(b);
  EXPECT_EQ(sleep_on_any(seen, std::chrono::steady_clock::now() + 1h), Slept::woken);
}

TEST(WaitAny, ItsTimeIsUpSometime) {
  FutexWord a{0};
  FutexWord b{0};
  EXPECT_EQ(sleep_on_any(std::vector{see(a)}, std::chrono::steady_clock::now() + 5ms),
            Slept::timeout);
  EXPECT_EQ(sleep_on_any(std::vector{see(a), see(b)}, std::chrono::steady_clock::now() + 5ms),
            Slept::timeout);
}

TEST(WaitAny, MoreWordsThanTheKernelTakesAreSleptOnForAShortTime) {
  std::vector<FutexWord> words(200);
  std::vector<SeenWord> seen;
  for (FutexWord& word : words) seen.push_back(see(word));
  EXPECT_EQ(sleep_on_any(seen, std::chrono::steady_clock::now() + 1h), Slept::timeout);
}

}  // namespace
}  // namespace steward::detail::shm
