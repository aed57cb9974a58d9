// The first call of a process, for which the manager must be reached before, ends as any other.
#include <chrono>
#include <functional>

#include <gtest/gtest.h>

#include <steward/core/errors.hpp>
#include <steward/proxy/list.hpp>
#include <steward/proxy/lock.hpp>
#include <steward/proxy/queue.hpp>
#include <steward/tests/client/forked.hpp>
#include <steward/tests/general_road.hpp>
#include <steward/tests/proxy/house.hpp>

namespace steward::detail::test {
namespace {

using namespace std::chrono_literals;

template <class F>
bool times_out(F call) {
  try {
    call();
  } catch (const TimeoutError&) {
    return true;
  }
  return false;
}

class FirstCall : public testing::Test {
 protected:
  // In a forked child, while the manager stands still.
  int of_a_child(const std::function<int()>& calls) {
    const House::Pause pause(house);
    Forked child([&](int) { return calls(); });
    return child.join();
  }

  House house;
};

TEST_F(FirstCall, WhoseTimeIsOverHasTimedOut) {
  const auto queue = house.make<Queue<int>>();
  const auto list = house.make<List<int>>();
  EXPECT_EQ(of_a_child([&] {
              const auto soon = queue.with_timeout(20ms);
              if (!times_out([&] { soon.get(); })) return 1;
              if (!times_out([&] { soon.put(1); })) return 2;
              if (!times_out([&] { soon.try_get(); })) return 3;
              if (!times_out([&] { soon.get_for(1h); })) return 4;
              if (!times_out([&] { list.with_timeout(20ms).size(); })) return 5;
              return 0;
            }),
            0);
}

TEST_F(FirstCall, OfATimedFormWasNotDoneInTime) {
  const auto queue = house.make<Queue<int>>();
  const auto lock = house.make<Lock>();
  EXPECT_EQ(of_a_child([&] {
              if (queue.get_for(20ms)) return 1;
              if (queue.put_for(1, 20ms)) return 2;
              if (queue.with_timeout(1h).get_for(20ms)) return 3;
              if (lock.try_lock_for(20ms)) return 4;
              const GeneralRoad general_road;
              if (queue.get_for(20ms)) return 5;
              return 0;
            }),
            0);
}

// Nobody else refers to the queue: its handle has a lease, which waits on.
TEST_F(FirstCall, ThatEndedTooEarlyLeavesTheHandleAsItWas) {
  House elsewhere;
  const auto queues = elsewhere.make<List<Queue<int>>>();
  queues.append(house.make<Queue<int>>());
  const Queue<int> queue = queues.at(0);
  {
    const House::Pause pause(house);
    EXPECT_EQ(queue.get_for(20ms), std::nullopt);
  }
  // By now this process has given back what the late answer brought.
  EXPECT_EQ(house.number_of_objects(), 1U);
  EXPECT_EQ(house.number_of_objects(), 1U);
  queue.put(1);
  EXPECT_EQ(queue.get(), 1);
}

}  // namespace
}  // namespace steward::detail::test
