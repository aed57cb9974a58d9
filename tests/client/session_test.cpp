// Calls, posts, deadlines and limits on a connection that holds.
#include <steward/tests/client/session_test.hpp>

#include <algorithm>
#include <thread>

namespace steward::detail::test {
namespace {

using client::Effect;

const core::Deadline kPast = core::Time{};

TEST_F(SessionTest, ACallReturnsItsResult) {
  start();
  EXPECT_EQ(add(2), 2);
  EXPECT_EQ(add(3), 5);
  EXPECT_EQ(echo(77), 77);
  EXPECT_EQ(session->incarnation(), manager.incarnation());
  EXPECT_EQ(session->server_pid(), 0);
}

TEST_F(SessionTest, ARefusedTicketIsDisconnected) {
  link = std::make_shared<FakeLink>([this](std::uint64_t connection, std::string frame) {
    for (std::string& answer : manager.take(connection, frame)) link->deliver(std::move(answer));
  });
  link->connect();
  const std::string text = thrown<Disconnected>(
      [&] { client::connect_over(link->transport(), "wrong", {std::string(kAddress)}); });
  EXPECT_NE(text.find("unknown ticket"), text.npos) << text;
}

TEST_F(SessionTest, ANobodyIsDisconnectedWithinTheTimeout) {
  link = std::make_shared<FakeLink>([](std::uint64_t, std::string) {});
  const std::string text = thrown<Disconnected>([&] {
    client::connect_over(link->transport(), "ticket", {std::string(kAddress)}, {.timeout = 20ms});
  });
  EXPECT_NE(text.find("ipc:///fake/manager.sock"), text.npos) << text;
}

TEST_F(SessionTest, AnErrorIsThrownAsTheManagerNamesIt) {
  start();
  EXPECT_EQ(thrown<BadCall>([&] { call("fail", {encoded("no such luck")}); }), "no such luck");
}

TEST_F(SessionTest, CallsAreNumberedWithoutGaps) {
  start();
  add(1);
  post("add", {encoded(1)});
  add(1);
  const auto calls = manager.calls();
  ASSERT_EQ(calls.size(), 3U);
  EXPECT_EQ(calls[0].seq, 1U);
  EXPECT_EQ(calls[1].seq, 2U);
  EXPECT_TRUE(calls[1].post);
  EXPECT_EQ(calls[2].seq, 3U);
  EXPECT_EQ(calls[2].thread, client::Session::thread_number());
}

TEST_F(SessionTest, APostIsDoneBeforeTheNextCall) {
  start();
  post("add", {encoded(5)});
  EXPECT_EQ(add(1), 6);
}

TEST_F(SessionTest, AnErrorOfAPostIsThrownByTheNextCallThatLosesNothing) {
  start();
  post("fail", {encoded("not yours")});
  // A change that went well keeps its result.
  EXPECT_EQ(add(1), 1);
  EXPECT_EQ(thrown<BadCall>([&] { add(1); }), "not yours");
  EXPECT_EQ(manager.sum(), 1);
  EXPECT_EQ(add(1), 2);
}

TEST_F(SessionTest, AReadThrowsTheErrorOfAPostAtOnce) {
  start();
  post("fail", {encoded("not yours")});
  EXPECT_EQ(thrown<BadCall>([&] { echo(1); }), "not yours");
  EXPECT_EQ(echo(1), 1);
}

TEST_F(SessionTest, AnErrorOfAPostConcernsNoOtherThread) {
  start();
  post("fail", {encoded("not yours")});
  std::thread([&] { EXPECT_EQ(echo(1), 1); }).join();
  EXPECT_EQ(thrown<BadCall>([&] { echo(1); }), "not yours");
}

TEST_F(SessionTest, ManyPostsInARowAreProvenComplete) {
  start();
  constexpr int kPosts = 5000;
  for (int i = 0; i < kPosts; ++i) post("add", {encoded(1)});
  const auto calls = manager.calls();
  // Some of them asked for an answer, or the table of incomplete ones would grow for ever.
  EXPECT_GE(std::ranges::count(calls, false, &FakeManager::Seen::post), kPosts / 1000);
  EXPECT_EQ(add(0), kPosts);
}

TEST_F(SessionTest, ACallThatWaitsDoesNotMakeTheManagerKeepAllRepliesSince) {
  start();
  auto waiting = park(Effect::change);
  for (int i = 0; i < 1000; ++i) {
    add(1);
    post("add", {encoded(1)});
  }
  EXPECT_EQ(add(0), 2000);
  EXPECT_LT(manager.kept(), 400U) << "of 2001";
  // Those that were told complete are not asked again on another connection.
  const std::size_t before = manager.calls().size();
  link->replace();
  EXPECT_EQ(add(1), 2001);
  EXPECT_LT(manager.calls().size() - before, 10U);
  link->deliver(manager.release_parked());
  waiting.get();
}

// While nothing waits, `first_incomplete` says it all.
TEST_F(SessionTest, OrdinaryCallsAreNotAcknowledged) {
  start();
  for (int i = 0; i < 1000; ++i) {
    add(1);
    post("add", {encoded(1)});
  }
  EXPECT_TRUE(manager.acks().empty());
}

TEST_F(SessionTest, ATakeThatIsLateIsCancelledAndWasNotTaken) {
  start();
  EXPECT_EQ(call("park", {}, Effect::take, core::deadline_after(1ms)), std::nullopt);
  EXPECT_EQ(manager.cancels(), std::vector<core::Seq>{1});
  EXPECT_TRUE(manager.calls().front().timed);
  EXPECT_EQ(add(1), 1);
}

TEST_F(SessionTest, ATakeWithADeadlineInThePastStillGetsWhatIsThere) {
  start();
  EXPECT_EQ(integer_of(call("add", {encoded(4)}, Effect::take, kPast).value()), 4);
}

TEST_F(SessionTest, AnOfferIsNotDoneOnTheManagersWordOnly) {
  start();
  // The cancel is answered with timed_out.
  EXPECT_EQ(call("park", {}, Effect::offer, core::deadline_after(1ms)), std::nullopt);
}

TEST_F(SessionTest, AnOfferWithoutAWordTimesOut) {
  start();
  manager.swallow_replies(true);
  const std::string text = thrown<TimeoutError>(
      [&] { call("add", {encoded(1)}, Effect::offer, core::deadline_after(1ms)); });
  EXPECT_EQ(text, "list#3.add: timed out; it may still have taken effect");
}

TEST_F(SessionTest, AChangeThatIsLateIsCancelledAndTimesOut) {
  start();
  const std::string text = thrown<TimeoutError>(
      [&] { call("park", {}, Effect::change, core::deadline_after(1ms)); });
  EXPECT_EQ(text, "list#3.park: timed out; it may still have taken effect");
  EXPECT_EQ(manager.cancels(), std::vector<core::Seq>{1});
}

TEST_F(SessionTest, AConfirmedCallIsAcknowledgedBeforeItReturns) {
  start();
  client::CallOptions options;
  options.effect = Effect::take;
  options.confirm = true;
  EXPECT_TRUE(session->call(kList, "add", arguments({encoded(1)}), options));
  EXPECT_EQ(manager.acks(), std::vector<core::Seq>{1});
  options.deadline = core::deadline_after(1ms);
  EXPECT_FALSE(session->call(kList, "park", arguments({}), options));
  EXPECT_EQ(manager.acks(), std::vector<core::Seq>{1});
}

TEST_F(SessionTest, TooLargeACallIsOverloadedBeforeItIsSent) {
  manager.limit(1000, 10);
  start();
  // Around the text: an array, and the call's own fields.
  const auto size_of = [&](std::size_t text) {
    std::string call;
    const std::string args = arguments({encoded(std::string(text, 'x'))});
    core::append_call(call,
                      {1, client::Session::thread_number(), std::nullopt, kList, "echo", args});
    return core::encode_calls(1, {call}).size();
  };
  std::size_t text = 800;
  while (size_of(text) < 1000) ++text;
  ASSERT_EQ(size_of(text), 1000U);
  EXPECT_TRUE(call("echo", {encoded(std::string(text, 'x'))}, Effect::read));
  const std::string error = thrown<Overloaded>(
      [&] { call("echo", {encoded(std::string(text + 1, 'x'))}, Effect::read); });
  EXPECT_EQ(error, "list#3.echo: the call has 1001 bytes, the manager at ipc:///fake/manager.sock "
                   "takes at most 1000");
  EXPECT_EQ(manager.calls().size(), 1U);
  EXPECT_EQ(echo(1), 1);
}

TEST_F(SessionTest, PastTheCallsInFlightTheNextOneWaits) {
  manager.limit(1U << 20U, 2);
  start();
  auto first = park(Effect::change);
  auto second = park(Effect::change);
  EXPECT_EQ(call("add", {encoded(1)}, Effect::take, core::deadline_after(1ms)), std::nullopt);
  EXPECT_EQ(manager.runs("add"), 0U);
  const std::string text = thrown<TimeoutError>(
      [&] { call("add", {encoded(1)}, Effect::change, core::deadline_after(1ms)); });
  EXPECT_NE(text.find("too many calls are in flight"), text.npos) << text;

  auto waiting = std::async(std::launch::async, [&] { return add(1); });
  link->deliver(manager.release_parked());
  EXPECT_EQ(waiting.get(), 1);
  link->deliver(manager.release_parked());
  first.get();
  second.get();
}

TEST_F(SessionTest, WhatASocketDoesNotTakeIsSentLaterInOrder) {
  start();
  link->stall(true);
  post("add", {encoded(1)});
  post("add", {encoded(2)});
  auto later = std::async(std::launch::async, [&] { return add(3); });
  link->stall(false);
  EXPECT_EQ(later.get(), 6);
  const auto calls = manager.calls();
  EXPECT_TRUE(std::ranges::is_sorted(calls, {}, &FakeManager::Seen::seq));
}

TEST_F(SessionTest, NonsenseFromTheManagerIsPassedOver) {
  start();
  link->deliver("nonsense");
  link->deliver(std::string("\x93\x01\x04\xc1", 4));
  std::string reply;
  core::append_reply(reply, {999, core::ErrorCode::ok, "\xc0"});
  link->deliver(core::encode_replies({reply}));
  EXPECT_EQ(echo(1), 1);
}

TEST_F(SessionTest, AnEndIsSaidAndAnswered) {
  start();
  session->end(5s);
  EXPECT_EQ(manager.byes(), 1U);
  EXPECT_EQ(manager.sessions(), 0U);
  const std::string text = thrown<Disconnected>([&] { add(1); });
  EXPECT_EQ(text,
            "list#3.add: this program has ended its session with the manager at "
            "ipc:///fake/manager.sock");
  post("add", {encoded(1)});  // harmless
}

TEST_F(SessionTest, AnEndThatIsNotAnsweredIsAwaitedForAWhileOnly) {
  start();
  manager.answer_bye(false);
  const auto before = std::chrono::steady_clock::now();
  session->end(20ms);
  EXPECT_GE(std::chrono::steady_clock::now() - before, 20ms);
  EXPECT_THROW(add(1), Disconnected);
}

TEST_F(SessionTest, AnEndFailsTheCallsOfOtherThreads) {
  start();
  auto change = park(Effect::change);
  auto read = park(Effect::read);
  manager.answer_bye(false);
  session->end(1ms);
  EXPECT_THROW(change.get(), OutcomeUnknown);
  EXPECT_THROW(read.get(), Disconnected);
}

TEST_F(SessionTest, TheManagersGoodbyeEndsEverything) {
  start();
  auto change = park(Effect::change);
  link->deliver(core::encode_bye());
  const std::string text = thrown<Disconnected>([&] { change.get(); });
  EXPECT_EQ(text, "list#3.park: the manager at ipc:///fake/manager.sock has shut down");
  EXPECT_THROW(add(1), Disconnected);
}

TEST_F(SessionTest, HoldsBelongToThreads) {
  start();
  session->note_grant(kList, 7, true);
  EXPECT_EQ(session->hold(kList).token, 7U);
  EXPECT_TRUE(session->hold(kList).previous_owner_died);
  std::thread([&] {
    EXPECT_EQ(session->hold(kList).depth, 0U);
    EXPECT_FALSE(session->unlock(kList));
  }).join();
  EXPECT_EQ(session->hold(core::ObjectId{4}).depth, 0U);
  session->note_unlock(kList);
  EXPECT_EQ(session->hold(kList).depth, 0U);
  EXPECT_FALSE(session->unlock(kList));
}

}  // namespace
}  // namespace steward::detail::test
