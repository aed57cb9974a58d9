#include <gtest/gtest.h>

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

TEST(Queue, IsFirstInFirstOut) {
  Hosted queue("queue");
  for (int i = 0; i < 3; ++i) queue.ask("put", i);
  EXPECT_EQ(queue.ask("size"), Value(3));
  EXPECT_EQ(queue.ask("str"), Value("[0, 1, 2]"));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(queue.ask("get"), Value(i));
  EXPECT_EQ(queue.ask("empty"), Value(true));
}

TEST(Queue, TryGetGivesNoneWhenEmpty) {
  Hosted queue("queue");
  EXPECT_EQ(queue.ask("try_get"), list_of());
  queue.ask("put", nullptr);
  EXPECT_EQ(queue.ask("try_get"), list_of(nullptr));
}

TEST(Queue, IsFullAtItsSizeAndNotBefore) {
  Hosted queue("queue", {2});
  EXPECT_EQ(queue.ask("maxsize"), Value(2));
  EXPECT_EQ(queue.ask("try_put", 1), Value(true));
  EXPECT_EQ(queue.ask("full"), Value(false));
  EXPECT_EQ(queue.ask("try_put", 2), Value(true));
  EXPECT_EQ(queue.ask("full"), Value(true));
  EXPECT_EQ(queue.ask("try_put", 3), Value(false));
  EXPECT_TRUE(queue.call(kOne, "put", {3}).waits());
}

TEST(Queue, WithoutASizeIsNeverFull) {
  Hosted queue("queue", {0});
  for (int i = 0; i < 1000; ++i) queue.ask("put", i);
  EXPECT_EQ(queue.ask("full"), Value(false));
}

TEST(Queue, APutAnswersTheGetterThatWaitsLongest) {
  Hosted queue("queue");
  const Answer first = queue.call(kOne, "get");
  const Answer second = queue.call(kTwo, "get");
  EXPECT_TRUE(first.waits());
  queue.call(kThree, "put", {"a"});
  EXPECT_EQ(queue.now(first).value, Value("a"));
  EXPECT_TRUE(queue.now(second).waits());
  queue.call(kThree, "put", {"b"});
  EXPECT_EQ(queue.now(second).value, Value("b"));
  EXPECT_EQ(queue.ask("size"), Value(0));
}

TEST(Queue, AGetAdmitsThePutterThatWaitsLongest) {
  Hosted queue("queue", {1});
  queue.ask("put", 1);
  const Answer second = queue.call(kOne, "put", {2});
  const Answer third = queue.call(kTwo, "put", {3});
  EXPECT_EQ(queue.ask("get"), Value(1));
  EXPECT_EQ(queue.now(second).value, Value());
  EXPECT_TRUE(queue.now(third).waits());
  EXPECT_EQ(queue.ask("try_put", 4), Value(false)) << "nobody overtakes";
  EXPECT_EQ(queue.ask("get"), Value(2));
  EXPECT_EQ(queue.ask("get"), Value(3));
}

TEST(Queue, PutManyGoesInAsSpaceAllows) {
  Hosted queue("queue", {2});
  const Answer many = queue.call(kOne, "put_many", {list_of(1, 2, 3, 4, 5)});
  const Answer after = queue.call(kTwo, "put", {6});
  EXPECT_EQ(queue.ask("str"), Value("[1, 2]"));
  EXPECT_EQ(queue.ask("get"), Value(1));
  EXPECT_EQ(queue.ask("str"), Value("[2, 3]"));
  EXPECT_TRUE(queue.now(many).waits());
  EXPECT_EQ(queue.ask("get_many", 10), list_of(2, 3));
  EXPECT_EQ(queue.now(many).value, Value());
  EXPECT_TRUE(queue.now(after).waits());
  EXPECT_EQ(queue.ask("get"), Value(4));
  EXPECT_EQ(queue.now(after).value, Value());
  EXPECT_EQ(queue.ask("get_many", 10), list_of(5, 6));
}

TEST(Queue, PutManyServesWaitingGettersPastTheSize) {
  Hosted queue("queue", {1});
  const Answer one = queue.call(kOne, "get");
  const Answer two = queue.call(kTwo, "get");
  EXPECT_EQ(queue.now(queue.call(kThree, "put_many", {list_of(1, 2, 3)})).value, Value());
  EXPECT_EQ(queue.now(one).value, Value(1));
  EXPECT_EQ(queue.now(two).value, Value(2));
  EXPECT_EQ(queue.ask("str"), Value("[3]"));
  EXPECT_EQ(queue.ask("put_many", list_of()), Value());
}

TEST(Queue, GetManyWaitsForTheFirstOnly) {
  Hosted queue("queue");
  const Answer many = queue.call(kOne, "get_many", {3});
  EXPECT_TRUE(many.waits());
  queue.ask("put_many", list_of(1, 2, 3, 4));
  EXPECT_EQ(queue.now(many).value, list_of(1, 2, 3));
  EXPECT_EQ(queue.ask("get_many", 3), list_of(4));
  EXPECT_EQ(queue.ask("get_many", 0), list_of());
}

