// What sessions have reserved of a queue: whose it is, for how long, and what becomes of it.
#include <chrono>

#include <gtest/gtest.h>

#include <steward/core/writer.hpp>
#include <steward/tests/server/classes/fake_call.hpp>

namespace steward::detail::server {
namespace {

using namespace std::chrono_literals;
using testing::Answer;
using testing::Client;
using testing::Hosted;
using testing::list_of;

constexpr Client kOne{1, 1};
constexpr Client kTwo{2, 1};

Value handle(std::uint64_t object) {
  core::Token token;
  token.object = core::ObjectId{object};
  token.type = "list";
  return Value::of_reference(std::make_shared<const core::Reference>(token));
}

class QueueReserve : public ::testing::Test {
 protected:
  Answer reserve(Client who, const Value& time_ms) {
    return queue.call(who, "reserve", {time_ms});
  }
  // Reserves what is there, and confirms it.
  Value take(Client who, const Value& time_ms = 1000) {
    const Answer answer = reserve(who, time_ms);
    queue.confirm(answer);
    return answer.value.value_or(Value());
  }
  bool says(Client who, const char* word, const Value& number) {
    return queue.call(who, word, {number}).value == Value(true);
  }
  std::string contents() { return queue.ask("str").string(); }

  Hosted queue{"queue"};
};

TEST_F(QueueReserve, GivesANumberWhetherItIsRedeliveredAndTheItem) {
  queue.ask("put_many", list_of("a", "b"));
  EXPECT_EQ(reserve(kOne, 1000).value, list_of(1, false, "a"));
  EXPECT_EQ(reserve(kTwo, nullptr).value, list_of(2, false, "b"));
  EXPECT_EQ(queue.unconfirmed(), 2U);
  EXPECT_EQ(contents(), "[]");
}

TEST_F(QueueReserve, WhatIsReservedIsNobodyElses) {
  queue.ask("put", 1);
  take(kOne);
  EXPECT_EQ(queue.ask("try_get"), list_of());
  EXPECT_TRUE(queue.call(kTwo, "get").waits());
  EXPECT_EQ(queue.ask("size"), Value(0));
}

TEST_F(QueueReserve, AnAcknowledgedItemIsGone) {
  queue.ask("put", 1);
  take(kOne, 100);
  EXPECT_TRUE(says(kOne, "ack", 1));
  EXPECT_EQ(queue.alarm_in(), std::nullopt);
  queue.pass(1s);
  queue.end_session(1, Ending::died);
  EXPECT_EQ(contents(), "[]");
  EXPECT_EQ(queue.bytes(), 0U);
}

TEST_F(QueueReserve, AnItemCanBeSettledOnce) {
  queue.ask("put_many", list_of(1, 2));
  take(kOne);
  take(kOne);
  EXPECT_TRUE(says(kOne, "ack", 1));
  EXPECT_FALSE(says(kOne, "ack", 1));
  EXPECT_FALSE(says(kOne, "nack", 1));
  EXPECT_FALSE(says(kOne, "touch", 1));
  EXPECT_TRUE(says(kOne, "nack", 2));
  EXPECT_FALSE(says(kOne, "nack", 2));
  EXPECT_FALSE(says(kOne, "ack", 2));
  EXPECT_FALSE(says(kOne, "ack", 99)) << "there was no such";
  EXPECT_EQ(contents(), "[2]");
}

TEST_F(QueueReserve, AnotherSessionCannotSettleIt) {
  queue.ask("put", 1);
  take(kOne);
  EXPECT_FALSE(says(kTwo, "ack", 1));
  EXPECT_FALSE(says(kTwo, "nack", 1));
  EXPECT_FALSE(says(kTwo, "touch", 1));
  EXPECT_TRUE(says({1, 7}, "ack", 1)) << "another thread of the session can";
}

TEST_F(QueueReserve, WhatIsGivenBackIsInFrontOfAllOthersAndFlagged) {
  queue.ask("put_many", list_of(1, 2, 3));
  take(kOne);
  take(kOne);
  says(kOne, "nack", 2);
  says(kOne, "nack", 1);
  EXPECT_EQ(contents(), "[1, 2, 3]");
  EXPECT_EQ(take(kTwo), list_of(3, true, 1));
  EXPECT_EQ(take(kTwo), list_of(4, true, 2));
  EXPECT_EQ(take(kTwo), list_of(5, false, 3));
}

TEST_F(QueueReserve, WhatIsGivenBackServesWhoWaits) {
  queue.ask("put", 1);
  take(kOne);
  const Answer waiting = reserve(kTwo, 100);
  says(kOne, "nack", 1);
  EXPECT_EQ(queue.now(waiting).value, list_of(2, true, 1));
}

TEST_F(QueueReserve, ItsTimeOverAnItemIsTheNexts) {
  queue.ask("put_many", list_of(1, 2));
  take(kOne, 100);
  EXPECT_EQ(queue.alarm_in(), 100ms);
  queue.pass(99ms);
  EXPECT_EQ(contents(), "[2]");
  queue.pass(1ms);
  EXPECT_EQ(contents(), "[1, 2]");
  EXPECT_FALSE(says(kOne, "ack", 1));
  EXPECT_FALSE(says(kOne, "nack", 1));
  EXPECT_FALSE(says(kOne, "touch", 1));
  EXPECT_EQ(take(kTwo), list_of(2, true, 1));
  EXPECT_EQ(queue.owned_by(1), 0U);
}

TEST_F(QueueReserve, TheTimeOfWhoWaitedBeginsWithItsItem) {
  const Answer waiting = reserve(kOne, 100);
  queue.check_waiting();
  queue.pass(1h);
  EXPECT_EQ(queue.alarm_in(), std::nullopt);
  queue.ask("put", 1);
  EXPECT_EQ(queue.now(waiting).value, list_of(1, false, 1));
  EXPECT_EQ(queue.alarm_in(), 100ms);
  queue.pass(99ms);
  EXPECT_TRUE(says(kOne, "ack", 1));
}

TEST_F(QueueReserve, TheEarliestEndRingsTheAlarm) {
  queue.ask("put_many", list_of(1, 2, 3));
  take(kOne, 300);
  take(kOne, 100);
  take(kTwo, 200);
  EXPECT_EQ(queue.alarm_in(), 100ms);
  queue.pass(100ms);
  EXPECT_EQ(contents(), "[2]");
  EXPECT_EQ(queue.alarm_in(), 100ms);
  says(kTwo, "ack", 3);
  EXPECT_EQ(queue.alarm_in(), 200ms);
  queue.pass(200ms);
  EXPECT_EQ(contents(), "[1, 2]");
  EXPECT_EQ(queue.alarm_in(), std::nullopt);
}

TEST_F(QueueReserve, ItIsOverAtItsEndThoughTheAlarmHasYetToRing) {
  queue.ask("put", 1);
  take(kOne, 0);
  EXPECT_EQ(queue.alarm_in(), 0ms);
  EXPECT_FALSE(says(kOne, "ack", 1));
  EXPECT_EQ(contents(), "[1]");
}

TEST_F(QueueReserve, WithoutATimeItLastsAsLongAsItsSession) {
  queue.ask("put_many", list_of(1, 2, 3));
  const Answer answer = queue.call(kOne, "reserve");
  EXPECT_EQ(answer.value, list_of(1, false, 1));
  reserve(kOne, nullptr);
  reserve(kOne, std::uint64_t{1} << 63U);
  EXPECT_EQ(queue.alarm_in(), std::nullopt);
  EXPECT_EQ(queue.owned_by(1), 3U);
  queue.end_session(1, Ending::orderly);
  EXPECT_EQ(contents(), "[1, 2, 3]");
}

TEST_F(QueueReserve, TouchedItsTimeBeginsAnew) {
  queue.ask("put_many", list_of(1, 2));
  take(kOne, 100);
  queue.pass(60ms);
  EXPECT_EQ(queue.call(kOne, "touch", {1, 100}).value, Value(true));
  EXPECT_EQ(queue.alarm_in(), 100ms);
  queue.pass(99ms);
  EXPECT_EQ(contents(), "[2]");
  EXPECT_EQ(queue.call(kOne, "touch", {1}).value, Value(true)) << "for ever";
  EXPECT_EQ(queue.alarm_in(), std::nullopt);
  EXPECT_EQ(queue.call(kOne, "touch", {1, 5}).value, Value(true));
  queue.pass(5ms);
  EXPECT_EQ(contents(), "[1, 2]");
}

TEST_F(QueueReserve, WhatADeadSessionHadReservedIsBackConfirmedOrNot) {
  for (const auto order : {Hosted::Order::ownership_first, Hosted::Order::hand_overs_first}) {
    Hosted own("queue");
    own.ask("put_many", list_of(1, 2, 3, 4));
    own.confirm(own.call(kTwo, "reserve", {1000}));
    own.call(kTwo, "reserve", {1000});
    own.call(kTwo, "get");
    own.end_session(2, Ending::died, order);
    EXPECT_EQ(own.ask("str"), Value("[1, 2, 3, 4]"));
    EXPECT_EQ(own.call(kOne, "reserve").value, list_of(3, true, 1));
    EXPECT_EQ(own.owned_by(2), 0U);
  }
}

TEST_F(QueueReserve, GivenUpBeforeItArrivedItIsBack) {
  queue.ask("put", 1);
  const Answer lost = reserve(kOne, 1000);
  queue.cancel(lost);
  EXPECT_EQ(contents(), "[1]");
  EXPECT_FALSE(says(kOne, "ack", 1));
  EXPECT_EQ(queue.owned_by(1), 0U);
  queue.end_session(1, Ending::died);
  EXPECT_EQ(contents(), "[1]");
}

TEST_F(QueueReserve, GivenUpAfterItsEndNothingComesBackTwice) {
  queue.ask("put", 1);
  const Answer late = reserve(kOne, 10);
  queue.pass(10ms);
  const Answer next = reserve(kTwo, 1000);
  queue.cancel(late);
  EXPECT_EQ(contents(), "[]");
  queue.confirm(next);
  EXPECT_TRUE(says(kTwo, "ack", 2));
}

TEST_F(QueueReserve, AReserveThatStopsWaitingTakesNothing) {
  const Answer first = reserve(kOne, 1000);
  queue.cancel(first);
  queue.check_waiting();
  queue.ask("put", 1);
  EXPECT_EQ(contents(), "[1]");
}

TEST_F(QueueReserve, JoinWaitsForWhatIsReservedAndNoReportIsNeeded) {
  queue.ask("put_many", list_of(1, 2));
  const Answer joining = queue.call(kTwo, "join");
  take(kOne, 100);
  take(kOne);
  EXPECT_TRUE(says(kOne, "ack", 2));
  queue.pass(100ms);
  EXPECT_TRUE(queue.now(joining).waits());
  take(kOne);
  EXPECT_TRUE(queue.now(joining).waits());
  EXPECT_TRUE(says(kOne, "ack", 3));
  EXPECT_EQ(queue.now(joining).value, Value());
  EXPECT_EQ(queue.refusal("task_done"),
            "bad_call: task_done was called more often than items were taken");
}

TEST_F(QueueReserve, AReportThatCameBeforeTheAckIsNoTrouble) {
  queue.ask("put", 1);
  take(kOne);
  queue.ask("task_done");
  EXPECT_TRUE(says(kOne, "ack", 1));
  EXPECT_EQ(queue.ask("join"), Value());
}

TEST_F(QueueReserve, ReservedItemsKeepNobodyOutAndMayExceedTheSizeWhenBack) {
  Hosted small("queue", {1});
  small.ask("put", 1);
  const Answer putter = small.call(kTwo, "put", {2});
  small.confirm(small.call(kOne, "reserve", {10}));
  EXPECT_EQ(small.now(putter).value, Value());
  small.pass(10ms);
  EXPECT_EQ(small.ask("str"), Value("[1, 2]"));
}

TEST_F(QueueReserve, ClosedItGivesWhatIsLeftAndWhatComesBack) {
  queue.ask("put", 1);
  take(kOne, 10);
  const Answer waiting = reserve(kTwo, 10);
  queue.ask("close");
  EXPECT_EQ(queue.now(waiting).error, "closed: the queue is closed");
  EXPECT_EQ(queue.refusal("reserve", 10), "closed: the queue is closed");
  queue.pass(10ms);
  EXPECT_EQ(take(kTwo), list_of(2, true, 1));
}

TEST_F(QueueReserve, CountsInMemoryUntilItIsAcknowledged) {
  queue.ask("put", "item");
  take(kOne);
  EXPECT_EQ(queue.bytes(), Value("item").footprint());
  says(kOne, "nack", 1);
  EXPECT_EQ(queue.bytes(), Value("item").footprint());
  take(kOne);
  says(kOne, "ack", 2);
  EXPECT_EQ(queue.bytes(), 0U);
}

TEST_F(QueueReserve, ItsStateSaysWhoHasReservedWhatAndUntilWhen) {
  const auto with = [](Client who, const Value& time, bool touched) {
    Hosted queue("queue");
    queue.ask("put_many", list_of(1, 2));
    queue.confirm(queue.call(who, "reserve", {time}));
    if (touched) queue.call(who, "touch", {1, 7});
    return queue.save();
  };
  const std::string one = with(kOne, 10, false);
  EXPECT_EQ(one, with(kOne, 10, false));
  EXPECT_NE(one, with(kTwo, 10, false));
  EXPECT_NE(one, with(kOne, 11, false));
  EXPECT_NE(one, with(kOne, nullptr, false));
  EXPECT_NE(one, with(kOne, 10, true));
  EXPECT_EQ(with(kOne, 7, false), with(kOne, 10, true));
}

// ---- With a ring ----

class QueueReserveOutside : public QueueReserve {
 protected:
  // The only work that the object has given out since the last look.
  Work work() {
    std::vector<Work> all = queue.take_work();
    EXPECT_EQ(all.size(), 1U);
    return all.empty() ? Work() : all.front();
  }
  void map() {
    queue.map();
    work();
  }
  // Reserves what the ring gives then.
  Answer given(Client who, const WorkResult::Item& item, const Value& time_ms = 1000) {
    const Answer answer = reserve(who, time_ms);
    EXPECT_EQ(work().kind, Work::Kind::get);
    queue.work_done(*answer.parked, {.items = {item}});
    return queue.now(answer);
  }
  static WorkResult::Item item(const std::string& encoded, bool redelivered = false) {
    return {encoded, 0, redelivered};
  }

