// The session's state machine by its inputs and outputs alone: no thread, no socket, no waiting.
#include <steward/tests/client/session_core_test.hpp>

#include <steward/core/errors.hpp>
#include <steward/core/writer.hpp>
#include <steward/tests/shm/failing_new.hpp>

namespace steward::detail::test {
namespace {

using client::Effect;

TEST_F(SessionCoreTest, ACallGoesOutOnceItIsWelcomedAndEndsWithItsReply) {
  Told told;
  start(told, "add", {encoded(5)});
  EXPECT_FALSE(session.front()) << "there is no connection";
  connect();
  ASSERT_TRUE(told.ended());
  EXPECT_TRUE(told.outcome.succeeded());
  EXPECT_EQ(integer_of(told.outcome.payload), 5);
}

TEST_F(SessionCoreTest, ARefusedSendLosesNothing) {
  connect();
  Told told;
  start(told, "add", {encoded(5)});
  const auto first = session.front();
  ASSERT_TRUE(first);
  const std::string bytes = std::string(first->head).append(first->body);
  const auto again = session.front();  // the first one was not taken
  ASSERT_TRUE(again);
  EXPECT_EQ(std::string(again->head).append(again->body), bytes);
  flow();
  EXPECT_EQ(integer_of(told.outcome.payload), 5);
  EXPECT_EQ(manager.runs("add"), 1U);
}

TEST_F(SessionCoreTest, QueuedPostsLeaveTogetherWithTheCallBehindThem) {
  connect();
  frames.clear();
  for (int i = 0; i < 3; ++i) post("add", {encoded(1)});
  Told told;
  Told other;
  start(told, "add", {encoded(1)});
  start(other, "add", {encoded(1)});
  flow();
  EXPECT_EQ(frames.size(), 2U);
  EXPECT_EQ(integer_of(told.outcome.payload), 4);
  EXPECT_EQ(integer_of(other.outcome.payload), 5);
  const core::Calls first = core::decode_calls(core::open_envelope(frames.front()));
  EXPECT_EQ(first.calls.size(), 4U);
}

TEST_F(SessionCoreTest, FramesStayWithinWhatTheManagerTakes) {
  manager.limit(200, 10);
  connect();
  frames.clear();
  const std::string text(60, 'x');
  for (int i = 0; i < 20; ++i) post("fail", {encoded(text)});
  flow();
  EXPECT_LT(frames.size(), 20U);
  for (const std::string& frame : frames) EXPECT_LE(frame.size(), 200U);
}

TEST_F(SessionCoreTest, ADeadlineEndsACallByItsKind) {
  connect();
  silent = true;
  Told take, change, read;
  start(take, "park", {}, Effect::take, now + 1s);
  start(change, "park", {}, Effect::change, now + 2s);
  start(read, "park", {}, Effect::read, now + 3s);
  flow();
  EXPECT_EQ(session.next_deadline(), now + 1s);
  wait(1s);
  EXPECT_EQ(take.end(), End::not_done);
  EXPECT_FALSE(change.ended());
  wait(2s);
  EXPECT_EQ(change.end(), End::given_up);
  EXPECT_EQ(read.end(), End::given_up);
  EXPECT_FALSE(session.next_deadline());
}

TEST_F(SessionCoreTest, WhatGoesBackDoesNotWaitForACallThatEndsUnsent) {
  connect();
  Told granted;
  start(granted, "handle", {encoded(5)});
  flow();
  auto reference =
      std::make_shared<const core::Reference>(list_token(manager.incarnation(), 5));
  session.granted(reference, session.session(), now);
  ASSERT_EQ(manager.grants().size(), 1U);
  Told told;
  start(told, "park", {}, Effect::take, now + 1s);
  session.released(*reference, now);
  session.tick(now += 1s);
  ASSERT_EQ(told.end(), End::not_done);
  flow();
  EXPECT_TRUE(manager.grants().empty());
}

TEST_F(SessionCoreTest, AnOfferWaitsForTheManagersLastWord) {
  connect();
  Told told;
  start(told, "park", {}, Effect::offer, now + 1s);
  flow();
  now += 1s;
  session.tick(now);
  EXPECT_FALSE(told.ended());
  flow();  // the cancel, and its answer
  ASSERT_TRUE(told.ended());
  EXPECT_EQ(told.end(), End::replied);
  EXPECT_EQ(told.outcome.code, core::ErrorCode::timed_out);
}

TEST_F(SessionCoreTest, AnOfferWhoseLastWordIsLostWithTheConnectionIsGivenUp) {
  connect();
  Told told;
  start(told, "park", {}, Effect::offer, now + 1s);
  flow();
  silent = true;
  wait(1s);
  EXPECT_FALSE(told.ended());
  silent = false;
  reconnect();
  EXPECT_EQ(told.end(), End::given_up);
  EXPECT_EQ(told.times, 1);
}

TEST_F(SessionCoreTest, CallsWaitForTheirTurnInOrder) {
  manager.limit(1U << 20U, 1);
  connect();
  Told parked, second, third;
  start(parked, "park");
  start(second, "add", {encoded(1)});
  start(third, "add", {encoded(1)});
  flow();
  EXPECT_EQ(manager.runs("add"), 0U);
  release(encoded(0));
  EXPECT_TRUE(parked.ended());
  flow();
  flow();
  EXPECT_EQ(integer_of(second.outcome.payload), 1);
  EXPECT_EQ(integer_of(third.outcome.payload), 2);
}

TEST_F(SessionCoreTest, HoweverACallEndsTheNextOneGetsItsTurn) {
  manager.limit(1U << 20U, 1);
  connect();
  silent = true;
  Told lost, next;
  start(lost, "add", {encoded(1)});
  flow();
  session.connection_lost(now);
  now += 5s;
  start(next, "echo", {encoded(2)}, Effect::read, now + 60s);
  EXPECT_FALSE(lost.ended());
  silent = false;
  now += 4s;
  session.tick(now);
  connect();
  EXPECT_TRUE(lost.ended());
  flow();
  EXPECT_EQ(integer_of(next.outcome.payload), 2);
}

TEST_F(SessionCoreTest, AManagerOutOfReachEndsAlsoWhatWaitsForItsTurn) {
  manager.limit(1U << 20U, 1);
  connect();
  silent = true;
  Told lost, next;
  start(lost, "add", {encoded(1)});
  start(next, "add", {encoded(1)});
  flow();
  session.connection_lost(now);
  wait(10s);
  EXPECT_EQ(lost.end(), End::outcome_unknown);
  EXPECT_EQ(next.end(), End::disconnected);
  // It comes back: nothing was left behind.
  silent = false;
  connect();
  Told later;
  start(later, "echo", {encoded(2)}, Effect::read);
  flow();
  flow();
  EXPECT_EQ(integer_of(later.outcome.payload), 2);
}

TEST_F(SessionCoreTest, ACancelledCallEndsOnceAndFreesItsPlaceWithTheManagersWord) {
  manager.limit(1U << 20U, 1);
  connect();
  Told parked, next;
  start(parked, "park");
  start(next, "add", {encoded(1)});
  flow();
  session.cancel(parked);
  EXPECT_EQ(parked.end(), End::given_up);
  flow();
  flow();
  EXPECT_TRUE(next.ended());
  session.cancel(parked);
  EXPECT_EQ(parked.times, 1);
}

TEST_F(SessionCoreTest, AnAbandonedCallIsToldItsEndAndNothingMore) {
  connect();
  {
    Told gone;
    start(gone, "park", {}, Effect::change, now + 1s);
    flow();
    session.abandon(gone);
    EXPECT_EQ(gone.end(), End::given_up) << "it may take effect";
  }
  release(encoded(1));
  flow();
  wait(2s);
  EXPECT_TRUE(session.calls().awaited().empty());
}

TEST_F(SessionCoreTest, ALostSessionBeginsAnewAndCallsGoTheirWays) {
  connect();
  Told change, read, unsent;
  start(change, "park");
  start(read, "park", {}, Effect::read);
  flow();
  manager.forget_sessions();
  session.connection_lost(now);
  start(unsent, "add", {encoded(1)});
  connect();  // unknown_session
  ASSERT_TRUE(session.wants_session());
  EXPECT_EQ(session.out_of_reach_at(), now + 10s);
  EXPECT_EQ(change.end(), End::outcome_unknown);
  EXPECT_FALSE(read.ended());
  session.begin_anew(manager.new_ticket(), manager.incarnation(), now);
  connect();
  EXPECT_EQ(integer_of(unsent.outcome.payload), 1);
  release(encoded(9));
  EXPECT_EQ(integer_of(read.outcome.payload), 9);
}

TEST_F(SessionCoreTest, ADialThatFailsIsTriedAgainUntilTheManagerIsOutOfReach) {
  connect();
  Told read;
  start(read, "park", {}, Effect::read);
  flow();
  manager.forget_sessions();
  reconnect();
  const core::Time lost_at = now;
  while (now < lost_at + 10s) {
    ASSERT_TRUE(session.wants_session());
    session.cannot_begin_anew("no descriptor is left", false, now);
    EXPECT_FALSE(session.wants_session()) << "not at once";
    EXPECT_FALSE(read.ended());
    EXPECT_EQ(session.next_deadline(), now + 100ms);
    wait(100ms);
  }
  EXPECT_EQ(read.end(), End::disconnected);
  EXPECT_EQ(read.outcome.payload,
            "the manager closed this session and cannot be reached again: no descriptor is left");
  EXPECT_FALSE(session.wants_session()) << "nobody waits";
  EXPECT_FALSE(session.next_deadline());
  // That was not its end.
  Told later;
  start(later, "add", {encoded(1)});
  ASSERT_TRUE(session.wants_session());
  session.begin_anew(manager.new_ticket(), manager.incarnation(), now);
  connect();
  EXPECT_EQ(integer_of(later.outcome.payload), 1);
}

TEST_F(SessionCoreTest, AManagerThatIsNotThereAnyMoreEndsTheSession) {
  connect();
  Told read;
  start(read, "park", {}, Effect::read);
  flow();
  manager.forget_sessions();
  reconnect();
  session.cannot_begin_anew("nobody answers", true, now);
  EXPECT_EQ(read.end(), End::disconnected);
  EXPECT_TRUE(session.link().closed());
}

TEST_F(SessionCoreTest, AManagerThatHasEndedIsDialledNoMore) {
  connect();
  Told read;
  start(read, "park", {}, Effect::read);
  flow();
  manager.forget_sessions();
  reconnect();
  session.process_ended(now);
  session.cannot_begin_anew("too late", false, now);
  EXPECT_EQ(read.outcome.payload, "the manager has ended");
  EXPECT_TRUE(session.link().closed());
}

TEST_F(SessionCoreTest, CallsThatParkLeavePlacesForThoseThatDoNot) {
  manager.limit(1U << 20U, 32);
  connect();
  parks = true;
  std::vector<Told> waiting(33);
  for (Told& each : waiting) start(each, "park", {}, Effect::take);
  flow();
  EXPECT_EQ(manager.runs("park"), 30U);
  parks = false;
  Told told;
  start(told, "add", {encoded(1)});
  flow();
  EXPECT_TRUE(told.ended());
  // Those that wait for a place get it in their turn.
  release(encoded(1));
  flow();
  EXPECT_EQ(manager.runs("park"), 31U);
}

TEST_F(SessionCoreTest, ACallThatParksWaitsForItsPlaceForTenSeconds) {
  manager.limit(1U << 20U, 2);
  connect();
  parks = true;
  Told first, placed, impatient, crowded;
  start(first, "park", {}, Effect::take);
  start(placed, "park", {}, Effect::take, now + 60s);
  start(impatient, "park", {}, Effect::take, now + 5s);
  flow();
  EXPECT_EQ(session.next_deadline(), now + 5s);
  wait(5s);
  EXPECT_EQ(impatient.end(), End::no_slot);
  start(crowded, "park", {}, Effect::take);
  release(encoded(1));  // of the first one
  flow();
  EXPECT_EQ(manager.runs("park"), 2U);
  wait(5s);
  EXPECT_FALSE(placed.ended()) << "it has a place, and its own deadline";
  wait(5s);
  EXPECT_FALSE(crowded.ended()) << "another one has got a place while it waited";
  wait(10s);
  EXPECT_EQ(crowded.end(), End::no_place);
  wait(35s);
  EXPECT_EQ(placed.end(), End::not_done);
}

// A queue of threads that moves is no standstill, however long it takes.
TEST_F(SessionCoreTest, ACallThatParksWaitsOnWhileOthersGetPlaces) {
  manager.limit(1U << 20U, 2);
  connect();
  parks = true;
  Told first, second, third;
  for (Told* told : {&first, &second, &third}) start(*told, "park", {}, Effect::take);
  flow();
  wait(9s);
  release(encoded(1));
  flow();
  wait(2s);
  EXPECT_FALSE(third.ended()) << "the second one has got its place meanwhile";
  wait(10s);
  EXPECT_EQ(third.end(), End::no_place);
}

// Another thread has handled the reply and the loss before the caller could take note of the grant.
TEST_F(SessionCoreTest, ALockThatIsNotedAfterItsSessionIsALostHold) {
  connect();
  Told told;
  start(told, "park", {}, Effect::take);
  flow();
  release(encoded(1));
  ASSERT_TRUE(told.outcome.succeeded());
  session.frame(core::encode_unknown_session("its lease is over"), now);
  session.begin_anew(manager.new_ticket(), manager.incarnation(), now);
  connect();
  session.locked(kList, thread, 1, false, told.outcome.session);
  EXPECT_EQ(session.holds().find(kList, thread).depth, 0U);
  Told next;
  start(next, "add", {encoded(1)});
  flow();
  EXPECT_EQ(next.outcome.code, core::ErrorCode::disconnected);
  EXPECT_EQ(manager.runs("add"), 0U);
  EXPECT_TRUE(session.unlock(kList, thread, now)) << "it was this thread's";
  flow();
  EXPECT_EQ(manager.runs("unlock"), 0U);
  // One of the present session is one.
  session.locked(kList, thread, 2, false, session.session());
  EXPECT_EQ(session.holds().find(kList, thread).depth, 1U);
}

TEST_F(SessionCoreTest, AReferenceThatIsAdoptedAfterItsSessionIsClaimedForTheNextOne) {
  connect();
  const client::SessionNumber before = session.session();
  session.frame(core::encode_unknown_session("its lease is over"), now);
  session.begin_anew(manager.new_ticket(), manager.incarnation(), now);
  connect();
  const auto reference =
      std::make_shared<const core::Reference>(list_token(manager.incarnation(), 9));
  session.granted(reference, before, now);
  flow();
  EXPECT_EQ(manager.grants(), (std::map<std::uint64_t, std::uint64_t>{{9, 1}}));
  session.released(*reference, now);
  flow();
  EXPECT_TRUE(manager.grants().empty());
}

// What ends calls for all must not need memory for that, nor leave one of them behind if it does.
class OutOfMemoryTest : public testing::TestWithParam<std::string_view> {};
INSTANTIATE_TEST_SUITE_P(, OutOfMemoryTest,
                         testing::Values("session_lost", "closed", "out_of_reach", "bye"),
                         [](const auto& param) { return std::string(param.param); });

struct CallsAtAnEnd final : SessionCoreTest {
  void TestBody() override {}