TEST(Queue, AConfirmedItemIsGone) {
  Hosted queue("queue");
  queue.ask("put", 1);
  const Answer got = queue.call(kOne, "get");
  EXPECT_EQ(queue.unconfirmed(), 1U);
  queue.confirm(got);
  queue.end_session(1, Ending::died);
  EXPECT_EQ(queue.ask("size"), Value(0));
}

TEST(Queue, WhatADeadTakerNeverGotIsBackInFront) {
  Hosted queue("queue");
  queue.ask("put_many", list_of(1, 2, 3, 4));
  queue.call(kTwo, "get");
  queue.call(kTwo, "get_many", {2});
  EXPECT_EQ(queue.ask("str"), Value("[4]"));
  queue.end_session(2, Ending::died);
  EXPECT_EQ(queue.ask("str"), Value("[1, 2, 3, 4]"));
}

TEST(Queue, TryGetHandsOverToo) {
  Hosted queue("queue");
  queue.ask("put", 1);
  EXPECT_EQ(queue.call(kTwo, "try_get").value, list_of(1));
  queue.end_session(2, Ending::died);
  EXPECT_EQ(queue.ask("str"), Value("[1]"));
}

TEST(Queue, ReturnedItemsHaveTheirOldOrderWhoeverReturnsFirst) {
  Hosted queue("queue");
  queue.ask("put_many", list_of(1, 2, 3, 4));
  const Answer one = queue.call(kOne, "get");
  const Answer two = queue.call(kTwo, "get");
  const Answer three = queue.call(kThree, "get");
  queue.cancel(two);
  queue.cancel(one);
  queue.cancel(three);
  EXPECT_EQ(queue.ask("str"), Value("[1, 2, 3, 4]"));
}

TEST(Queue, AReturnedItemGoesToTheGetterThatWaits) {
  Hosted queue("queue");
  queue.ask("put", 1);
  const Answer lost = queue.call(kOne, "get");
  const Answer waiting = queue.call(kTwo, "get");
  queue.cancel(lost);
  EXPECT_EQ(queue.now(waiting).value, Value(1));
  queue.cancel(waiting);
  EXPECT_EQ(queue.ask("str"), Value("[1]")) << "and comes back from that one likewise";
}

TEST(Queue, AReturnedItemMayExceedTheSize) {
  Hosted queue("queue", {1});
  queue.ask("put", 1);
  const Answer got = queue.call(kOne, "get");
  queue.ask("put", 2);
  const Answer third = queue.call(kTwo, "put", {3});
  queue.cancel(got);
  EXPECT_EQ(queue.ask("str"), Value("[1, 2]"));
  EXPECT_EQ(queue.ask("full"), Value(true));
  queue.ask("get");
  EXPECT_TRUE(queue.now(third).waits()) << "2 is still there";
  queue.ask("get");
  EXPECT_EQ(queue.now(third).value, Value());
}

TEST(Queue, ReturnedItemsAreMarked) {
  Hosted fresh("queue");
  fresh.ask("put", 1);
  Hosted queue("queue");
  queue.ask("put", 1);
  EXPECT_EQ(queue.save(), fresh.save());
  queue.cancel(queue.call(kOne, "get"));
  EXPECT_NE(queue.save(), fresh.save());
}

TEST(Queue, APutThatStopsWaitingNeverEntered) {
  Hosted queue("queue", {1});
  queue.ask("put", 1);
  const Answer second = queue.call(kOne, "put", {2});
  const Answer dying = queue.call(kTwo, "put", {3});
  const Answer fourth = queue.call(kThree, "put", {4});
  queue.cancel(second);
  queue.end_session(2, Ending::died);
  queue.check_waiting();
  EXPECT_EQ(queue.ask("get"), Value(1));
  EXPECT_EQ(queue.ask("get"), Value(4));
  EXPECT_EQ(queue.now(fourth).value, Value());
  EXPECT_TRUE(queue.now(dying).waits()) << "nobody is there to be answered";
}

TEST(Queue, AGetThatStopsWaitingTakesNothing) {
  Hosted queue("queue");
  const Answer first = queue.call(kOne, "get");
  const Answer second = queue.call(kTwo, "get");
  queue.cancel(first);
  queue.ask("put", 1);
  EXPECT_EQ(queue.now(second).value, Value(1));
}

