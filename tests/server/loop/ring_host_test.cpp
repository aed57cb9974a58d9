// The manager's part in a ring, by itself: what it looks for, and what becomes of its work where
// memory ends.
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <limits>
#include <map>
#include <set>

#include <steward/manager/server/ring_host.hpp>
#include <steward/shm/bytes.hpp>
#include <steward/tests/refused_call.hpp>
#include <steward/tests/server/loop/ring_test.hpp>
#include <steward/tests/shm/failing_new.hpp>

namespace steward::detail::test {
namespace {

using server::ParkId;
using server::RingHost;
using server::RingItem;
using server::Work;

constexpr core::ObjectId kQueue{1};
constexpr core::Time kTime{};

// As a local client takes the next item: its bytes, "stub", or empty if there is none.
std::string taken(shm::SharedQueue& ring) {
  std::string bytes;
  const auto read = [&](const shm::Item& item) {
    bytes = item.format == 2 ? "stub" : shm::text_of(item.bytes);
    return true;
  };
  shm::Held held;
  return ring.get(read, kNow, held) == RingOutcome::done ? bytes : std::string();
}

struct Host {
  explicit Host(std::uint64_t maxsize = 0)
      : host(poller, {}, std::numeric_limits<std::size_t>::max()),
        ring(shm::SharedQueue::open(shm::UniqueFd(::dup(host.open(kQueue, maxsize).fd)))) {}

  void take(std::vector<Work> work) {
    for (Work& one : work) one.object = kQueue;
    host.take(work);
  }
  void look(std::uint64_t number) {
    std::vector<Work> work;
    work.push_back({.kind = Work::Kind::look, .items = {{.number = number}}});
    take(std::move(work));
  }
  void perform() { note(host.perform(kTime)); }
  // One pass whose n-th allocation fails; false: it has not so many.
  bool perform_failing(std::size_t n) {
    std::optional<FailingNew> memory(n);
    std::vector<RingHost::Done> all = host.perform(kTime);
    const bool failed = memory->has_failed();
    memory.reset();
    note(std::move(all));
    return failed;
  }
  void note(std::vector<RingHost::Done> all) {
    for (RingHost::Done& done : all) {
      for (const std::uint64_t number : done.let_go) {
        EXPECT_TRUE(let_go.insert(number).second) << number << " is let go twice";
      }
      if (done.park != ParkId{}) {
        const ParkId park = done.park;
        EXPECT_TRUE(answers.emplace(park, std::move(done)).second) << "a second answer";
      }
    }
  }
  // Until it has nothing to do any more; how many passes it took.
  int perform_all() {
    int passes = 1;
    const auto due = [&] { return host.next_deadline().value_or(core::Time::max()) <= kTime; };
    for (perform(); due(); perform()) ++passes;
    return passes;
  }

  server::Poller poller;
  RingHost host;
  std::unique_ptr<shm::SharedQueue> ring;
  std::set<std::uint64_t> let_go;
  std::map<ParkId, RingHost::Done> answers;
};

// ---- Looking for stubs ----

// A ring that once had a quarter of a million items.
class RingHostLooks : public testing::Test {
 protected:
  static constexpr std::uint32_t kBlocks = 250'000;

