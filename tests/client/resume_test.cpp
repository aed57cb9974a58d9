// Broken connections, forgotten sessions, managers that are somebody else.
#include <steward/tests/client/session_test.hpp>

#include <algorithm>
#include <set>
#include <thread>

namespace steward::detail::test {
namespace {

using client::Effect;

using ResumeTest = SessionTest;

std::vector<core::Seq> seqs_of(const std::vector<FakeManager::Seen>& calls,
                               std::string_view method) {
  std::vector<core::Seq> seqs;
  for (const auto& call : calls) {
    if (call.method == method) seqs.push_back(call.seq);
  }
  return seqs;
}

TEST_F(ResumeTest, AnIdleSessionComesBackWithAProof) {
  start();
  add(1);
  link->replace();
  EXPECT_EQ(add(1), 2);
  const auto hellos = manager.hellos();
  ASSERT_EQ(hellos.size(), 3U);  // with the ticket, with the id, with the proof
  EXPECT_FALSE(hellos[0].session);
  EXPECT_TRUE(hellos[1].session);
  EXPECT_TRUE(hellos[1].proof.empty());
  EXPECT_FALSE(hellos[2].proof.empty());
  EXPECT_EQ(hellos[2].nonce.size(), core::kChallengeBytes);
  EXPECT_NE(hellos[2].nonce, hellos[1].nonce);
}

TEST_F(ResumeTest, AChangeWhoseReplyWasLostIsAnsweredFromTheStore) {
  start();
  manager.swallow_replies(true);
  auto lost = std::async(std::launch::async, [&] { return add(5); });
  manager.wait_until([](const FakeManager& seen) { return seen.runs("add") == 1; });
  manager.swallow_replies(false);
  link->replace();
  EXPECT_EQ(lost.get(), 5);
  EXPECT_EQ(manager.runs("add"), 1U);
  EXPECT_EQ(manager.sum(), 5);
}

TEST_F(ResumeTest, AReadWhoseReplyWasLostIsReadAgain) {
  start();
  manager.swallow_replies(true);
  auto lost = std::async(std::launch::async, [&] { return echo(5); });
  manager.wait_until([](const FakeManager& seen) { return seen.runs("echo") == 1; });
  manager.swallow_replies(false);
  link->replace();
  EXPECT_EQ(lost.get(), 5);
  EXPECT_EQ(manager.runs("echo"), 2U);
}

TEST_F(ResumeTest, AParkedCallKeepsItsPlaceAndIsListed) {
  start();
  auto parked = park(Effect::take);
  add(1);
  link->replace();
  add(1);
  const auto hellos = manager.hellos();
  ASSERT_FALSE(hellos.back().incomplete.empty());
  EXPECT_EQ(hellos.back().incomplete.front(), 1U);
  EXPECT_EQ(hellos.back().first_incomplete, 1U);
  EXPECT_EQ(manager.runs("park"), 1U);
  link->deliver(manager.release_parked(encoded(9)));
  EXPECT_EQ(integer_of(parked.get().value()), 9);
}

TEST_F(ResumeTest, EverythingIncompleteIsSentAgainInOrder) {
  start();
  auto parked = park(Effect::change);
  post("add", {encoded(1)});
  post("add", {encoded(1)});
  auto second = park(Effect::change);
  const std::size_t before = manager.calls().size();
  link->replace();
  manager.wait_until([&](const FakeManager& seen) { return seen.calls().size() == before + 4; });
  const auto calls = manager.calls();
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(calls[before + i].seq, i + 1);
  EXPECT_EQ(manager.sum(), 2);
  link->deliver(manager.release_parked());
  link->deliver(manager.release_parked());
  parked.get();
  second.get();
}

TEST_F(ResumeTest, PostsThatAreProvenAreNotSentAgain) {
  start();
  auto parked = park(Effect::change);
  post("add", {encoded(1)});
  echo(0);
  link->replace();
  echo(0);
  EXPECT_EQ(seqs_of(manager.calls(), "add"), std::vector<core::Seq>{2});
  link->deliver(manager.release_parked());
  parked.get();
}

TEST_F(ResumeTest, AnAckIsSentAgainUntilALaterReplyShowsThatItArrived) {
  start();
  client::CallOptions options;
  options.effect = Effect::take;
  options.confirm = true;
  EXPECT_TRUE(session->call(kList, "add", arguments({encoded(1)}), options));
  link->replace();
  EXPECT_EQ(echo(1), 1);
  EXPECT_EQ(manager.acks(), (std::vector<core::Seq>{1, 1}));
  link->replace();
  EXPECT_EQ(echo(1), 1);
  EXPECT_EQ(manager.acks(), (std::vector<core::Seq>{1, 1}));
}

TEST_F(ResumeTest, ACancelIsSentAgainUntilALaterReplyShowsThatItArrived) {
  start();
  EXPECT_FALSE(call("park", {}, Effect::take, core::deadline_after(1ms)));
  link->replace();
  EXPECT_EQ(echo(1), 1);
  EXPECT_EQ(manager.cancels(), (std::vector<core::Seq>{1, 1}));
  link->replace();
  EXPECT_EQ(echo(1), 1);
  EXPECT_EQ(manager.cancels(), (std::vector<core::Seq>{1, 1}));
}

TEST_F(ResumeTest, AGivenUpCallIsNotSentAgain) {
  start();
  manager.swallow_replies(true);
  EXPECT_THROW(call("add", {encoded(1)}, Effect::change, core::deadline_after(1ms)), TimeoutError);
  manager.swallow_replies(false);
  const std::size_t before = manager.calls().size();
  link->replace();
  echo(1);
  EXPECT_EQ(manager.calls().size(), before + 1);
  EXPECT_EQ(manager.hellos().back().incomplete, std::vector<core::Seq>{2});
}

// The reply of a call that was given up is lost with its connection, and only it says what was
// granted.
TEST_F(ResumeTest, WhatALostReplyOfAGivenUpCallGrantedGoesBack) {
  start();
  manager.swallow_replies(true);
  EXPECT_FALSE(call("handle", {encoded(6)}, Effect::take, core::deadline_after(1ms)));
  EXPECT_EQ(manager.grants().at(6), 1U);
  manager.swallow_replies(false);
  const std::size_t before = manager.calls().size();
  link->replace();
  echo(1);
  echo(1);  // the drop is a post: this shows that it is through
  EXPECT_TRUE(manager.grants().empty());
  EXPECT_EQ(manager.runs("handle"), 1U);
  EXPECT_EQ(seqs_of(manager.calls(), "handle"), std::vector<core::Seq>{1}) << "not sent again";
  EXPECT_EQ(manager.runs("drop"), 1U);
  EXPECT_EQ(manager.calls().size(), before + 3);
}

TEST_F(ResumeTest, WhatWasGrantedToCallsThatFailedForLackOfAManagerGoesBack) {
  start({.timeout = 30ms});
  manager.swallow_replies(true);
  auto lost = std::async(std::launch::async, [&] { call("handle", {encoded(6)}); });
  manager.wait_until([](const FakeManager& seen) { return seen.runs("handle") == 1; });
  link->cut();
  EXPECT_THROW(lost.get(), OutcomeUnknown);
  manager.swallow_replies(false);
  link->connect();
  echo(1);
  echo(1);
  EXPECT_TRUE(manager.grants().empty());
  EXPECT_EQ(manager.runs("handle"), 1U);
}

// A reply that crosses the cancel comes twice.
TEST_F(ResumeTest, AReplyThatCrossesItsCancelGivesBackOnce) {
  start();
  manager.swallow_replies(true);
  EXPECT_FALSE(call("handle", {encoded(6)}, Effect::take, core::deadline_after(1ms)));
  manager.swallow_replies(false);
  link->replace();
  echo(1);
  link->replace();
  echo(1);
  echo(1);
  EXPECT_TRUE(manager.grants().empty());
  EXPECT_EQ(manager.runs("drop"), 1U);
}

// One that was never there has no reply: later ones show that its cancel is complete, and the
// manager may forget replies again.
TEST_F(ResumeTest, AGivenUpCallThatWasLostOnItsWayHoldsNothingUp) {
  start();
  lose_frames = true;
  EXPECT_FALSE(call("handle", {encoded(6)}, Effect::take, core::deadline_after(1ms)));
  lose_frames = false;
  link->replace();
  echo(1);
  EXPECT_EQ(manager.hellos().back().first_incomplete, 1U);
  EXPECT_EQ(manager.cancels(), std::vector<core::Seq>{1});
  link->replace();
  echo(1);
  EXPECT_GE(manager.hellos().back().first_incomplete, 3U);
  EXPECT_EQ(manager.runs("handle"), 0U);
}

TEST_F(ResumeTest, ACallMadeWhileTheConnectionIsDownWaitsForIt) {
  start();
  link->cut();
  auto waiting = std::async(std::launch::async, [&] { return add(1); });
  post("add", {encoded(1)});
  link->connect();
  EXPECT_GE(waiting.get(), 1);
  EXPECT_EQ(add(0), 2);
}

TEST_F(ResumeTest, ACallThatWasNeverSentIsNotDoneAfterItsDeadline) {
  start();
  link->cut();
  EXPECT_FALSE(call("add", {encoded(1)}, Effect::offer, core::deadline_after(1ms)));
  const std::string text = thrown<TimeoutError>(
      [&] { call("add", {encoded(1)}, Effect::change, core::deadline_after(1ms)); });
  EXPECT_EQ(text, "list#3.add: timed out");
  link->connect();
  EXPECT_EQ(add(0), 0);
  EXPECT_EQ(manager.runs("add"), 1U);
  EXPECT_TRUE(manager.cancels().empty());
}

TEST_F(ResumeTest, AManagerThatStaysAwayFailsCallsByTheirKind) {
  start({.timeout = 30ms});
  auto change = park(Effect::change);
  auto read = park(Effect::read);
  link->cut();
  const std::string unsent = thrown<Disconnected>([&] { add(1); });
  EXPECT_EQ(unsent, "list#3.add: the manager at ipc:///fake/manager.sock cannot be reached");
  const std::string unknown = thrown<OutcomeUnknown>([&] { change.get(); });
  EXPECT_EQ(unknown, "list#3.park: the manager at ipc:///fake/manager.sock cannot be reached; "
                     "the call may have taken effect");
  EXPECT_THROW(read.get(), Disconnected);
  // It may come back: what was given up is cancelled, nothing is done late.
  link->connect();
  EXPECT_EQ(add(1), 1);
  EXPECT_EQ(manager.runs("park"), 2U);
  EXPECT_TRUE(link->connection() == 2U && manager.hellos().back().incomplete.size() <= 1U);
  EXPECT_EQ(manager.cancels(), (std::vector<core::Seq>{1, 2}));
}

TEST_F(ResumeTest, AManagerThatCannotProveItselfGetsNoCalls) {
  start({.timeout = 30ms});
  add(1);
  // Somebody else at the same address who knows the session's id, but not its secret. It asks for
  // proof and is content with any.
  bool asked = false;
  core::Welcome welcome;
  std::shared_ptr<FakeLink> other;
  other = std::make_shared<FakeLink>([&](std::uint64_t connection, std::string frame) {
    const core::OpenEnvelope envelope = core::open_envelope(frame);
    if (envelope.kind != core::Envelope::hello) {
      ADD_FAILURE() << "a call was sent";
      return;
    }
    const core::Hello hello = core::decode_hello(envelope);
    if (!hello.session) {  // the honest beginning
      for (std::string& answer : manager.take(connection, frame)) {
        const core::OpenEnvelope opened = core::open_envelope(answer);
        if (opened.kind == core::Envelope::welcome) welcome = core::decode_welcome(opened);
        other->deliver(connection, std::move(answer));
      }
    } else if (hello.proof.empty()) {
      asked = true;
      other->deliver(core::encode_unknown_connection(std::string(16, 'c')));
    } else {
      welcome.secret.clear();
      welcome.proof = core::session_proof(core::Role::client, std::string(32, 's'), welcome.session,
                                          hello.nonce);
      other->deliver(core::encode(welcome));
    }
  });
  other->connect();
  const client::SessionPtr victim = client::connect_over(other->transport(), manager.new_ticket(),
                                                         {"ipc:///else/where"}, {.timeout = 30ms});
  other->replace();
  EXPECT_THROW(victim->call(kList, "echo", arguments({encoded(1)}), {}), Disconnected);
  EXPECT_TRUE(asked);
}

TEST_F(ResumeTest, ACallThatSlipsOntoANewConnectionIsSentAgainAfterTheProof) {
  start();
  add(1);
  link->take_early(true);
  link->replace();
  EXPECT_EQ(add(1), 2);
  EXPECT_EQ(echo(5), 5);
  EXPECT_EQ(manager.runs("add"), 2U);
}

TEST_F(ResumeTest, ADemandForProofCanComeAtAnyTime) {
  start();
  auto parked = park(Effect::change);
  // The manager lost sight of the connection; the client saw nothing.
  link->deliver(core::encode_unknown_connection(std::string(16, 'c')));
  // That challenge is not what the fake will compare with, so it asks once more.
  link->deliver(manager.release_parked(encoded(3)));
  EXPECT_EQ(integer_of(parked.get().value()), 3);
  EXPECT_EQ(add(1), 1);
}

TEST_F(ResumeTest, AForgottenSessionIsFinalWithoutAWayToAnotherOne) {
  start();
  auto change = park(Effect::change);
  auto read = park(Effect::read);
  manager.forget_sessions();
  link->replace();
  EXPECT_THROW(change.get(), OutcomeUnknown);
  EXPECT_THROW(read.get(), Disconnected);
  const std::string text = thrown<Disconnected>([&] { add(1); });
  EXPECT_EQ(text, "list#3.add: the manager at ipc:///fake/manager.sock closed this session: "
                  "no such session");
}

TEST_F(ResumeTest, AnErrorOfAPostSurvivesABrokenConnection) {
  start();
  manager.swallow_replies(true);
  post("fail", {encoded("not yours")});
  manager.swallow_replies(false);
  link->replace();
  EXPECT_EQ(thrown<BadCall>([&] { echo(1); }), "not yours");
}

TEST_F(ResumeTest, AGoodbyeWaitsForTheConnection) {
  start();
  link->cut();
  auto end = std::async(std::launch::async, [&] { session->end(5s); });
  link->connect();
  end.get();
  EXPECT_EQ(manager.byes(), 1U);
}

}  // namespace
}  // namespace steward::detail::test