TEST(Queue, ClosedRefusesPutsAndGivesWhatIsLeft) {
  Hosted queue("queue");
  queue.ask("put_many", list_of(1, 2));
  queue.ask("close");
  queue.ask("close");
  EXPECT_EQ(queue.refusal("put", 3), "closed: the queue is closed");
  EXPECT_EQ(queue.refusal("try_put", 3), "closed: the queue is closed");
  EXPECT_EQ(queue.refusal("put_many", list_of(3)), "closed: the queue is closed");
  EXPECT_EQ(queue.ask("get"), Value(1));
  EXPECT_EQ(queue.ask("try_get"), list_of(2));
  EXPECT_EQ(queue.refusal("get"), "closed: the queue is closed");
  EXPECT_EQ(queue.refusal("try_get"), "closed: the queue is closed");
  EXPECT_EQ(queue.refusal("get_many", 5), "closed: the queue is closed");
}

TEST(Queue, ClosingEndsAllThatWaitToPutOrGet) {
  Hosted empty("queue");
  const Answer getter = empty.call(kOne, "get");
  const Answer many = empty.call(kOne, "get_many", {2});
  empty.ask("close");
  EXPECT_EQ(empty.now(getter).error, "closed: the queue is closed");
  EXPECT_EQ(empty.now(many).error, "closed: the queue is closed");

  Hosted full("queue", {1});
  full.ask("put", 1);
  const Answer putter = full.call(kOne, "put", {2});
  full.ask("close");
  EXPECT_EQ(full.now(putter).error, "closed: the queue is closed");
  EXPECT_EQ(full.ask("str"), Value("[1]"));
  EXPECT_TRUE(full.waiting().empty());
}

TEST(Queue, AnItemReturnedAfterCloseCanBeGot) {
  Hosted queue("queue");
  queue.ask("put", 1);
  const Answer got = queue.call(kTwo, "get");
  queue.ask("close");
  EXPECT_EQ(queue.refusal("get"), "closed: the queue is closed");
  queue.cancel(got);
  EXPECT_EQ(queue.ask("get"), Value(1));
}

TEST(Queue, JoinWaitsUntilAllAreDone) {
  Hosted queue("queue", {1});
  EXPECT_EQ(queue.ask("join"), Value()) << "nothing to do";
  queue.ask("put", 1);
  const Answer putter = queue.call(kTwo, "put", {2});
  const Answer joining = queue.call(kOne, "join");
  const Answer leaving = queue.call(kOne, "join");
  queue.cancel(leaving);
  queue.ask("get");
  queue.ask("task_done");
  EXPECT_TRUE(queue.now(joining).waits()) << "2 has entered meanwhile";
  EXPECT_EQ(queue.refusal("task_done"),
            "bad_call: task_done was called more often than items were taken");
  queue.ask("get");
  queue.ask("task_done");
  EXPECT_EQ(queue.now(joining).value, Value());
  EXPECT_EQ(queue.refusal("task_done"),
            "bad_call: task_done was called more often than items were taken");
}

TEST(Queue, JoinOutlastsACloseAndAReturn) {
  Hosted queue("queue");
  queue.ask("put", 1);
  const Answer joining = queue.call(kOne, "join");
  const Answer got = queue.call(kTwo, "get");
  queue.ask("close");
  queue.cancel(got);
  queue.ask("get");
  EXPECT_TRUE(queue.now(joining).waits());
  queue.ask("task_done");
  EXPECT_EQ(queue.now(joining).value, Value());
}

TEST(Queue, ListsAllWhoWaitFirstComeFirst) {
  Hosted queue("queue", {1});
  queue.ask("put", 1);
  queue.call(kOne, "put", {2});
  queue.call(kTwo, "join");
  queue.call(kThree, "put", {3});
  queue.check_waiting();
  EXPECT_EQ(queue.waiting().size(), 3U);
}

TEST(Queue, SavesWhoWaitsAndWhatIsInFlight) {
  const auto with = [](auto&& change) {
    Hosted queue("queue", {2});
    queue.ask("put_many", list_of(1, 2));
    change(queue);
    return queue.save();
  };
  const std::string plain = with([](Hosted&) {});
  EXPECT_EQ(plain, with([](Hosted&) {}));
  EXPECT_NE(plain, with([](Hosted& queue) { queue.call(kOne, "put", {3}); }));
  EXPECT_NE(plain, with([](Hosted& queue) { queue.call(kOne, "join"); }));
  EXPECT_NE(with([](Hosted& queue) { queue.ask("get"); }), with([](Hosted& queue) {
              queue.ask("get");
              queue.ask("task_done");
            }));
  EXPECT_NE(plain, with([](Hosted& queue) { queue.ask("close"); }));
  EXPECT_NE(with([](Hosted& queue) { queue.call(kOne, "get"); }),
            with([](Hosted& queue) { queue.confirm(queue.call(kOne, "get")); }));
  EXPECT_NE(with([](Hosted& queue) { queue.call(kOne, "get"); }),
            with([](Hosted& queue) { queue.call(kTwo, "get"); }));
}

}  // namespace
}  // namespace steward::detail::server
