#include <steward/shm/shared_queue.hpp>

#include <unistd.h>

#include <array>
#include <chrono>
#include <cstring>
#include <functional>
#include <future>
#include <numeric>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <steward/tests/shm/block_hog.hpp>

namespace steward::detail::shm {
namespace {

using namespace std::chrono_literals;
using Outcome = SharedQueue::Outcome;

constexpr core::Time kNow = SharedQueue::kNow;

std::span<const std::byte> bytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

std::string text(const Item& item) {
  return {reinterpret_cast<const char*>(item.bytes.data()), item.bytes.size()};
}

bool see(const Item&) { return true; }

std::unique_ptr<SharedQueue> again(const SharedQueue& queue) {
  return SharedQueue::open(UniqueFd(::dup(queue.fd())));
}

// The next item, or what there was instead.
std::string next(SharedQueue& queue, core::Deadline deadline = kNow) {
  std::string out;
  const auto read = [&](const Item& item) {
    out = (item.redelivered ? "again " : "") + text(item);
    return true;
  };
  Held kept;
  switch (queue.get(read, deadline, kept)) {
    case Outcome::done: return out;
    case Outcome::timeout: return "(empty)";
    case Outcome::closed: return "(closed)";
    case Outcome::ended: return "(ended)";
    case Outcome::stopped: return "(stopped)";
    case Outcome::no_block: break;
  }
  return "(?)";
}

Outcome put(SharedQueue& queue, std::string_view item, core::Deadline deadline = kNow) {
  return queue.put(bytes(item), 0, deadline);
}

// How long an item is reserved, from its taking.
auto for_(core::Duration time) {
  return [time] { return core::deadline_after(time); };
}
constexpr auto for_ever = [] { return core::Deadline(); };

core::Deadline in(core::Duration wait) { return core::deadline_after(wait); }

TEST(SharedQueue, FirstInFirstOut) {
  const auto queue = SharedQueue::create({.maxsize = 10});
  EXPECT_EQ(put(*queue, "one"), Outcome::done);
  EXPECT_EQ(put(*queue, ""), Outcome::done);
  EXPECT_EQ(put(*queue, "three"), Outcome::done);
  EXPECT_EQ(queue->size(), 3U);
  EXPECT_EQ(next(*queue), "one");
  EXPECT_EQ(next(*queue), "");
  EXPECT_EQ(next(*queue), "three");
  EXPECT_EQ(next(*queue), "(empty)");
  EXPECT_EQ(queue->size(), 0U);
}

constexpr auto kTell = SharedQueue::NoBlock::tell;

TEST(SharedQueue, APutWithoutABlockSaysSoAndChangesNothing) {
  for (const std::uint64_t maxsize : {0U, 5U}) {
    const auto queue = SharedQueue::create({.maxsize = maxsize});
    const std::string large(20'000, 'x');
    {
      const test::BlockHog hog(queue->fd(), large.size());
      EXPECT_EQ(queue->put(bytes(large), 0, in(1h), kTell), Outcome::no_block);
      SharedQueue::Loan loan;
      EXPECT_EQ(queue->loan(large.size(), 1, loan), Outcome::no_block);
      EXPECT_EQ(queue->put_back(bytes(large), 0), Outcome::no_block);
      EXPECT_EQ(queue->size(), 0U);
      std::size_t done = 0;
      const std::array items{bytes("a"), bytes("b"), bytes(large), bytes("c")};
      EXPECT_EQ(queue->put_many(items, 0, in(1h), done, kTell), Outcome::no_block);
      EXPECT_EQ(done, 2U);
      EXPECT_EQ(next(*queue), "a");
      EXPECT_EQ(next(*queue), "b");
      EXPECT_EQ(next(*queue), "(empty)");
    }
    EXPECT_EQ(put(*queue, large), Outcome::done);
    EXPECT_EQ(next(*queue), large);
  }
}

TEST(SharedQueue, AFullQueueIsFullWhetherOrNotThereIsABlock) {
  const auto queue = SharedQueue::create({.maxsize = 1});
  const std::string large(20'000, 'x');
  const test::BlockHog hog(queue->fd(), large.size());
  EXPECT_EQ(put(*queue, "a"), Outcome::done);
  EXPECT_EQ(queue->put(bytes(large), 0, kNow, kTell), Outcome::timeout);
  auto waiting = std::async(std::launch::async,
                            [&] { return queue->put(bytes(large), 0, in(1h), kTell); });
  EXPECT_EQ(next(*queue), "a");
  EXPECT_EQ(waiting.get(), Outcome::no_block) << "there is room now";
  EXPECT_EQ(put(*queue, "b"), Outcome::done);
}

TEST(SharedQueue, APutWaitsForABlockUnlessItIsToTell) {
  const auto queue = SharedQueue::create({.maxsize = 2});
  const std::string large(20'000, 'x');
  test::BlockHog hog(queue->fd(), large.size());
  EXPECT_EQ(put(*queue, large), Outcome::timeout);
  auto waiting = std::async(std::launch::async, [&] { return put(*queue, large, in(1h)); });
  hog.release();
  EXPECT_EQ(waiting.get(), Outcome::done);
  EXPECT_EQ(next(*queue), large);
}

TEST(SharedQueue, IsFullAtItsMaxsizeExactly) {
  for (const std::size_t maxsize : {std::size_t{1}, std::size_t{2}, std::size_t{127},
                                    std::size_t{128}, std::size_t{129}}) {
    const auto queue = SharedQueue::create({.maxsize = maxsize});
    for (int round = 0; round < 5; ++round) {
      for (std::size_t i = 0; i < maxsize; ++i) ASSERT_EQ(put(*queue, "x"), Outcome::done);
      EXPECT_TRUE(queue->full());
      EXPECT_EQ(queue->size(), maxsize);
      EXPECT_EQ(put(*queue, "too many"), Outcome::timeout);
      for (std::size_t i = 0; i < maxsize; ++i) ASSERT_EQ(next(*queue), "x");
      EXPECT_FALSE(queue->full());
    }
  }
}

TEST(SharedQueue, CarriesItemsOfEverySizeUpToItsLargest) {
  constexpr std::size_t kLargest = 5'000'000;
  const auto queue = SharedQueue::create({.maxsize = 4, .message_bytes = kLargest});
  const auto other = again(*queue);
  constexpr std::size_t kSizes[] = {0,       1,       95,      96,        97,        1024,     1025,
                                    16'384,  16'385,  262'144, 262'145,   4'194'304, 4'194'305,
                                    kLargest};
  for (const std::size_t size : kSizes) {
    std::string item(size, 'a');
    for (std::size_t i = 0; i < size; i += 997) item[i] = static_cast<char>(i);
    ASSERT_EQ(put(*queue, item), Outcome::done) << size;
    ASSERT_EQ(next(*other), item) << size;
  }
  EXPECT_THROW(put(*queue, std::string(kLargest + 1, 'a')), Overloaded);
}

TEST(SharedQueue, ManyLargeItemsAtOnceKeepTheirContents) {
  const auto queue = SharedQueue::create({.maxsize = 40});
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 40; ++i) {
      ASSERT_EQ(put(*queue, std::string(100'000, static_cast<char>('a' + i % 26))), Outcome::done);
    }
    for (int i = 0; i < 40; ++i) {
      ASSERT_EQ(next(*queue), std::string(100'000, static_cast<char>('a' + i % 26)));
    }
  }
}

TEST(SharedQueue, UnboundedGrowsAndKeepsTheOrder) {
  const auto queue = SharedQueue::create({});
  constexpr int kItems = 20'000;
  for (int i = 0; i < kItems; ++i) ASSERT_EQ(put(*queue, std::to_string(i)), Outcome::done);
  EXPECT_EQ(queue->size(), static_cast<std::size_t>(kItems));
  const auto other = again(*queue);
  for (int i = 0; i < kItems; ++i) ASSERT_EQ(next(*other), std::to_string(i));
  EXPECT_EQ(next(*other), "(empty)");
  // And on, in the segment that it has come to.
  for (int i = 0; i < kItems; ++i) {
    ASSERT_EQ(put(*queue, std::to_string(i)), Outcome::done);
    ASSERT_EQ(next(*queue), std::to_string(i));
  }
}

TEST(SharedQueue, LapsAndGenerationsMayWrap) {
  const auto queue = SharedQueue::create({.maxsize = 100,
                                          .first_lap = (std::uint64_t{1} << 30U) - 3,
                                          .first_generation = (std::uint64_t{1} << 40U) - 3});
  for (int i = 0; i < 2000; ++i) {
    ASSERT_EQ(put(*queue, std::to_string(i)), Outcome::done);
    ASSERT_EQ(put(*queue, "and " + std::to_string(i)), Outcome::done);
    ASSERT_EQ(next(*queue), std::to_string(i));
    ASSERT_EQ(next(*queue), "and " + std::to_string(i));
  }
  EXPECT_EQ(next(*queue), "(empty)");
}

// Who was stopped between a look at a hint and its own store may leave one of long ago.
TEST(SharedQueue, AHintThatIsALapOldCostsOnlyTime) {
  const auto queue = SharedQueue::create({.maxsize = kMaxsizeMax, .message_bytes = 96});
  const auto memory = QueueMemory::open(UniqueFd(::dup(queue->fd())));
  const Word once_round = Cell{1, Kind::empty, 0, 0}.word();
  for (Word i = 0; i < memory.cells(0); ++i) memory.cell(0, i).store(once_round);
  ASSERT_EQ(put(*queue, "one"), Outcome::done);
  const auto other = again(*queue);
  EXPECT_EQ(other->size(), 1U);
  EXPECT_EQ(next(*other), "one");
}

TEST(SharedQueue, ClosedTakesNothingAndGivesWhatItHas) {
  const auto queue = SharedQueue::create({.maxsize = 10});
  put(*queue, "last");
  queue->close();
  queue->close();
  EXPECT_EQ(put(*queue, "too late"), Outcome::closed);
  EXPECT_EQ(next(*queue), "last");
  EXPECT_EQ(next(*queue), "(closed)");
}

TEST(SharedQueue, AClosedFullOneRefusesForBeingClosedOrFullAndNeverTakes) {
  const auto queue = SharedQueue::create({.maxsize = 1});
  put(*queue, "only");
  queue->close();
  EXPECT_EQ(put(*queue, "more", in(1h)), Outcome::closed);
  EXPECT_EQ(next(*queue), "only");
}

TEST(SharedQueue, ASleepingTakerIsWokenByAnItem) {
  const auto queue = SharedQueue::create({.maxsize = 10});
  const auto other = again(*queue);
  auto taker = std::async(std::launch::async, [&] { return next(*other, in(1h)); });
  EXPECT_EQ(taker.wait_for(20ms), std::future_status::timeout);
  put(*queue, "wake up");
  EXPECT_EQ(taker.get(), "wake up");
}

TEST(SharedQueue, ASleepingProducerIsWokenByRoom) {
  const auto queue = SharedQueue::create({.maxsize = 1});
  put(*queue, "one");
  auto producer = std::async(std::launch::async, [&] { return put(*queue, "two", in(1h)); });
  EXPECT_EQ(producer.wait_for(20ms), std::future_status::timeout);
  EXPECT_EQ(next(*queue), "one");
  EXPECT_EQ(producer.get(), Outcome::done);
  EXPECT_EQ(next(*queue), "two");
}

TEST(SharedQueue, ClosingWakesWhoWaits) {
  const auto queue = SharedQueue::create({.maxsize = 1});
  auto taker = std::async(std::launch::async, [&] { return next(*queue, in(1h)); });
  EXPECT_EQ(taker.wait_for(20ms), std::future_status::timeout);
  queue->close();
  EXPECT_EQ(taker.get(), "(closed)");
}

TEST(SharedQueue, EndingWakesWhoWaitsAndRefusesTheRest) {
  const auto queue = SharedQueue::create({.maxsize = 1});
  const auto other = again(*queue);
  auto taker = std::async(std::launch::async, [&] { return next(*other, in(1h)); });
  EXPECT_EQ(taker.wait_for(20ms), std::future_status::timeout);
  queue->end();
  EXPECT_EQ(taker.get(), "(ended)");
  EXPECT_EQ(put(*other, "x"), Outcome::ended);
  EXPECT_EQ(other->join({}), Outcome::ended);
}

TEST(SharedQueue, WhoIsLeftAloneDoesNotWaitForEver) {
  auto maker = SharedQueue::create({.maxsize = 1});
  auto other = again(*maker);
  const auto last = again(*maker);
  put(*last, "x");
  maker.reset();
  EXPECT_EQ(next(*last), "x");
  EXPECT_EQ(next(*last, in(300ms)), "(empty)");  // there is somebody who may put
  other.reset();
  EXPECT_EQ(next(*last, in(1h)), "(ended)");
  EXPECT_EQ(put(*last, "y", in(1h)), Outcome::ended);
}

TEST(SharedQueue, DeadlinesEndWaits) {
  const auto queue = SharedQueue::create({.maxsize = 1});
  EXPECT_EQ(next(*queue, in(5ms)), "(empty)");
  put(*queue, "x");
  EXPECT_EQ(put(*queue, "y", in(5ms)), Outcome::timeout);
  EXPECT_EQ(queue->join(in(5ms)), Outcome::timeout);
}

TEST(SharedQueue, ManyItemsGoInAndOutTogether) {
  const auto queue = SharedQueue::create({.maxsize = 5});
  const std::vector<std::string> items{"a", "b", "c", "d", "e", "f", "g"};
  std::vector<std::span<const std::byte>> spans;
  for (const auto& item : items) spans.push_back(bytes(item));
  std::size_t done = 0;
  EXPECT_EQ(queue->put_many(spans, 0, kNow, done), Outcome::timeout);
  EXPECT_EQ(done, 5U);
  std::string got;
  const auto read = [&](const Item& item) {
    got += text(item);
    return true;
  };
  std::vector<Held> kept;
  EXPECT_EQ(queue->get_many(3, read, kNow, kept), Outcome::done);
  EXPECT_EQ(got, "abc");
  EXPECT_EQ(queue->get_many(100, read, kNow, kept), Outcome::done);
  EXPECT_EQ(got, "abcde");
  EXPECT_EQ(queue->get_many(1, read, kNow, kept), Outcome::timeout);
}

TEST(SharedQueue, AProducerOfManyTellsOfTheFirstBeforeItWaitsForRoom) {
  const auto queue = SharedQueue::create({.maxsize = 2});
  const auto other = again(*queue);
  std::string got;
  auto taker = std::async(std::launch::async, [&] {
    for (int i = 0; i < 6; ++i) got += next(*other, in(1h));
  });
  EXPECT_EQ(taker.wait_for(10ms), std::future_status::timeout);
  const std::vector<std::string> items{"a", "b", "c", "d", "e", "f"};
  std::vector<std::span<const std::byte>> spans;
  for (const auto& item : items) spans.push_back(bytes(item));
  std::size_t done = 0;
  EXPECT_EQ(queue->put_many(spans, 0, in(1h), done), Outcome::done);
  taker.get();
  EXPECT_EQ(got, "abcdef");
}

TEST(SharedQueue, WhatItsReaderRefusesComesBackFlagged) {
  const auto queue = SharedQueue::create({.maxsize = 10});
  put(*queue, "one");
  put(*queue, "two");
  Held kept;
  const auto refuse = [](const Item&) -> bool { throw BadCall("no"); };
  EXPECT_THROW(queue->get(refuse, kNow, kept), BadCall);
  EXPECT_EQ(next(*queue), "again one");
  EXPECT_EQ(next(*queue), "two");
}

TEST(SharedQueue, WhatItsReaderKeepsStaysReserved) {
  const auto queue = SharedQueue::create({.maxsize = 10});
  for (const char* item : {"a", "b", "c", "d"}) put(*queue, item);
  const auto keep_b_and_d = [](const Item& item) { return text(item) != "b" && text(item) != "d"; };
  std::vector<Held> kept;
  ASSERT_EQ(queue->get_many(3, keep_b_and_d, kNow, kept), Outcome::done);
  ASSERT_EQ(kept.size(), 1U);
  EXPECT_EQ(text(queue->item(kept[0])), "b");
  Held last;
  ASSERT_EQ(queue->get(keep_b_and_d, kNow, last), Outcome::done);
  EXPECT_EQ(text(queue->item(last)), "d");
  EXPECT_TRUE(queue->ack(kept[0]));
  EXPECT_TRUE(queue->nack(last));
  EXPECT_EQ(next(*queue), "again d");
  EXPECT_EQ(next(*queue), "(empty)");
}

// As one who is about to sleep, and is told or not.
void expect_wake(SharedQueue& queue, Event event, const std::function<void()>& act) {
  const std::uint32_t asleep = queue.event(event).fetch_or(1) | 1U;
  act();
  EXPECT_NE(queue.event(event).load(), asleep);
}

TEST(SharedQueue, AProducerIsToldOfTheRoomThatARefusedItemLeaves) {
  const auto queue = SharedQueue::create({.maxsize = 1});
  const auto refuse = [](const Item&) -> bool { throw BadCall("no"); };
  Held one;
  std::vector<Held> many;
  put(*queue, "one");
  expect_wake(*queue, Event::not_full,
              [&] { EXPECT_THROW(queue->get(refuse, kNow, one), BadCall); });
  put(*queue, "two");
  EXPECT_EQ(next(*queue), "again one");
  expect_wake(*queue, Event::not_full,
              [&] { EXPECT_THROW(queue->get_many(5, refuse, kNow, many), BadCall); });
}

TEST(SharedQueue, AReservedItemIsGoneWhenAcknowledgedAndBackWhenNot) {
  const auto queue = SharedQueue::create({.maxsize = 10});
  put(*queue, "one");
  put(*queue, "two");
  Held first;
  Held second;
  ASSERT_EQ(queue->reserve(for_(1h), see, kNow, first), Outcome::done);
  ASSERT_EQ(queue->reserve(for_(1h), see, kNow, second), Outcome::done);
  EXPECT_EQ(queue->size(), 0U);
  EXPECT_TRUE(queue->ack(first));
  EXPECT_FALSE(queue->ack(first));
  EXPECT_TRUE(queue->nack(second));
  EXPECT_FALSE(queue->ack(second));
  EXPECT_EQ(queue->size(), 1U);
  EXPECT_EQ(next(*queue), "again two");
}

TEST(SharedQueue, ALeaseThatIsOverGivesTheItemToTheNext) {
  const auto queue = SharedQueue::create({.maxsize = 10});
  put(*queue, "slow");
  Held held;
  ASSERT_EQ(queue->reserve(for_(20ms), see, kNow, held), Outcome::done);
  EXPECT_EQ(next(*queue, in(1h)), "again slow");
  EXPECT_FALSE(queue->ack(held));
  EXPECT_FALSE(queue->nack(held));
  EXPECT_FALSE(queue->touch(held, core::Time::max()));
}

TEST(SharedQueue, ATouchedLeaseLastsOn) {
  const auto queue = SharedQueue::create({.maxsize = 10});
  put(*queue, "slow");
  Held held;
  ASSERT_EQ(queue->reserve(for_(1ms), see, kNow, held), Outcome::done);
  // Nobody looks for leases that are over but who takes, so this one is still ours.
  EXPECT_TRUE(queue->touch(held, *in(1h)));
  EXPECT_EQ(next(*queue, in(10ms)), "(empty)");
  EXPECT_TRUE(queue->ack(held));
}

TEST(SharedQueue, WhatIsLentIsPutByCommitOnly) {
  struct alignas(64) Picture {
    int pixels[100];
  };
  const auto queue = SharedQueue::create({.maxsize = 1});
  SharedQueue::Loan loan;
  ASSERT_EQ(queue->loan(sizeof(Picture), alignof(Picture), loan), Outcome::done);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(loan.bytes.data()) % alignof(Picture), 0U);
  queue->give_back(loan);
  EXPECT_EQ(next(*queue), "(empty)");

  ASSERT_EQ(queue->loan(5, 1, loan), Outcome::done);
  std::memcpy(loan.bytes.data(), "hello", 5);
  ASSERT_EQ(queue->commit(loan, 7, kNow), Outcome::done);
  Held held;
  ASSERT_EQ(queue->reserve(for_ever, see, kNow, held),
            Outcome::done);
  EXPECT_EQ(text(queue->item(held)), "hello");
  EXPECT_EQ(queue->item(held).format, 7U);
  EXPECT_TRUE(queue->ack(held));
}

TEST(SharedQueue, JoinWaitsForEveryReport) {
  const auto queue = SharedQueue::create({.maxsize = 10});
  const auto other = again(*queue);
  EXPECT_EQ(queue->join(kNow), Outcome::done);
  EXPECT_FALSE(queue->task_done());
  put(*queue, "one");
  EXPECT_EQ(queue->join(kNow), Outcome::timeout);
  EXPECT_EQ(next(*other), "one");
  auto joined = std::async(std::launch::async, [&] { return queue->join(in(1h)); });
  EXPECT_EQ(joined.wait_for(10ms), std::future_status::timeout);
  EXPECT_TRUE(queue->task_done());  // somebody else's
  EXPECT_EQ(joined.get(), Outcome::done);
}

TEST(SharedQueue, JoinWaitsForWhatIsReserved) {
  const auto queue = SharedQueue::create({.maxsize = 10});
  put(*queue, "one");
  Held held;
  ASSERT_EQ(queue->reserve(for_(1h), see, kNow, held), Outcome::done);
  auto joined = std::async(std::launch::async, [&] { return queue->join(in(1h)); });
  EXPECT_EQ(joined.wait_for(10ms), std::future_status::timeout);
  queue->ack(held);
  EXPECT_EQ(joined.get(), Outcome::done);
}

TEST(SharedQueue, AReservedItemThatIsConsumedIsStillToBeReported) {
  const auto queue = SharedQueue::create({.maxsize = 10});
  put(*queue, "one");
  Held held;
  ASSERT_EQ(queue->reserve(for_ever, see, kNow, held), Outcome::done);
  EXPECT_TRUE(queue->consume(held));
  EXPECT_FALSE(queue->consume(held));
  EXPECT_EQ(queue->join(kNow), Outcome::timeout);
  EXPECT_TRUE(queue->task_done());
  EXPECT_FALSE(queue->task_done());
  EXPECT_EQ(queue->join(kNow), Outcome::done);
}

TEST(SharedQueue, WhatIsPutBackComesFirstAndFlaggedWhateverTheSize) {
  const auto queue = SharedQueue::create({.maxsize = 1});
  put(*queue, "new");
  EXPECT_EQ(queue->put_back(bytes("old"), 3), Outcome::done);
  EXPECT_EQ(queue->put_back(bytes("less old"), 3), Outcome::done);
  EXPECT_EQ(queue->size(), 3U);
  EXPECT_EQ(next(*queue), "again old");
  EXPECT_EQ(next(*queue), "again less old");
  EXPECT_EQ(next(*queue), "new");
}

TEST(SharedQueue, JoinWaitsForTasksThatWereAdded) {
  const auto queue = SharedQueue::create({});
  queue->add_tasks(2);
  EXPECT_TRUE(queue->task_done());
  EXPECT_EQ(queue->join(kNow), Outcome::timeout);
  EXPECT_TRUE(queue->task_done());
  EXPECT_EQ(queue->join(kNow), Outcome::done);
}

TEST(SharedQueue, WhoLeavesGivesBackWhatItHeld) {
  const auto queue = SharedQueue::create({.maxsize = 10});
  put(*queue, "held");
  put(*queue, "queued");
  {
    const auto other = again(*queue);
    Held held;
    ASSERT_EQ(other->reserve(for_ever, see, kNow, held), Outcome::done);
  }
  EXPECT_EQ(next(*queue), "again held");
  EXPECT_EQ(next(*queue), "queued");
}

TEST(SharedQueue, ANumberIsTakenAgainOnceItIsFree) {
  QueueMemory memory = QueueMemory::create({.maxsize = 10});
  const Participant first(memory);
  {
    const Participant second(memory);
    const Participant third(memory);
    EXPECT_EQ(first.number(), 1U);
    EXPECT_EQ(second.number(), 2U);
    EXPECT_EQ(third.number(), 3U);
  }
  const Participant again(memory);
  EXPECT_EQ(again.number(), 2U);
}

TEST(SharedQueue, OtherMemoryIsRefused) {
  EXPECT_THROW(SharedQueue::open(UniqueFd(::dup(0))), BadCall);
  EXPECT_THROW(SharedQueue::create({.maxsize = kMaxsizeMax + 1}), BadCall);
  const Segment segment = Segment::create("other", 1U << 20U);
  EXPECT_THROW(SharedQueue::open(UniqueFd(::dup(segment.fd()))), Damaged);
}

// Threads of one process share a number: their items may not get mixed.
TEST(SharedQueue, ThreadsOfOneProcessDoNotDisturbEachOther) {
  const auto queue = SharedQueue::create({.maxsize = 7});
  constexpr int kThreads = 3;
  constexpr int kItems = 3000;
  std::vector<std::thread> threads;
  std::vector<std::vector<int>> got(kThreads);
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kItems; ++i) put(*queue, std::to_string(t * kItems + i), in(1h));
    });
    threads.emplace_back([&, t] {
      for (int i = 0; i < kItems; ++i) {
        got[static_cast<std::size_t>(t)].push_back(std::stoi(next(*queue, in(1h))));
      }
    });
  }
  for (auto& thread : threads) thread.join();
  std::vector<int> count(kThreads * kItems);
  for (const auto& mine : got) {
    std::vector<int> last(kThreads, -1);
    for (const int item : mine) {
      ++count[static_cast<std::size_t>(item)];
      // Of one producer every consumer sees a rising sequence.
      auto& before = last[static_cast<std::size_t>(item / kItems)];
      EXPECT_LT(before, item);
      before = item;
    }
  }
  EXPECT_EQ(count, std::vector<int>(kThreads * kItems, 1));
}

}  // namespace
}  // namespace steward::detail::shm
