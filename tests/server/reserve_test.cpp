// Items that are reserved, through the core: frames and a clock of the test's own. What a queue
// does with them is in classes/queue_reserve_test.cpp; here, what the core does with sessions,
// retries and time.
#include <gtest/gtest.h>

#include <steward/tests/server/core_driver.hpp>

namespace steward::detail::test {
namespace {

using namespace std::chrono_literals;
using core::ErrorCode;
using core::kManagerObject;

Value list_of(std::initializer_list<Value> items) { return Value(Value::List(items)); }

class Reserve : public testing::Test {
 protected:
  Reserve() { driver.call(bob, kManagerObject, "claim", arguments(core::number(queue), Value())); }

  void put(const Value& item) { driver.call(ann, queue, "put", arguments(item)); }
  // Sends it, with no answer expected yet.
  core::Seq reserve(CoreDriver::Client& client, std::uint64_t time_ms,
                    std::optional<std::uint64_t> wait_ms = {}) {
    return driver.send(client, queue, "reserve", arguments(time_ms), wait_ms);
  }
  // The answer, confirmed as a client does.
  Answer confirmed(CoreDriver::Client& client, core::Seq seq) {
    driver.acknowledge(client, seq);
    return driver.answer(client, seq);
  }
  Value take(CoreDriver::Client& client, std::uint64_t time_ms) {
    return confirmed(client, reserve(client, time_ms)).result;
  }
  bool says(CoreDriver::Client& client, std::string_view word, std::uint64_t number) {
    return driver.call(client, queue, word, arguments(number)).result.boolean();
  }
  std::string contents() {
    return driver.call(ann, queue, "str", arguments()).result.string();
  }

