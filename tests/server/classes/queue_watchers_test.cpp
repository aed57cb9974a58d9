// Those who want to know when a queue has something, and take nothing.
#include <gtest/gtest.h>

#include <steward/manager/server/classes/queue.hpp>
#include <steward/tests/server/classes/fake_call.hpp>

namespace steward::detail::server {
namespace {

using testing::Answer;
using testing::Client;
using testing::Hosted;
using testing::list_of;

constexpr Client kOne{1, 1};
constexpr Client kTwo{2, 1};
constexpr Client kThree{3, 1};

TEST(QueueWatchers, AreToldAllAtOnceAndTakeNothing) {
  Hosted queue("queue");
  EXPECT_EQ(queue.ask("ready"), Value(false));
  const Answer one = queue.call(kOne, "wait_ready");
  const Answer two = queue.call(kTwo, "wait_ready");
  queue.check_waiting();
  queue.ask("put", 7);
  EXPECT_EQ(queue.now(one).value, Value());
  EXPECT_EQ(queue.now(two).value, Value());
  EXPECT_EQ(queue.ask("ready"), Value(true));
  EXPECT_EQ(queue.ask("wait_ready"), Value());
  EXPECT_EQ(queue.ask("size"), Value(1));
  queue.check_waiting();
}

TEST(QueueWatchers, SeeNothingOfWhatGoesStraightToSomebody) {
  Hosted queue("queue");
  const Answer watcher = queue.call(kOne, "wait_ready");
  const Answer getter = queue.call(kTwo, "get");
  queue.ask("put", 7);
  EXPECT_EQ(queue.now(getter).value, Value(7));
  EXPECT_TRUE(queue.now(watcher).waits());
  queue.cancel(queue.now(getter));
  EXPECT_EQ(queue.now(watcher).value, Value()) << "it came back";
}

TEST(QueueWatchers, HearOfEveryWayAnItemComes) {
  for (const char* way : {"put", "try_put", "put_many"}) {
    Hosted queue("queue");
    const Answer watcher = queue.call(kOne, "wait_ready");
    way == std::string("put_many") ? queue.ask(way, list_of(1, 2)) : queue.ask(way, 1);
    EXPECT_EQ(queue.now(watcher).value, Value()) << way;
  }
}

TEST(QueueWatchers, HearOfAReservedItemThatComesBack) {
  Hosted queue("queue");
  queue.ask("put", 1);
  const Answer reserved = queue.call(kTwo, "reserve", {1000});
  queue.confirm(reserved);
  const Answer watcher = queue.call(kOne, "wait_ready");
  EXPECT_TRUE(queue.now(watcher).waits()) << "it is somebody's";
  queue.call(kTwo, "nack", {1});
  EXPECT_EQ(queue.now(watcher).value, Value());
}

TEST(QueueWatchers, HearOfTheClose) {
  Hosted queue("queue");
  const Answer watcher = queue.call(kOne, "wait_ready");
  queue.ask("close");
  EXPECT_EQ(queue.now(watcher).value, Value());
  EXPECT_EQ(queue.ask("ready"), Value(true)) << "a get would fail at once";
}

TEST(QueueWatchers, WhoLeavesIsForgotten) {
  Hosted queue("queue");
  queue.cancel(queue.call(kOne, "wait_ready"));
  const Answer two = queue.call(kTwo, "wait_ready");
  queue.call(kThree, "wait_ready");
  queue.end_session(3, Ending::died);
  queue.check_waiting();
  queue.ask("put", 1);
  EXPECT_EQ(queue.now(two).value, Value());
}

TEST(QueueWatchers, GoOnLookingWhenTheItemsMoveOut) {
  Hosted queue("queue");
  queue.call(kOne, "put", {1});
  const Answer joiner = queue.call(kTwo, "join");
  queue.call(kThree, "get");
  const Answer watcher = queue.call(kThree, "wait_ready");
  queue.map();
  std::vector<Work::Kind> kinds;
  for (const Work& work : queue.take_work()) kinds.push_back(work.kind);
  EXPECT_EQ(kinds, (std::vector{Work::Kind::move_in, Work::Kind::join, Work::Kind::wait_ready}));
  queue.check_waiting();
  queue.work_done(*watcher.parked, {});
  EXPECT_EQ(queue.now(watcher).value, Value());
  EXPECT_TRUE(queue.now(joiner).waits());
}

TEST(QueueWatchers, OfARingHearWhatTheRingSays) {
  Hosted queue("queue");
  queue.map();
  queue.take_work();
  const Answer asked = queue.call(kOne, "ready");
  EXPECT_EQ(queue.take_work().at(0).kind, Work::Kind::ready);
  queue.work_done(*asked.parked, {.number = 1});
  EXPECT_EQ(queue.now(asked).value, Value(true));
  const Answer watcher = queue.call(kOne, "wait_ready");
  EXPECT_EQ(queue.take_work().at(0).kind, Work::Kind::wait_ready);
  queue.cancel(watcher);
  EXPECT_EQ(queue.take_work().at(0).kind, Work::Kind::cancel);
}

}  // namespace
}  // namespace steward::detail::server