  // True: memory ended while calls of every kind ended so.
  bool end(std::string_view how, std::size_t at) {
    connect();
    silent = true;
    std::vector<Told> calls(6);
    for (std::size_t i = 0; i < calls.size(); ++i) {
      thread = i;
      session.holds().granted(core::ObjectId{100 + i}, thread, 1, false);
      start(calls[i], "park", {}, i % 2 == 0 ? Effect::change : Effect::read);
      if (i == 2) flow();  // the others are not sent
    }
    thread = 77;
    post("unlock", {});
    silent = false;
    if (how == "out_of_reach") session.connection_lost(now);
    manager.forget_sessions();
    const std::string frame =
        how == "bye" ? core::encode_bye() : core::encode_unknown_session("it is gone");
    bool failed = false;
    std::string reason = "the session with a manager of a long name was ended";
    try {
      const FailingNew failing(at);
      if (how == "closed") {
        session.close(std::move(reason), false);
      } else if (how == "out_of_reach") {
        session.tick(now + 10s);
      } else {
        session.frame(frame, now);
      }
      failed = failing.has_failed();
    } catch (const std::bad_alloc&) {
      failed = true;
    }
    now += 10s;
    session.tick(now);
    if (session.link().closed()) {
      // All are told.
    } else if (how == "bye") {
      session.close("it has ended", true);  // its process tells
    } else {
      if (!session.wants_session()) reconnect();
      if (session.wants_session()) {
        session.begin_anew(manager.new_ticket(), manager.incarnation(), now);
        connect();
      }
      for (int i = 0; i < 6; ++i) release(encoded(1));
    }
    for (std::size_t i = 0; i < calls.size(); ++i) {
      EXPECT_EQ(calls[i].times, 1) << how << ", allocation " << at << ", call " << i;
    }
    return failed;
  }
};

TEST_P(OutOfMemoryTest, EndsEveryCallOnce) {
  at_each_allocation([](std::size_t n) { return CallsAtAnEnd().end(GetParam(), n); });
}

TEST_F(SessionCoreTest, DropsAreGatheredWhileTheManagerIsAway) {
  connect();
  session.connection_lost(now);
  for (std::uint64_t i = 1; i <= 1000; ++i) session.give_back({{core::ObjectId{i}, 1}}, now);
  frames.clear();
  silent = true;
  const std::size_t before = manager.calls().size();
  silent = false;
  connect();
  EXPECT_EQ(manager.calls().size(), before + 1) << "one call for all of them";
}

TEST_F(SessionCoreTest, DropsTakeNoMoreThanAFrame) {
  manager.limit(200, 10);
  connect();
  session.connection_lost(now);
  for (std::uint64_t i = 1; i <= 100; ++i) {
    session.give_back({{core::ObjectId{(1ULL << 40U) + i}, 1}}, now);
  }
  frames.clear();
  connect();
  EXPECT_GT(manager.runs("drop"), 5U);
  for (const std::string& frame : frames) EXPECT_LE(frame.size(), 200U);
}

TEST_F(SessionCoreTest, ErrorsWaitForTheirThreadsHoweverManyThoseAre) {
  connect();
  for (thread = 1; thread <= 1000; ++thread) {
    post("fail", {encoded("so")});
    flow();
  }
  for (thread = 1; thread <= 1000; ++thread) {
    Told told;
    start(told, "echo", {encoded(1)}, Effect::read);
    flow();
    EXPECT_EQ(told.outcome.code, core::ErrorCode::bad_call) << thread;
  }
}

TEST_F(SessionCoreTest, EachOfManyThreadsHearsOfTheLockThatItLost) {
  connect();
  for (thread = 1; thread <= 1000; ++thread) session.holds().granted(kList, thread, 1, false);
  manager.forget_sessions();
  reconnect();
  ASSERT_TRUE(session.wants_session());
  for (thread = 1; thread <= 1000; ++thread) {
    Told told;
    start(told, "add", {encoded(1)});
    EXPECT_EQ(told.outcome.code, core::ErrorCode::disconnected) << thread;
  }
}

TEST_F(SessionCoreTest, ErrorsOfAThreadThatHasEndedConcernNobody) {
  connect();
  post("fail", {encoded("before its end")});
  flow();
  silent = true;
  post("fail", {encoded("after it")});
  flow();
  session.thread_ended(thread, now);
  silent = false;
  reconnect();
  // No thread ever has the number of another one: this is how a test sees what waits for it.
  Told told;
  start(told, "echo", {encoded(1)}, Effect::read);
  flow();
  EXPECT_TRUE(told.outcome.succeeded());
}

TEST_F(SessionCoreTest, ALeaseIsTakenWithinReason) {
  const auto lease = [this](std::uint64_t milliseconds) {
    manager.lease(milliseconds);
    client::SessionCore other({"the manager", manager.new_ticket(), manager.incarnation(), 10s,
                               true, [] { return std::string(16, 'n'); }});
    other.connected(now);
    const auto hello = other.front();
    const std::string bytes = std::string(hello->head).append(hello->body);
    other.sent();
    for (const std::string& answer : manager.take(++connection, bytes)) other.frame(answer, now);
    return other.lease();
  };
  EXPECT_EQ(lease(0), 0s) << "there is none";
  EXPECT_EQ(lease(1), 100ms);
  EXPECT_EQ(lease(15'000), 15s);
  EXPECT_EQ(lease(std::uint64_t{1} << 62U), 24h);
  EXPECT_EQ(lease(~std::uint64_t{0}), 24h);
}

TEST_F(SessionCoreTest, AHangUpIsConcludedWhenLastRepliesHadTheirTime) {
  connect();
  Told told;
  start(told, "park");
  flow();
  session.hung_up(now);
  EXPECT_EQ(session.next_deadline(), now + 100ms);
  release(encoded(7));
  EXPECT_EQ(integer_of(told.outcome.payload), 7);
  wait(100ms);
  EXPECT_TRUE(session.wants_session());
}

TEST_F(SessionCoreTest, ADeadProcessTakesEveryOutcomeAlong) {
  connect();
  Told told;
  start(told, "park");
  flow();
  session.process_ended(now);
  EXPECT_FALSE(told.ended());
  session.connection_lost(now);
  EXPECT_EQ(told.end(), End::disconnected);
  EXPECT_EQ(told.outcome.payload, "the manager has ended");
  Told later;
  start(later, "add", {encoded(1)});
  EXPECT_EQ(later.end(), End::disconnected);
}

TEST_F(SessionCoreTest, AConfirmedCallIsAcknowledgedBeforeItsEndIsToldOf) {
  connect();
  confirm = true;
  Told told;
  start(told, "add", {encoded(1)}, Effect::take);
  flow();
  EXPECT_TRUE(told.ended());
  EXPECT_EQ(manager.acks(), std::vector<core::Seq>{1});
}

}  // namespace
}  // namespace steward::detail::test
