// Very many rings that are waited for, and very many who wait at one.
#include <limits>
#include <map>

#include <steward/manager/server/ring_host.hpp>
#include <steward/tests/client/forked.hpp>
#include <steward/tests/server/loop/few_descriptors.hpp>
#include <steward/tests/server/loop/ring_test.hpp>

namespace steward::detail::test {
namespace {

using server::ParkId;
using server::RingHost;
using server::Work;

constexpr std::uint64_t kMany = 400;  // more than one thread can sleep on, three times over

class RingCrowd : public testing::Test {
 protected:
  static core::Time now() { return std::chrono::steady_clock::now(); }
  static core::ObjectId queue(std::uint64_t i) { return core::ObjectId{i + 1}; }
  void take(std::uint64_t i, Work::Kind kind, std::uint64_t park) {
    std::vector<Work> work;
    work.push_back({.kind = kind, .object = queue(i), .park = ParkId{park}, .number = 1});
    host.take(work);
  }
  std::unique_ptr<shm::SharedQueue> open(std::uint64_t i) {
    return shm::SharedQueue::open(shm::UniqueFd(::dup(host.open(queue(i), 0).fd)));
  }
  // As the loop has it: sleeps until something is to be done, and does it. How many passes that
  // took.
  template <class Done>
  int serve_until(Done&& done) {
    int passes = 0;
    while (!done()) {
      ++passes;
      const core::Deadline next = host.next_deadline();
      poller.wait(next ? std::max(core::Duration::zero(), *next - now()) : core::Duration(1s));
      for (RingHost::Done& each : host.perform(now())) answers.emplace(each.park, each.code);
    }
    return passes;
  }

  server::Poller poller;
  RingHost host{poller, {}, std::numeric_limits<std::size_t>::max()};
  std::map<ParkId, core::ErrorCode> answers;
};

TEST_F(RingCrowd, EveryOneOfManyRingsIsHeardWhenSomethingComes) {
  std::vector<std::unique_ptr<shm::SharedQueue>> rings;
  for (std::uint64_t i = 0; i < kMany; ++i) {
    rings.push_back(open(i));
    take(i, Work::Kind::get, i + 1);
  }
  host.perform(now());
  EXPECT_EQ(host.waiting(), kMany);
  // Each alone, the last first: so that no other's news can be what is heard.
  for (std::uint64_t i = kMany; i > 0; i -= 40) {
    EXPECT_EQ(rings[i - 1]->put(as_bytes(core::encoded(Value(1))), 0, kNow), RingOutcome::done);
    serve_until([&] { return answers.contains(ParkId{i}); });
  }
  EXPECT_EQ(answers.size(), kMany / 40);
  EXPECT_EQ(host.waiting(), kMany - kMany / 40);
}

TEST_F(RingCrowd, ManyRingsThatAreWaitedForCostNextToNothing) {
  std::vector<std::unique_ptr<shm::SharedQueue>> rings;
  for (std::uint64_t i = 0; i < kMany; ++i) {
    rings.push_back(open(i));
    take(i, Work::Kind::get, i + 1);
  }
  host.perform(now());
  const core::Time end = now() + 1s;
  // Ten times a second it looks at a few of them. Each pass more would be somebody who polls.
  EXPECT_LE(serve_until([&] { return now() >= end; }), 20);
}

TEST_F(RingCrowd, WhoeverLeavesALineOfVeryManyLeavesAtOnce) {
  constexpr std::uint64_t kWaiters = 100'000;
  const auto ring = open(0);
  for (std::uint64_t i = 1; i <= kWaiters; ++i) take(0, Work::Kind::get, i);
  host.perform(now());
  ASSERT_EQ(host.waiting(), kWaiters);
  // From the end, and all but one: to walk along the line for each would be 5,000,000,000 steps,
  // past the time that a test has.
  for (std::uint64_t i = kWaiters; i > 1; --i) take(0, Work::Kind::cancel, i);
  host.perform(now());
  EXPECT_EQ(host.waiting(), 1U);
  EXPECT_EQ(ring->put(as_bytes(core::encoded(Value(1))), 0, kNow), RingOutcome::done);
  serve_until([&] { return answers.contains(ParkId{1}); });
}

TEST_F(RingCrowd, DeathsThatComeFastKeepNoRingFromItsTurn) {
  std::vector<std::unique_ptr<shm::SharedQueue>> rings;
  for (std::uint64_t i = 0; i < kMany; ++i) rings.push_back(open(i));
  shm::SharedQueue& last = *rings.back();
  EXPECT_EQ(last.put(as_bytes(core::encoded(Value(1))), 0, kNow), RingOutcome::done);
  Forked taker([this](int) -> int {
    const auto ring = open(kMany - 1);
    shm::Held held;
    const auto see = [](const shm::Item&) { return true; };
    const auto ever = [] { return core::Deadline(); };
    // Without a word: its end is a death.
    ::_exit(ring->reserve(ever, see, kNow, held) == RingOutcome::done ? 0 : 1);
  });
  ASSERT_EQ(taker.join(), 0);
  EXPECT_EQ(last.size(), 0U);
  // One in each pass, and time stands still.
  const core::Time when = now();
  for (std::uint64_t pass = 0; pass < kMany / 32; ++pass) {
    host.process_died(when);
    host.perform(when);
  }
  EXPECT_EQ(last.size(), 1U);
}

TEST_F(RingCrowd, ALackOfDescriptorsForOneIsNoneOfTheOthers) {
  Forked child([this](int) {
    const auto without = open(0);
    const auto searched = open(1);
    limit_descriptors(64);
    const auto taken = take_all_descriptors();
    take(0, Work::Kind::get, 1);  // for which somebody must watch
    std::vector<Work> look;
    look.push_back({.kind = Work::Kind::look, .object = queue(1)});
    look.back().items.push_back({.number = 7});
    host.take(look);
    bool told = false;
    const core::Time when = now();
    for (int i = 0; i < 3; ++i) {
      for (const RingHost::Done& done : host.perform(when)) {
        told = told || done.let_go == std::vector<std::uint64_t>{7};
      }
    }
    EXPECT_TRUE(told);
    EXPECT_GT(*host.next_deadline(), when) << "there is nothing to be done at once";
    return testing::Test::HasFailure() ? 1 : 0;
  });
  EXPECT_EQ(child.join(), 0);
}

TEST_F(RingCrowd, AWaiterThatLeftGivesItsPlaceToTheNextInOrder) {
  const auto ring = open(0);
  for (const std::uint64_t park : {1U, 2U, 3U}) take(0, Work::Kind::get, park);
  host.perform(now());
  take(0, Work::Kind::cancel, 1);
  host.perform(now());
  EXPECT_EQ(ring->put(as_bytes(core::encoded(Value(1))), 0, kNow), RingOutcome::done);
  serve_until([&] { return !answers.empty(); });
  EXPECT_EQ(answers.begin()->first, ParkId{2});
}

}  // namespace
}  // namespace steward::detail::test
