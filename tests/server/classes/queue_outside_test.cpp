// The queue whose items are in a ring: what it wants done there, and what it makes of the results.
#include <gtest/gtest.h>

#include <steward/core/writer.hpp>
#include <steward/tests/server/classes/fake_call.hpp>

namespace steward::detail::server {
namespace {

using testing::Answer;
using testing::Client;
using testing::Hosted;
using testing::list_of;

constexpr Client kOne{1, 1};
constexpr Client kTwo{2, 1};

Value handle(std::uint64_t object, const std::string& address = {}) {
  core::Token token;
  if (!address.empty()) token.addresses = {address};
  token.object = core::ObjectId{object};
  token.type = "list";
  return Value::of_reference(std::make_shared<const core::Reference>(token));
}

std::string stub(unsigned number) {
  return std::string(1, static_cast<char>(number)) + std::string(7, '\0');
}

class QueueOutside : public ::testing::Test {
 protected:
  explicit QueueOutside(const Environment& environment = {}) : queue("queue", {}, environment) {}

  // The only work that the object has given out since the last look.
  Work work() {
    std::vector<Work> all = queue.take_work();
    EXPECT_EQ(all.size(), 1U);
    return all.empty() ? Work() : all.front();
  }
  // Of the call that waits: what a ring says of it.
  Answer done(const Answer& call, const WorkResult& result) {
    queue.work_done(*call.parked, result);
    return queue.now(call);
  }
  void map() {
    queue.map();
    work();
  }