  RingHostLooks() {
    auto memory = shm::QueueMemory::open(shm::UniqueFd(::dup(host.ring->fd())));
    while (memory.block_range(0).ready < kBlocks) memory.make_blocks(0, kBlocks);
    host.look(1);
    walk = host.perform_all();
    host.let_go.clear();
  }
  Host host;
  int walk = 0;  // passes that one walk takes
};

TEST_F(RingHostLooks, ALargeRingIsLookedThroughInParts) {
  EXPECT_GE(walk, 4);
  host.look(2);
  host.perform();
  EXPECT_TRUE(host.let_go.empty());
  EXPECT_EQ(host.host.next_deadline(), core::Time::min()) << "it goes on at once";
  EXPECT_EQ(host.perform_all(), walk - 1);
  EXPECT_TRUE(host.let_go.contains(2));
}

TEST_F(RingHostLooks, WhatIsLookedForTogetherTakesOneWalk) {
  for (std::uint64_t number = 1; number <= 100; ++number) host.look(number);
  EXPECT_EQ(host.perform_all(), walk);
  EXPECT_EQ(host.let_go.size(), 100U);
}

TEST_F(RingHostLooks, WhatComesDuringAWalkSharesTheNextOne) {
  for (std::uint64_t number = 1; number <= 100; ++number) {
    host.look(number);
    host.perform();
  }
  EXPECT_LE(host.perform_all(), 2 * walk);
  EXPECT_EQ(host.let_go.size(), 100U);
}

TEST_F(RingHostLooks, OtherRingsDoNotWaitForALargeOne) {
  constexpr core::ObjectId kSmall{2};
  host.host.open(kSmall, 0);
  host.look(1);
  std::vector<Work> work;
  work.push_back({.kind = Work::Kind::look, .object = kSmall, .items = {{.number = 7}}});
  host.host.take(work);
  host.perform();
  host.perform();
  EXPECT_EQ(host.let_go, std::set<std::uint64_t>{7});
}

TEST_F(RingHostLooks, ARingThatGoesTakesItsLooksAlong) {
  host.look(1);
  host.perform();
  std::vector<Work> work;
  work.push_back({.kind = Work::Kind::gone});
  host.take(std::move(work));
  EXPECT_EQ(host.perform_all(), 1);
  EXPECT_TRUE(host.let_go.empty());
}

TEST(RingHostLook, FindsWhatIsPutBehindItInTheSamePass) {
  Host host;
  host.look(1);
  std::vector<Work> work;
  work.push_back({.kind = Work::Kind::put, .park = ParkId{1}, .items = {{.number = 1}}});
  host.take(std::move(work));
  host.perform_all();
  EXPECT_EQ(host.answers.size(), 1U);
  EXPECT_TRUE(host.let_go.empty()) << "its stub is in the ring";
}

// ---- Where memory ends ----

RingItem item(std::uint64_t number, bool redelivered = false) {
  return {.bytes = std::to_string(number), .number = number, .redelivered = redelivered};
}

// Something of each kind, some of which waits in the bounded queue.
std::vector<Work> much_work() {
  std::vector<Work> work;
  const auto add = [&](Work::Kind kind, std::uint64_t park, std::vector<RingItem> items = {},
                       std::uint64_t number = 0) {
    work.push_back(
        {.kind = kind, .park = ParkId{park}, .items = std::move(items), .number = number});
  };
  add(Work::Kind::move_in, 0, {item(1), item(2), item(3, true)}, 1);
  add(Work::Kind::join, 1);
  add(Work::Kind::put, 2, {item(4), item(5), item(6)});
  add(Work::Kind::try_put, 3, {item(7)});
  add(Work::Kind::wait_ready, 4);
  add(Work::Kind::get, 5, {}, 2);
  add(Work::Kind::try_get, 6);
  add(Work::Kind::put_back, 0, {item(8, true)});
  add(Work::Kind::look, 0, {item(100), item(101)});
  add(Work::Kind::get, 7, {}, 1);
  add(Work::Kind::put, 8, {item(9), item(10)});
  add(Work::Kind::size, 9);
  add(Work::Kind::get, 10, {}, 20);
  add(Work::Kind::try_put, 11, {item(11)});
  add(Work::Kind::put, 12, {item(12)});
  add(Work::Kind::put, 13, {{.number = 13}});
  add(Work::Kind::cancel, 12);
  return work;
}

// Where each item is: with a getter, or still in the ring.
std::multiset<std::string> items_of(Host& host) {
  std::multiset<std::string> all;
  for (auto& [park, done] : host.answers) {
    for (const RingHost::Done::Item& got : done.items) all.insert(got.bytes);
  }
  for (std::uint64_t park = 1'000;; ++park) {
    std::vector<Work> work;
    work.push_back({.kind = Work::Kind::size, .park = ParkId{park}});
    host.take(std::move(work));
    host.perform_all();  // who waits for room puts
    const std::string next = taken(*host.ring);
    if (next.empty()) return all;
    all.insert(next);
  }
}

// A put that was not refused is in as a whole, the others are not; what nobody waits for is in.
std::multiset<std::string> expected_items(const Host& host) {
  std::multiset<std::string> all{"1", "2", "3", "8"};
  const auto put = [&](std::uint64_t park, std::vector<const char*> items) {
    const auto answer = host.answers.find(ParkId{park});
    const bool in = answer != host.answers.end() && answer->second.code == core::ErrorCode::ok;
    const bool trying = park == 3 || park == 11;
    if (in && (!trying || answer->second.number == 1)) all.insert(items.begin(), items.end());
  };
  put(2, {"4", "5", "6"});
  put(3, {"7"});
  put(8, {"9", "10"});
  put(11, {"11"});
  put(12, {"12"});  // before it is cancelled, or not at all
  put(13, {"stub"});
  return all;
}

TEST(RingHostMemory, NoWorkIsLostWhereverMemoryEnds) {
  at_each_allocation([](std::size_t n) {
    SCOPED_TRACE(n);
    Host host(4);
    host.take(much_work());
    const bool failed = host.perform_failing(n);
    host.perform_all();
    const std::multiset<std::string> items = items_of(host);
    EXPECT_EQ(items, expected_items(host));
    for (const unsigned park : {2U, 3U, 4U, 5U, 6U, 7U, 8U, 9U, 10U, 11U, 13U}) {
      EXPECT_TRUE(host.answers.contains(ParkId{park})) << park;
    }
    if (testing::Test::HasFailure()) return false;
    // The ring carries all of them, or they never went in, or (the last two) are not there.
    std::set<std::uint64_t> let_go{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 100, 101};
    if (host.answers.at(ParkId{13}).code != core::ErrorCode::ok) let_go.insert(13);
    EXPECT_EQ(host.let_go, let_go);
    return failed;
  });
}

// What is in the ring as a stub is kept, and what is not is let go, whenever the look fails.
TEST(RingHostMemory, ALookThatFailsIsDoneAgain) {
  at_each_allocation([](std::size_t n) {
    SCOPED_TRACE(n);
    Host host;
    std::vector<Work> work;
    work.push_back({.kind = Work::Kind::put, .park = ParkId{1}, .items = {{.number = 1}}});
    host.take(std::move(work));
    host.perform_all();
    host.look(1);
    host.look(2);
    const bool failed = host.perform_failing(n);
    host.perform_all();
    EXPECT_EQ(host.let_go, std::set<std::uint64_t>{2});
    return failed;
  });
}

// ---- Without threads ----

// Ends this process: with 7 if all is right.
[[noreturn]] void wait_without_threads() {
  refuse_call(SYS_clone3, EAGAIN);
  Host host;
  host.take([] {
    std::vector<Work> work;
    work.push_back({.kind = Work::Kind::get, .park = ParkId{1}, .number = 1});
    return work;
  }());
  host.perform();
  if (!host.host.next_deadline() || !host.answers.empty()) std::exit(8);
  host.ring->put(shm::bytes_of("item"), 0, kNow);
  host.perform();
  std::exit(host.answers.contains(ParkId{1}) ? 7 : 9);
}

// Nobody sleeps in the loop's place then: it looks again and again.
TEST(RingHostDeathTest, WhoWaitsIsServedWithoutAThreadThatWatches) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(wait_without_threads(), testing::ExitedWithCode(7), "");
}

}  // namespace
}  // namespace steward::detail::test