  const std::string seven = core::encoded(Value(7));
};

TEST_F(QueueReserveOutside, SaysWhatTheRingSaysOfTheItem) {
  map();
  EXPECT_EQ(given(kOne, item(seven)).value, list_of(1, false, 7));
  EXPECT_EQ(given(kOne, item(seven, true)).value, list_of(2, true, 7));
  const Answer closed = reserve(kOne, 1000);
  queue.work_done(*closed.parked, {.code = core::ErrorCode::closed, .text = "no"});
  EXPECT_EQ(queue.now(closed).error, "closed: no");
  const Answer nothing = reserve(kOne, 1000);
  queue.work_done(*nothing.parked, {});
  EXPECT_EQ(queue.now(nothing).error, "bad_call: the ring gave nothing");
  EXPECT_EQ(queue.owned_by(1), 2U);
}

TEST_F(QueueReserveOutside, ConfirmedItIsStillReserved) {
  map();
  const Answer answer = given(kOne, item(seven));
  queue.confirm(answer);
  EXPECT_TRUE(queue.take_work().empty());
  EXPECT_TRUE(says(kOne, "ack", 1));
  const Work done = work();
  EXPECT_EQ(done.kind, Work::Kind::finish);
  EXPECT_EQ(done.park, *answer.parked);
  EXPECT_FALSE(says(kOne, "ack", 1));
  EXPECT_TRUE(queue.take_work().empty());
}

TEST_F(QueueReserveOutside, ItGoesBackForEveryReasonThatThereIs) {
  map();
  const auto expect_back = [&](const Answer& answer, auto&& end) {
    end();
    const Work back = work();
    EXPECT_EQ(back.kind, Work::Kind::give_back);
    EXPECT_EQ(back.park, *answer.parked);
  };
  Answer answer = given(kOne, item(seven));
  expect_back(answer, [&] { EXPECT_TRUE(says(kOne, "nack", 1)); });
  answer = given(kOne, item(seven), 100);
  expect_back(answer, [&] { queue.pass(100ms); });
  answer = given(kOne, item(seven));
  expect_back(answer, [&] { queue.cancel(answer); });
  answer = given(kOne, item(seven));
  queue.confirm(answer);
  expect_back(answer, [&] { queue.end_session(1, Ending::orderly); });
}

TEST_F(QueueReserveOutside, GivenUpWhileItWaitsItIsCancelled) {
  map();
  const Answer answer = reserve(kOne, 100);
  queue.take_work();
  queue.cancel(answer);
  EXPECT_EQ(work().kind, Work::Kind::cancel);
  queue.work_done(*answer.parked, {.items = {item(seven)}});  // too late: nobody is answered
  EXPECT_EQ(queue.unconfirmed(), 0U);
  EXPECT_EQ(queue.alarm_in(), std::nullopt);
}

TEST_F(QueueReserveOutside, WhoWaitedBeforeThereWasARingKeepsItsPlaceAndTime) {
  const Answer answer = reserve(kOne, 100);
  queue.map();
  const std::vector<Work> all = queue.take_work();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[1].kind, Work::Kind::get);
  EXPECT_EQ(all[1].park, *answer.parked);
  queue.check_waiting();
  queue.pass(1s);
  queue.work_done(*answer.parked, {.items = {item(seven)}});
  EXPECT_EQ(queue.now(answer).value, list_of(1, false, 7));
  EXPECT_EQ(queue.alarm_in(), 100ms);
}

TEST_F(QueueReserveOutside, WhatWasReservedBeforeThereWasARingIsAnOpenTask) {
  queue.ask("put_many", list_of(1, 2, 3));
  take(kOne);
  take(kOne);
  queue.map();
  const Work moved = work();
  EXPECT_EQ(moved.items.size(), 1U);
  EXPECT_EQ(moved.number, 2U);
  EXPECT_TRUE(says(kOne, "ack", 1));
  const Work done = work();
  EXPECT_EQ(done.kind, Work::Kind::finish);
  EXPECT_EQ(done.park, ParkId{});
  EXPECT_TRUE(says(kOne, "nack", 2));
  const Work back = work();
  EXPECT_EQ(back.kind, Work::Kind::put_back);
  ASSERT_EQ(back.items.size(), 1U);
  EXPECT_EQ(back.items[0].bytes, core::encoded(Value(2)));
  EXPECT_TRUE(back.items[0].redelivered);
  queue.work_done(ParkId{}, {.let_go = {1, back.items[0].number}});
  EXPECT_EQ(queue.bytes(), 0U);
}

TEST_F(QueueReserveOutside, AStubIsItsValueUntilAcknowledged) {
  map();
  const Value value = list_of("x", handle(9));
  const Answer put = queue.call(kOne, "put", {value});
  EXPECT_EQ(work().items.at(0).number, 1U);
  const std::string stub("\1\0\0\0\0\0\0\0", kStubBytes);
  queue.work_done(*put.parked, {});
  EXPECT_EQ(given(kOne, {stub, 2}).value, list_of(1, false, value));
  EXPECT_TRUE(says(kOne, "nack", 1));
  queue.take_work();
  EXPECT_EQ(queue.ask("redeem", 1), value) << "whoever gets it now can redeem it";
  queue.confirm(given(kTwo, {stub, 2, true}));
  EXPECT_EQ(queue.bytes(), value.footprint());
  EXPECT_TRUE(says(kTwo, "ack", 2));
  EXPECT_EQ(queue.bytes(), 0U);
  EXPECT_FALSE(queue.refusal("redeem", 1).empty());
}

TEST_F(QueueReserveOutside, ItsStateSaysWhatIsReservedOfTheRing) {
  map();
  const std::string empty = queue.save();
  const Answer waiting = reserve(kOne, 100);
  const std::string waits = queue.save();
  EXPECT_NE(waits, empty);
  queue.work_done(*waiting.parked, {.items = {item(seven)}});
  EXPECT_NE(queue.save(), waits);
  says(kOne, "ack", 1);
  EXPECT_NE(queue.save(), empty) << "numbers are never used again";
}

}  // namespace
}  // namespace steward::detail::server