  const server::Registry registry = server::builtin_classes();
  CoreDriver driver{registry};
  CoreDriver::Client ann = driver.open();
  CoreDriver::Client bob = driver.open();
  const core::ObjectId queue = driver.create(ann, "queue", arguments());
};

TEST_F(Reserve, EndsWithTheClockOfTheInputs) {
  put(1);
  EXPECT_EQ(take(bob, 100), list_of({1, false, 1}));
  EXPECT_EQ(driver.core.next_deadline(), driver.now + 100ms);
  driver.pass(99ms);
  EXPECT_EQ(contents(), "[]");
  driver.pass(1ms);
  EXPECT_EQ(contents(), "[1]");
  EXPECT_EQ(driver.core.next_deadline(), std::nullopt);
  EXPECT_FALSE(says(bob, "ack", 1));
  EXPECT_EQ(take(ann, 100), list_of({2, true, 1}));
}

TEST_F(Reserve, IsOverForACallThatComesBeforeTheTick) {
  put(1);
  take(bob, 100);
  driver.now += 100ms;
  EXPECT_FALSE(says(bob, "ack", 1));
  EXPECT_EQ(contents(), "[1]");
}

TEST_F(Reserve, LastsAnewFromATouch) {
  put(1);
  take(bob, 100);
  driver.pass(50ms);
  EXPECT_EQ(driver.call(bob, queue, "touch", arguments(1, 200)).result, Value(true));
  EXPECT_EQ(driver.core.next_deadline(), driver.now + 200ms);
  driver.pass(199ms);
  EXPECT_TRUE(says(bob, "ack", 1));
  EXPECT_EQ(driver.core.next_deadline(), std::nullopt);
}

TEST_F(Reserve, ServesAReserveThatWaitsWhenAnothersTimeIsOver) {
  put(1);
  take(bob, 100);
  const core::Seq waiting = reserve(ann, 100);
  driver.pass(100ms);
  EXPECT_EQ(confirmed(ann, waiting).result, list_of({2, true, 1}));
  EXPECT_EQ(driver.core.next_deadline(), driver.now + 100ms) << "its time has just begun";
}

TEST_F(Reserve, ComesBackBeforeWhoGivesUpAtThatMoment) {
  put(1);
  take(bob, 100);
  const core::Seq waiting = driver.send(ann, queue, "get", arguments(), 100);
  driver.pass(100ms);
  EXPECT_EQ(driver.answer(ann, waiting).result, Value(1));
}

TEST_F(Reserve, WaitsNoLongerThanItsCallMay) {
  const core::Seq waiting = reserve(bob, 1000, 50);
  driver.pass(50ms);
  EXPECT_EQ(driver.answer(bob, waiting).code, ErrorCode::timed_out);
  put(1);
  EXPECT_EQ(contents(), "[1]");
}

TEST_F(Reserve, ARetryTakesNoSecondItem) {
  put(1);
  put(2);
  const core::Seq seq = reserve(bob, 1000);
  const Answer first = driver.answer(bob, seq);
  driver.request(bob, driver.frame(bob, seq, queue, "reserve", arguments(1000)));
  EXPECT_EQ(driver.answer(bob, seq).result, first.result);
  EXPECT_EQ(contents(), "[2]");
  // So does one that comes when its time is over.
  driver.pass(1s);
  driver.request(bob, driver.frame(bob, seq, queue, "reserve", arguments(1000)));
  EXPECT_EQ(driver.answer(bob, seq).result, first.result);
  EXPECT_EQ(contents(), "[1, 2]");
}

TEST_F(Reserve, ARetryOfOneThatWaitsKeepsItsPlace) {
  const core::Seq first = reserve(bob, 1000);
  const core::Seq second = reserve(ann, 1000);
  driver.apply(server::input::SessionResumed{bob.session, {first}, 1});
  driver.request(bob, driver.frame(bob, first, queue, "reserve", arguments(1000)));
  put(1);
  EXPECT_TRUE(driver.answered(bob, first));
  EXPECT_FALSE(driver.answered(ann, second));
}

TEST_F(Reserve, ARetriedAckIsTheSameAckAndASecondOneIsNone) {
  put(1);
  take(bob, 1000);
  const core::Seq ack = driver.send(bob, queue, "ack", arguments(1));
  EXPECT_EQ(driver.answer(bob, ack).result, Value(true));
  driver.request(bob, driver.frame(bob, ack, queue, "ack", arguments(1)));
  EXPECT_EQ(driver.answer(bob, ack).result, Value(true));
  EXPECT_FALSE(says(bob, "ack", 1));
}

TEST_F(Reserve, OutlastsItsConfirmationAndAResumedSession) {
  put(1);
  take(bob, 1000);
  bob.first_incomplete = bob.next_seq;
  driver.apply(server::input::SessionResumed{bob.session, {}, bob.first_incomplete});
  EXPECT_EQ(driver.call(bob, queue, "size", arguments()).result, Value(0));
  EXPECT_TRUE(says(bob, "ack", 1));
}

TEST_F(Reserve, ACancelGivesBackWhatHasNotArrived) {
  put(1);
  const core::Seq seq = reserve(bob, 1000);
  driver.cancel(bob, seq);
  EXPECT_EQ(contents(), "[1]");
  EXPECT_FALSE(says(bob, "ack", 1));
  EXPECT_EQ(driver.core.next_deadline(), std::nullopt);
}

TEST_F(Reserve, ACancelOfWhatHasArrivedChangesNothing) {
  put(1);
  const core::Seq seq = reserve(bob, 1000);
  driver.acknowledge(bob, seq);
  driver.cancel(bob, seq);
  EXPECT_EQ(contents(), "[]");
  EXPECT_TRUE(says(bob, "ack", 1));
}

TEST_F(Reserve, WithItsSessionGoesBackWhatItHadFlaggedAndInOrder) {
  for (const auto ending : {server::Ending::died, server::Ending::orderly}) {
    CoreDriver::Client eve = driver.open();
    driver.call(eve, kManagerObject, "claim", arguments(core::number(queue), Value()));
    for (int i = 1; i <= 4; ++i) put(i);
    take(eve, 1000);
    take(eve, 1000);
    reserve(eve, 1000);  // not confirmed
    driver.end(eve, ending);
    EXPECT_EQ(contents(), "[1, 2, 3, 4]");
    EXPECT_EQ(driver.core.next_deadline(), std::nullopt);
    for (int i = 1; i <= 4; ++i) {
      const Value got = take(bob, 1000);
      EXPECT_EQ(got.list().at(2), Value(i));
      EXPECT_EQ(got.list().at(1), Value(i < 4));
      EXPECT_TRUE(says(bob, "ack", static_cast<std::uint64_t>(got.list().at(0).integer())));
    }
  }
}

TEST_F(Reserve, ANumberOfASessionThatIsGoneIsNobodysInTheNext) {
  put(1);
  take(bob, 1000);
  driver.end(bob);
  CoreDriver::Client again = driver.open();
  driver.call(again, kManagerObject, "claim", arguments(core::number(queue), Value()));
  const Value got = take(again, 1000);
  EXPECT_EQ(got, list_of({2, true, 1}));
  EXPECT_FALSE(says(again, "ack", 1));
  EXPECT_TRUE(says(again, "ack", 2));
}

// No decent client does so: the reply of a call is forgotten with its ack.
TEST_F(Reserve, ANumberOfACallThatIsUsedTwiceLosesNoItem) {
  put(1);
  put(2);
  const core::Seq seq = reserve(bob, 1000);
  driver.acknowledge(bob, seq);
  driver.request(bob, driver.frame(bob, seq, queue, "reserve", arguments(1000)));
  EXPECT_EQ(contents(), "[]");
  driver.cancel(bob, seq);
  EXPECT_EQ(contents(), "[2]");
  driver.end(bob);
  EXPECT_EQ(contents(), "[1, 2]");
}

TEST_F(Reserve, WithItsQueueGoesTheAlarm) {
  put(1);
  take(bob, 1000);
  for (CoreDriver::Client* client : {&ann, &bob}) {
    const Value pair(std::vector<std::uint64_t>{core::number(queue), 1});
    driver.send(*client, kManagerObject, "drop", arguments(Value(Value::List{pair})), {}, true);
  }
  EXPECT_EQ(driver.core.number_of_objects(), 0U);
  EXPECT_EQ(driver.core.next_deadline(), std::nullopt);
  driver.pass(1h);
}

TEST_F(Reserve, WhatIsInAReservedItemLivesUntilItIsAcknowledged) {
  const core::ObjectId inner = driver.create(ann, "list", arguments());
  core::Token token;
  token.incarnation = driver.core.identity().incarnation;
  token.object = inner;
  token.type = "list";
  put(Value::of_reference(std::make_shared<core::Reference>(token)));
  const auto drop = [&](CoreDriver::Client& client) {
    const Value pair(std::vector<std::uint64_t>{core::number(inner), 1});
    driver.send(client, kManagerObject, "drop", arguments(Value(Value::List{pair})), {}, true);
  };
  drop(ann);
  EXPECT_EQ(take(bob, 1000).list().at(2).reference()->token().object, inner);
  drop(bob);  // what the reply granted
  EXPECT_EQ(driver.core.number_of_objects(), 2U);
  says(bob, "nack", 1);
  take(bob, 1000);
  EXPECT_TRUE(says(bob, "ack", 2));
  EXPECT_EQ(driver.core.number_of_objects(), 2U) << "the taker has a reference of its own";
  drop(bob);
  EXPECT_EQ(driver.core.number_of_objects(), 1U);
}

TEST_F(Reserve, JoinEndsWithTheLastAck) {
  put(1);
  const core::Seq joining = driver.send(ann, queue, "join", arguments());
  take(bob, 10);
  driver.pass(10ms);
  take(bob, 10);
  EXPECT_FALSE(driver.answered(ann, joining));
  EXPECT_TRUE(says(bob, "ack", 2));
  EXPECT_EQ(driver.answer(ann, joining).code, ErrorCode::ok);
}

TEST_F(Reserve, APostedNackIsDone) {
  put(1);
  take(bob, 1000);
  const core::Seq post = driver.send(bob, queue, "nack", arguments(1), {}, true);
  EXPECT_FALSE(driver.answered(bob, post));
  EXPECT_EQ(contents(), "[1]");
}

}  // namespace
}  // namespace steward::detail::test