  Hosted queue;
};

class QueueOfShortItems : public QueueOutside {
 protected:
  QueueOfShortItems() : QueueOutside({.item_bytes = 1'000}) {}

  void expect_refused(const Value& item) {
    const std::string before = queue.save();
    const std::string refusal = queue.refusal("put", item);
    EXPECT_NE(refusal.find("is more than the 1000 that this queue takes"), std::string::npos)
        << refusal;
    EXPECT_EQ(queue.refusal("try_put", item), refusal);
    EXPECT_EQ(queue.refusal("put_many", list_of("short", item)), refusal);
    EXPECT_EQ(queue.save(), before);
    EXPECT_TRUE(queue.take_work().empty());
  }
  const Value longest{std::string(997, 'x')};
  const Value too_long{std::string(998, 'x')};
  const Value too_many_handles{Value::List(100, handle(1))};
  const Value too_many_foreign_handles{Value::List(20, handle(1, std::string(100, 'a')))};
};

TEST_F(QueueOutside, MovesItsItemsInTheirOrderWithTheirFlagsAndTasks) {
  queue.ask("put_many", list_of(1, 2, "three"));
  queue.cancel(queue.call(kOne, "get"));
  queue.confirm(queue.call(kOne, "get"));
  queue.call(kTwo, "get");  // in flight
  queue.map();
  const Work moved = work();
  EXPECT_EQ(moved.kind, Work::Kind::move_in);
  ASSERT_EQ(moved.items.size(), 1U);
  EXPECT_EQ(moved.items[0].bytes, core::encoded(Value("three")));
  EXPECT_FALSE(moved.items[0].redelivered);
  EXPECT_EQ(moved.number, 2U) << "one confirmed, one in flight";
  EXPECT_FALSE(moved.closed);
}

TEST_F(QueueOutside, MovesWhatCameBackFlaggedAndSaysThatItIsClosed) {
  queue.ask("put_many", list_of(1, 2));
  queue.cancel(queue.call(kOne, "get"));
  queue.ask("close");
  queue.map();
  const Work moved = work();
  ASSERT_EQ(moved.items.size(), 2U);
  EXPECT_TRUE(moved.items[0].redelivered);
  EXPECT_FALSE(moved.items[1].redelivered);
  EXPECT_TRUE(moved.closed);
  EXPECT_EQ(moved.number, 0U);
  EXPECT_GT(queue.bytes(), 0U) << "the ring has yet to say what it carries";
  queue.work_done(ParkId{}, {.let_go = {1, 2}});
  EXPECT_EQ(queue.bytes(), 0U);
}

TEST_F(QueueOutside, WhoWaitsBecomesWorkInItsOrder) {
  const Answer getter = queue.call(kOne, "get");
  const Answer many = queue.call(kTwo, "get_many", {5});
  queue.map();
  const std::vector<Work> all = queue.take_work();
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[1].kind, Work::Kind::get);
  EXPECT_EQ(all[1].park, *getter.parked);
  EXPECT_EQ(all[1].number, 1U);
  EXPECT_EQ(all[2].park, *many.parked);
  EXPECT_EQ(all[2].number, 5U);
  queue.check_waiting();
  EXPECT_EQ(done(getter, {.items = {{core::encoded(Value(1)), 0}}}).value, Value(1));
}

TEST_F(QueueOutside, PuttersAndJoinersThatWaitBecomeWorkToo) {
  Hosted full("queue", {1});
  full.ask("put", 1);
  full.call(kOne, "join");
  const Answer putter = full.call(kTwo, "put_many", {list_of(2, 3)});
  full.map();
  const std::vector<Work> all = full.take_work();
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[1].kind, Work::Kind::join);
  EXPECT_EQ(all[2].kind, Work::Kind::put);
  EXPECT_EQ(all[2].items.size(), 2U);
  full.work_done(ParkId{}, {.let_go = {1}});
  full.work_done(*putter.parked, {.let_go = {2, 3}});
  EXPECT_EQ(full.now(putter).value, Value());
  EXPECT_EQ(full.bytes(), 0U);
}

TEST_F(QueueOutside, AnItemThatTakesTooMuchMemoryGoesBackAndTheCallIsToldWhy) {
  map();
  for (const char* method : {"get", "try_get", "reserve"}) {
    const Answer call = queue.call(kOne, method);
    queue.take_work();
    const Answer refused = done(call, {.items = {{queue.too_large, 0}}});
    EXPECT_EQ(refused.error, "overloaded: it takes too much memory") << method;
    const Work back = work();
    EXPECT_EQ(back.kind, Work::Kind::give_back) << method;
    EXPECT_EQ(back.park, *call.parked);
    EXPECT_EQ(back.number, 0U);
  }
}

TEST_F(QueueOutside, AnItemThatTakesTooMuchMemoryEndsWhatGetManyGives) {
  map();
  const Answer many = queue.call(kOne, "get_many", {5});
  queue.take_work();
  const Answer got = done(many, {.items = {{core::encoded(Value(1)), 0},
                                           {core::encoded(Value(2)), 0},
                                           {queue.too_large, 0},
                                           {core::encoded(Value(3)), 0}}});
  EXPECT_EQ(got.value, list_of(1, 2));
  const Work back = work();
  EXPECT_EQ(back.kind, Work::Kind::give_back);
  EXPECT_EQ(back.number, 2U) << "the first two are the caller's";
}

TEST_F(QueueOutside, CallsWaitForWhatTheRingSays) {
  map();
  const Answer put = queue.call(kOne, "put", {"x"});
  EXPECT_EQ(work().items.at(0).bytes, core::encoded(Value("x")));
  EXPECT_GT(queue.bytes(), 0U) << "what waits to enter counts";
  EXPECT_EQ(done(put, {.let_go = {1}}).value, Value());
  EXPECT_EQ(queue.bytes(), 0U);
  EXPECT_EQ(done(queue.call(kOne, "try_put", {1}), {.number = 0}).value, Value(false));
  EXPECT_EQ(done(queue.call(kOne, "try_put", {1}), {.number = 1}).value, Value(true));
  EXPECT_EQ(done(queue.call(kOne, "size"), {.number = 3}).value, Value(3));
  EXPECT_EQ(done(queue.call(kOne, "empty"), {.number = 3}).value, Value(false));
  EXPECT_EQ(done(queue.call(kOne, "empty"), {.number = 0}).value, Value(true));
  EXPECT_EQ(done(queue.call(kOne, "full"), {.number = 1}).value, Value(true));
  EXPECT_EQ(done(queue.call(kOne, "str"), {.number = 3}).value,
            Value("<3 items in shared memory>"));
  EXPECT_EQ(done(queue.call(kOne, "str"), {.number = 1}).value,
            Value("<1 item in shared memory>"));
  EXPECT_EQ(done(queue.call(kOne, "str"), {.number = 0}).value, Value("[]"));
  EXPECT_EQ(done(queue.call(kOne, "str", {4}), {.number = 3}).value, Value("<3 i..."));
  EXPECT_EQ(done(queue.call(kOne, "task_done"), {}).value, Value());
  EXPECT_EQ(done(queue.call(kOne, "join"), {}).value, Value());
  EXPECT_EQ(done(queue.call(kOne, "close"), {}).value, Value());
  EXPECT_EQ(done(queue.call(kOne, "get"), {.code = core::ErrorCode::closed, .text = "no"}).error,
            "closed: no");
  EXPECT_EQ(queue.ask("maxsize"), Value(0));
  queue.check_waiting();
}

TEST_F(QueueOutside, WhatIsGotIsHandedOver) {
  map();
  const Answer got = queue.call(kOne, "try_get");
  const ParkId park = work().park;
  done(got, {.items = {{core::encoded(Value(7)), 0}}});
  EXPECT_EQ(queue.now(got).value, list_of(7));
  EXPECT_EQ(queue.unconfirmed(), 1U);
  queue.confirm(got);
  const Work confirmed = work();
  EXPECT_EQ(confirmed.kind, Work::Kind::confirm);
  EXPECT_EQ(confirmed.park, park);

  const Answer again = queue.call(kOne, "get");
  queue.take_work();
  done(again, {.items = {{core::encoded(Value(8)), 0}}});
  queue.end_session(1, Ending::died);
  EXPECT_EQ(work().kind, Work::Kind::give_back);
  EXPECT_EQ(done(queue.call(kTwo, "try_get"), {}).value, list_of());
  EXPECT_EQ(queue.unconfirmed(), 0U);
}

TEST_F(QueueOutside, AGetThatIsForgottenIsCancelled) {
  map();
  const Answer got = queue.call(kOne, "get");
  queue.take_work();
  queue.cancel(got);
  const Work cancel = work();
  EXPECT_EQ(cancel.kind, Work::Kind::cancel);
  EXPECT_EQ(cancel.park, *got.parked);
  queue.work_done(*got.parked, {.items = {{"\x01", 0}}});  // too late: nobody is answered
  EXPECT_EQ(queue.unconfirmed(), 0U);
  queue.check_waiting();
}

TEST_F(QueueOutside, WhatWasInFlightBeforeComesBackFlagged) {
  queue.ask("put_many", list_of(1, 2));
  const Answer kept = queue.call(kOne, "get");
  const Answer returned = queue.call(kTwo, "get");
  map();
  queue.confirm(kept);
  EXPECT_TRUE(queue.take_work().empty()) << "its task was open already";
  queue.end_session(2, Ending::died);
  const Work back = work();
  EXPECT_EQ(back.kind, Work::Kind::put_back);
  ASSERT_EQ(back.items.size(), 1U);
  EXPECT_EQ(back.items[0].bytes, core::encoded(Value(2)));
  EXPECT_TRUE(back.items[0].redelivered);
  queue.work_done(ParkId{}, {.let_go = {back.items[0].number}});
  EXPECT_EQ(queue.bytes(), 0U);
  static_cast<void>(returned);
}

TEST_F(QueueOutside, ValuesWithHandlesStayHereBehindStubs) {
  map();
  const Value value = list_of("x", handle(9));
  const Answer put = queue.call(kOne, "put_many", {list_of(1, value)});
  const Work in = work();
  ASSERT_EQ(in.items.size(), 2U);
  EXPECT_EQ(in.items[0].bytes, core::encoded(Value(1)));
  EXPECT_EQ(in.items[1].bytes, "");
  EXPECT_EQ(in.items[1].number, 2U);
  done(put, {.let_go = {1}});
  EXPECT_EQ(queue.bytes(), value.footprint());
  EXPECT_EQ(queue.ask("redeem", 2), value);
  EXPECT_EQ(queue.ask("redeem", 2), value) << "it stays until it is said to be redeemed";
  queue.ask("redeemed", 2);
  queue.ask("redeemed", 2);
  EXPECT_EQ(queue.refusal("redeem", 2), "out_of_range: no item is kept as number 2");
  EXPECT_EQ(queue.bytes(), 0U);
}

TEST_F(QueueOutside, WhatASessionThatEndsRedeemedAndDidNotConfirmIsLookedFor) {
  map();
  done(queue.call(kOne, "put_many", {list_of(handle(1), handle(2), handle(3))}), {});
  queue.take_work();
  for (const int number : {1, 2, 3}) queue.call(kTwo, "redeem", {number});
  queue.call(kTwo, "redeem", {1});
  queue.call(kTwo, "redeemed", {2});
  EXPECT_EQ(queue.owned_by(2), 2U);
  queue.end_session(2, Ending::died);
  const Work look = work();
  EXPECT_EQ(look.kind, Work::Kind::look);
  ASSERT_EQ(look.items.size(), 2U);
  EXPECT_EQ(look.items[0].number, 1U);
  EXPECT_EQ(look.items[1].number, 3U);
  queue.work_done(ParkId{}, {.let_go = {3}});
  EXPECT_EQ(queue.ask("redeem", 1), handle(1)) << "its stub is still in the ring";
  EXPECT_TRUE(queue.refusal("redeem", 3).starts_with("out_of_range"));
  queue.ask("redeemed", 1);
  EXPECT_EQ(queue.bytes(), 0U);
  EXPECT_EQ(queue.owned_by(1), 0U);
}

TEST_F(QueueOutside, WhoAskedForAnItemLastAnswersForIt) {
  map();
  done(queue.call(kOne, "put", {handle(1)}), {});
  queue.take_work();
  queue.call(kTwo, "redeem", {1});
  const std::string noted = queue.save();
  queue.call(kOne, "redeem", {1});
  EXPECT_NE(queue.save(), noted);
  EXPECT_EQ(queue.owned_by(2), 0U);
  queue.end_session(2, Ending::died);
  EXPECT_TRUE(queue.take_work().empty());
  queue.end_session(1, Ending::orderly);
  EXPECT_EQ(work().kind, Work::Kind::look);
}

TEST_F(QueueOutside, WhatTheRingHasNoMemoryForStaysHereBehindAStub) {
  map();
  const Answer put = queue.call(kOne, "put_many", {list_of("a", "b", "c")});
  work();
  EXPECT_EQ(done(put, {.let_go = {1, 3}}).value, Value());
  EXPECT_EQ(queue.bytes(), Value("b").footprint());
  EXPECT_EQ(queue.ask("redeem", 2), Value("b"));
  EXPECT_FALSE(queue.refusal("redeem", 1).empty());
  EXPECT_FALSE(queue.refusal("redeem", 3).empty());
}

TEST_F(QueueOutside, AStubThatIsGotHereIsItsValueUntilConfirmed) {
  map();
  const Value value = handle(9);
  done(queue.call(kOne, "put", {value}), {});
  const Answer got = queue.call(kTwo, "get");
  queue.take_work();
  EXPECT_EQ(done(got, {.items = {{stub(1), 2}}}).value, value);
  queue.cancel(got);
  EXPECT_EQ(queue.ask("redeem", 1), value) << "it has gone back";
  const Answer again = queue.call(kTwo, "get");
  done(again, {.items = {{stub(1), 2}}});
  queue.confirm(again);
  EXPECT_EQ(queue.bytes(), 0U);
  EXPECT_FALSE(queue.refusal("redeem", 1).empty());
}

TEST_F(QueueOfShortItems, ManyItemsAreGivenAsFarAsOneMessageCarriesThem) {
  map();
  const Value large(std::string(500, 'x'));
  done(queue.call(kOne, "put_many", {list_of(large, large)}), {});
  queue.take_work();
  const Answer got = queue.call(kTwo, "get_many", {5});
  const Work get = work();
  const std::string small = core::encoded(Value("a"));
  EXPECT_EQ(done(got, {.items = {{small, 0}, {stub(1), 2}, {stub(2), 2}, {small, 0}}}).value,
            list_of("a", large));
  const Work back = work();
  EXPECT_EQ(back.kind, Work::Kind::give_back);
  EXPECT_EQ(back.park, get.park);
  EXPECT_EQ(back.number, 2U) << "these stay taken";
  queue.confirm(got);
  EXPECT_TRUE(queue.refusal("redeem", 1).starts_with("out_of_range"));
  EXPECT_EQ(queue.ask("redeem", 2), large) << "it is there for its next taker";
}

TEST_F(QueueOutside, StubsThatNeverWentInAreDropped) {
  map();
  const Answer put = queue.call(kOne, "put_many", {list_of(handle(1), handle(2), handle(3))});
  queue.cancel(put);
  EXPECT_GT(queue.bytes(), 0U) << "the ring has yet to say what went in";
  queue.work_done(ParkId{}, {.let_go = {2, 3}});
  EXPECT_EQ(queue.bytes(), handle(1).footprint());
  EXPECT_EQ(queue.ask("redeem", 1), handle(1));
  EXPECT_FALSE(queue.refusal("redeem", 2).empty());
}

TEST_F(QueueOfShortItems, ManyItemsWithHandlesAreCountedAsTheAnswerHasThem) {
  map();
  const Value many(Value::List(30, handle(1)));
  ASSERT_LE(core::encoded(many).size(), 1'000U);
  ASSERT_GT(2 * core::encoded(many).size(), 1'000U);
  done(queue.call(kOne, "put_many", {list_of(many, many)}), {});
  queue.take_work();
  const Answer got = queue.call(kTwo, "get_many", {5});
  work();
  EXPECT_EQ(done(got, {.items = {{stub(1), 2}, {stub(2), 2}}}).value, list_of(many));
  EXPECT_EQ(work().kind, Work::Kind::give_back);
}

// Whether it has a ring or gets one later: no taker could ever have it.
TEST_F(QueueOfShortItems, AValueThatNoAnswerCouldCarryIsRefusedOnEachRoad) {
  EXPECT_EQ(queue.call(kOne, "put", {longest}).error, "");
  expect_refused(too_long);
  expect_refused(too_many_handles);
  expect_refused(too_many_foreign_handles);
  queue.map();
  EXPECT_EQ(work().items.at(0).bytes, core::encoded(longest));
  EXPECT_EQ(queue.call(kOne, "put", {longest}).error, "");
  queue.take_work();
  expect_refused(too_long);
  expect_refused(too_many_handles);
  expect_refused(too_many_foreign_handles);
}

TEST(QueueOfAnyItems, WhatTakesMuchMemoryAndFewBytesIsNotTooLong) {
  Hosted queue("queue", {}, {.item_bytes = 1'000});
  queue.ask("put", Value(Value::List(900, Value(1))));
  EXPECT_FALSE(queue.refusal("put", Value(Value::List(1'000, Value(1)))).empty());
}

TEST_F(QueueOutside, WhatIsNoValueIsGotAsBytes) {
  map();
  const auto got = [&](std::string_view bytes, std::uint32_t format) {
    const Answer answer = done(queue.call(kOne, "get"), {.items = {{bytes, format}}});
    return answer.value.value_or(Value());
  };
  EXPECT_EQ(got("raw", 1), Value::of_bytes("raw"));
  EXPECT_EQ(got("\xc1", 0), Value::of_bytes("\xc1"));
  EXPECT_EQ(got("", 0), Value::of_bytes(""));
  EXPECT_EQ(got("\x01\x01", 0), Value::of_bytes("\x01\x01"));
  EXPECT_EQ(got("short", 2), Value::of_bytes("short"));
  EXPECT_EQ(got("x", 77), Value::of_bytes("x"));
}

TEST_F(QueueOutside, AStubWithoutAnItemIsDiscardedAndTheCallGoesOn) {
  map();
  for (const char* method : {"get", "try_get", "get_many", "reserve"}) {
    const bool many = method == std::string_view("get_many");
    const bool has_argument = many || method == std::string_view("reserve");
    const Answer call = queue.call(kOne, method, has_argument ? list_of(7).list() : Value::List{});
    const Work first = work();
    EXPECT_TRUE(done(call, {.items = {{stub(5), 2, true}}}).waits()) << method;
    const std::vector<Work> all = queue.take_work();
    ASSERT_EQ(all.size(), 2U);
    EXPECT_EQ(all[0].kind, Work::Kind::discard);
    EXPECT_EQ(all[0].park, *call.parked);
    EXPECT_EQ(all[0].number, 0U);
    EXPECT_EQ(all[1].kind, first.kind);
    EXPECT_EQ(all[1].park, first.park);
    EXPECT_EQ(all[1].number, first.number);
    queue.check_waiting();
    EXPECT_FALSE(done(call, {.items = {{core::encoded(Value(1)), 0}}}).waits());
    queue.cancel(call);
    queue.take_work();
  }
}

TEST_F(QueueOutside, StubsWithoutAnItemAreLeftOutOfMany) {
  map();
  const Answer call = queue.call(kOne, "get_many", {7});
  work();
  const std::string one = core::encoded(Value(1));
  const std::string two = core::encoded(Value(2));
  EXPECT_EQ(done(call, {.items = {{stub(5), 2}, {one, 0}, {stub(6), 2}, {two, 0}}}).value,
            list_of(1, 2));
  const std::vector<Work> all = queue.take_work();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].number, 0U);
  EXPECT_EQ(all[1].number, 1U) << "the first is gone already";
}

TEST_F(QueueOutside, ItsStateHasWhatIsKeptAndWhatWaits) {
  map();
  const std::string empty = queue.save();
  const Answer put = queue.call(kOne, "put", {handle(1)});
  const std::string waiting = queue.save();
  EXPECT_NE(waiting, empty);
  done(put, {});
  const std::string kept = queue.save();
  EXPECT_NE(kept, waiting);
  const Answer got = queue.call(kOne, "get");
  done(got, {.items = {{stub(1), 2}}});
  EXPECT_NE(queue.save(), kept);
  queue.confirm(got);
  EXPECT_NE(queue.save(), empty) << "numbers of stubs are never used again";
}

TEST_F(QueueOutside, ResultsThatNobodyAskedForChangeNothing) {
  const std::string before = queue.save();
  queue.work_done(ParkId{5}, {.number = 1, .let_go = {1}});
  EXPECT_EQ(queue.save(), before);
  map();
  queue.work_done(ParkId{5}, {.items = {{"x", 0}}});
  EXPECT_EQ(queue.unconfirmed(), 0U);
}

}  // namespace
}  // namespace steward::detail::server
