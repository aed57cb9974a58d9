#include <gtest/gtest.h>

#include <steward/tests/server/core_driver.hpp>
#include <steward/tests/server/slot_class.hpp>

namespace steward::detail::test {
namespace {

using core::ErrorCode;
using core::kManagerObject;
using server::Ending;

class CoreTest : public testing::Test {
 protected:
  core::ObjectId slot(CoreDriver::Client& client) {
    return driver.create(client, "slot", arguments());
  }
  void drop(CoreDriver::Client& client, core::ObjectId object, std::uint64_t count = 1) {
    const Value pair(std::vector<std::uint64_t>{core::number(object), count});
    driver.send(client, kManagerObject, "drop", arguments(Value(Value::List{pair})), {}, true);
  }

  void lease(core::ObjectId object, const Value& nonce) {
    driver.call(ann, kManagerObject, "lease", arguments(core::number(object), nonce));
  }
  // One that needs it.
  ErrorCode claim(CoreDriver::Client& client, core::ObjectId object, const Value& nonce) {
    const std::string args = arguments(core::number(object), nonce, true);
    return driver.call(client, kManagerObject, "claim", args).code;
  }

  const Value kNonce = Value::of_bytes("0123456789abcdef");
  const server::Registry registry = slot_registry();
  CoreDriver driver{registry};
  CoreDriver::Client ann = driver.open();
  CoreDriver::Client bob = driver.open();
};

TEST_F(CoreTest, CreatesAnObjectAndServesItsMethods) {
  const auto object = slot(ann);
  EXPECT_EQ(driver.call(ann, object, "put", arguments(5)).code, ErrorCode::ok);
  EXPECT_EQ(driver.call(ann, object, "peek", arguments()).result, Value(Value::List{5}));
}

TEST_F(CoreTest, NamesObjectMethodAndReasonInErrors) {
  const auto object = slot(ann);
  EXPECT_EQ(driver.call(ann, object, "fail", arguments()).text, "slot#1.fail: failed as asked");
  EXPECT_EQ(driver.call(ann, object, "fail", arguments()).code, ErrorCode::closed);
  EXPECT_EQ(driver.call(ann, object, "nonsense", arguments()).text,
            "slot#1.nonsense: a slot has no such method");
  EXPECT_EQ(driver.call(ann, object, "put", arguments()).text,
            "slot#1.put: too few arguments: 0, expected 1");
  EXPECT_EQ(driver.call(ann, object, "put", arguments(1, 2)).text,
            "slot#1.put: too many arguments: 2, expected 1");
  EXPECT_EQ(driver.call(ann, core::ObjectId{99}, "put", arguments(1)).code,
            ErrorCode::stale_handle);
  EXPECT_EQ(driver.call(ann, kManagerObject, "nonsense", arguments()).text,
            "manager.nonsense: the manager has no such method");
}

TEST_F(CoreTest, DestroysAnObjectWithItsLastReference) {
  const auto object = slot(ann);
  EXPECT_EQ(driver.core.number_of_objects(), 1U);
  drop(ann, object);
  EXPECT_EQ(driver.core.number_of_objects(), 0U);
  EXPECT_EQ(driver.call(ann, object, "peek", arguments()).code, ErrorCode::stale_handle);
}

TEST_F(CoreTest, DropsTheReferencesOfADeadSession) {
  slot(ann);
  slot(ann);
  driver.end(ann);
  EXPECT_EQ(driver.core.number_of_objects(), 0U);
}

TEST_F(CoreTest, KeepsAnObjectThatAnotherOneHolds) {
  const auto outer = slot(ann);
  const auto inner = slot(ann);
  core::Token token;
  token.incarnation = driver.core.identity().incarnation;
  token.object = inner;
  token.type = "slot";
  driver.call(ann, outer, "put",
              arguments(Value::of_reference(std::make_shared<core::Reference>(token))));
  drop(ann, inner);
  EXPECT_EQ(driver.core.number_of_objects(), 2U);
  drop(ann, outer);
  EXPECT_EQ(driver.core.number_of_objects(), 0U);
}

TEST_F(CoreTest, RefusesAHandleOfAnObjectThatIsGone) {
  const auto outer = slot(ann);
  core::Token token;
  token.incarnation = driver.core.identity().incarnation;
  token.object = core::ObjectId{77};
  token.type = "slot";
  const auto gone = Value::of_reference(std::make_shared<core::Reference>(token));
  EXPECT_EQ(driver.call(ann, outer, "put", arguments(gone)).code, ErrorCode::stale_handle);
}

TEST_F(CoreTest, CountsEveryHandleThatItSends) {
  const auto outer = slot(ann);
  core::Token token;
  token.incarnation = driver.core.identity().incarnation;
  token.object = slot(ann);
  token.type = "slot";
  driver.call(ann, outer, "put",
              arguments(Value::of_reference(std::make_shared<core::Reference>(token))));
  driver.call(bob, kManagerObject, "claim", arguments(core::number(outer)));
  // Two reads of a handle are two references, and each is given back.
  driver.call(bob, outer, "peek", arguments());
  driver.call(bob, outer, "peek", arguments());
  driver.end(ann);
  EXPECT_EQ(driver.core.number_of_objects(), 2U);
  drop(bob, outer);
  EXPECT_EQ(driver.core.number_of_objects(), 1U);
  drop(bob, token.object);
  EXPECT_EQ(driver.core.number_of_objects(), 1U);
  drop(bob, token.object);
  EXPECT_EQ(driver.core.number_of_objects(), 0U);
}

TEST_F(CoreTest, ParksACallUntilAnotherAnswersIt) {
  const auto object = slot(ann);
  const core::Seq waiting = driver.send(bob, object, "take", arguments());
  EXPECT_FALSE(driver.answered(bob, waiting));
  EXPECT_EQ(driver.core.number_parked(), 1U);
  driver.call(ann, object, "put", arguments("x"));
  EXPECT_EQ(driver.answer(bob, waiting).result, Value("x"));
  EXPECT_EQ(driver.core.number_parked(), 0U);
}

TEST_F(CoreTest, EndsAParkedCallAtItsDeadline) {
  const auto object = slot(ann);
  const core::Seq waiting = driver.send(bob, object, "take", arguments(), 100);
  driver.pass(std::chrono::milliseconds(99));
  EXPECT_FALSE(driver.answered(bob, waiting));
  EXPECT_EQ(driver.core.next_deadline(), driver.now + std::chrono::milliseconds(1));
  driver.pass(std::chrono::milliseconds(1));
  const Answer answer = driver.answer(bob, waiting);
  EXPECT_EQ(answer.code, ErrorCode::timed_out);
  EXPECT_EQ(answer.text, "slot#1.take: timed out");
  driver.call(ann, object, "put", arguments(1));
  EXPECT_EQ(driver.call(ann, object, "peek", arguments()).result, Value(Value::List{1}));
}

TEST_F(CoreTest, ForgetsTheParkedCallsOfADeadSession) {
  const auto object = slot(ann);
  driver.send(bob, object, "take", arguments());
  driver.end(bob);
  driver.call(ann, object, "put", arguments(1));
  EXPECT_EQ(driver.call(ann, object, "peek", arguments()).result, Value(Value::List{1}));
}

TEST_F(CoreTest, EndsParkedCallsWhenTheirObjectIsDestroyed) {
  const auto object = slot(ann);
  const core::Seq waiting = driver.send(bob, object, "take", arguments());
  drop(ann, object);
  EXPECT_EQ(driver.answer(bob, waiting).code, ErrorCode::stale_handle);
}

TEST_F(CoreTest, GivesBackWhatADeadSessionDidNotConfirm) {
  const auto object = slot(ann);
  driver.call(ann, object, "put", arguments(1));
  driver.call(bob, object, "take", arguments());
  EXPECT_EQ(driver.call(ann, object, "peek", arguments()).result, Value(Value::List{}));
  driver.end(bob);
  EXPECT_EQ(driver.call(ann, object, "peek", arguments()).result, Value(Value::List{1}));
}

TEST_F(CoreTest, LeavesWhatWasConfirmedByAnAckOrByALaterCall) {
  const auto object = slot(ann);
  driver.call(ann, object, "put", arguments(1));
  driver.send(bob, object, "take", arguments());
  driver.acknowledge(bob, bob.next_seq - 1);
  driver.call(ann, object, "put", arguments(2));
  driver.send(bob, object, "take", arguments());
  bob.first_incomplete = bob.next_seq;
  driver.send(bob, object, "token", arguments());
  EXPECT_EQ(driver.call(ann, object, "confirmed_count", arguments()).result, Value(2));
  driver.end(bob);
  EXPECT_EQ(driver.call(ann, object, "peek", arguments()).result, Value(Value::List{}));
}

TEST_F(CoreTest, CancelEndsAParkedCallAndSaysSo) {
  const auto object = slot(ann);
  const core::Seq waiting = driver.send(bob, object, "take", arguments());
  driver.cancel(bob, waiting);
  EXPECT_EQ(driver.answer(bob, waiting).code, ErrorCode::timed_out);
  EXPECT_EQ(driver.core.number_parked(), 0U);
}

TEST_F(CoreTest, CancelGivesBackWhatWasAnsweredAlready) {
  const auto object = slot(ann);
  driver.call(ann, object, "put", arguments(1));
  const core::Seq taken = driver.send(bob, object, "take", arguments());
  driver.cancel(bob, taken);
  EXPECT_EQ(driver.call(ann, object, "peek", arguments()).result, Value(Value::List{1}));
}

TEST_F(CoreTest, AnswersARetryFromTheStoreAndExecutesOnce) {
  const auto object = slot(ann);
  const core::Seq seq = driver.send(ann, object, "token", arguments());
  const Value first = driver.answer(ann, seq).result;
  driver.request(ann, driver.frame(ann, seq, object, "token", arguments()));
  EXPECT_EQ(driver.answer(ann, seq).result, first);
  EXPECT_EQ(driver.call(ann, object, "token", arguments()).result, first.integer() + 1);
}

TEST_F(CoreTest, KeepsTheRetriedCallsPlaceInTheLine) {
  const auto object = slot(ann);
  const core::Seq first = driver.send(bob, object, "take", arguments());
  const core::Seq second = driver.send(ann, object, "take", arguments());
  driver.apply(server::input::SessionResumed{bob.session, {first}, 1});
  driver.request(bob, driver.frame(bob, first, object, "take", arguments()));
  driver.call(ann, object, "put", arguments(1));
  EXPECT_TRUE(driver.answered(bob, first));
  EXPECT_FALSE(driver.answered(ann, second));
}

TEST_F(CoreTest, DropsParkedCallsThatAResumedClientNoLongerAwaits) {
  const auto object = slot(ann);
  driver.send(bob, object, "take", arguments());
  driver.apply(server::input::SessionResumed{bob.session, {}, 1});
  EXPECT_EQ(driver.core.number_parked(), 0U);
}

TEST_F(CoreTest, IgnoresACallThatIsCompleteAtTheClient) {
  const auto object = slot(ann);
  const core::Seq old = driver.send(ann, object, "token", arguments());
  driver.answer(ann, old);
  ann.first_incomplete = ann.next_seq;
  driver.call(ann, object, "token", arguments());
  driver.request(ann, driver.frame(ann, old, object, "token", arguments()));
  EXPECT_FALSE(driver.answered(ann, old));
}

TEST_F(CoreTest, AnswersPostsOnlyWithErrors) {
  const auto object = slot(ann);
  const core::Seq fine = driver.send(ann, object, "put", arguments(1), {}, true);
  const core::Seq wrong = driver.send(ann, object, "fail", arguments(), {}, true);
  EXPECT_FALSE(driver.answered(ann, fine));
  EXPECT_EQ(driver.answer(ann, wrong).code, ErrorCode::closed);
  // A retried post is not executed again.
  driver.call(ann, object, "take", arguments());
  driver.request(ann, driver.frame(ann, fine, object, "put", arguments(1), {}, true));
  EXPECT_EQ(driver.call(ann, object, "peek", arguments()).result, Value(Value::List{}));
}

TEST_F(CoreTest, TellsObjectsHowTheirOwnersEnded) {
  const auto object = slot(ann);
  CoreDriver::Client eve = driver.open();
  driver.call(bob, object, "own", arguments());
  driver.call(eve, object, "own", arguments());
  driver.end(bob, Ending::died);
  driver.end(eve, Ending::orderly);
  EXPECT_EQ(driver.call(ann, object, "ended", arguments()).result, Value(101));
}

TEST_F(CoreTest, OpensANamedObjectOnceAndKeepsIt) {
  const auto first = driver.create(ann, "slot", arguments(1), "shared");
  const auto second = driver.create(bob, "slot", arguments(2), "shared");
  EXPECT_EQ(first, second);
  driver.end(ann);
  driver.end(bob);
  EXPECT_EQ(driver.core.number_of_objects(), 1U);
  CoreDriver::Client eve = driver.open();
  EXPECT_EQ(driver.call(eve, kManagerObject, "remove", arguments("shared")).result, Value(true));
  EXPECT_EQ(driver.call(eve, kManagerObject, "remove", arguments("shared")).result, Value(false));
  EXPECT_EQ(driver.core.number_of_objects(), 0U);
}

TEST_F(CoreTest, ALeaseKeepsAnObjectUntilItsFirstClaimOrItsEnd) {
  const auto object = slot(ann);
  const auto other = slot(ann);
  const Value nonce = Value::of_bytes("0123456789abcdef");
  const Value spare = Value::of_bytes("fedcba9876543210");
  driver.call(ann, kManagerObject, "lease", arguments(core::number(object), nonce));
  driver.call(ann, kManagerObject, "lease", arguments(core::number(other), spare));
  driver.end(ann, Ending::orderly);
  EXPECT_EQ(driver.core.number_of_objects(), 2U);
  const Answer claimed =
      driver.call(bob, kManagerObject, "claim", arguments(core::number(object), nonce));
  EXPECT_EQ(claimed.code, ErrorCode::ok);
  drop(bob, object);
  EXPECT_EQ(driver.core.number_of_objects(), 1U);
  driver.pass(std::chrono::seconds(60));
  EXPECT_EQ(driver.core.number_of_objects(), 0U);
}

TEST_F(CoreTest, ASpentNonceIsAPlainClaim) {
  const auto object = slot(ann);
  const Value nonce = Value::of_bytes("0123456789abcdef");
  driver.call(ann, kManagerObject, "lease", arguments(core::number(object), nonce));
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(
        driver.call(bob, kManagerObject, "claim", arguments(core::number(object), nonce)).code,
        ErrorCode::ok);
  }
}

// By a handle of whose writer the client does not know what he may use.
TEST_F(CoreTest, AClaimThatNeedsALeaseGetsItsObjectForOneClient) {
  const auto object = slot(ann);
  const auto other = slot(ann);
  CoreDriver::Client eve = driver.open();
  lease(object, kNonce);
  EXPECT_EQ(claim(bob, object, Value()), ErrorCode::stale_handle);
  EXPECT_EQ(claim(bob, other, kNonce), ErrorCode::stale_handle);
  EXPECT_EQ(claim(bob, object, kNonce), ErrorCode::ok);
  EXPECT_EQ(claim(eve, object, kNonce), ErrorCode::stale_handle);
  EXPECT_EQ(claim(bob, other, kNonce), ErrorCode::stale_handle);
  EXPECT_EQ(claim(bob, object, kNonce), ErrorCode::ok) << "it has the object by this lease";
  drop(bob, object);
  EXPECT_EQ(claim(bob, object, kNonce), ErrorCode::ok) << "each claim has given one reference";
  drop(bob, object, 2);
  EXPECT_EQ(claim(bob, object, kNonce), ErrorCode::stale_handle);
}

TEST_F(CoreTest, RemembersTheNewestLeasesByWhichAClientHasAnObject) {
  const auto object = slot(ann);
  const auto nonce = [](char letter) { return Value::of_bytes(std::string(16, letter)); };
  for (int i = 0; i <= 64; ++i) {
    lease(object, nonce(static_cast<char>(i)));
    EXPECT_EQ(claim(bob, object, nonce(static_cast<char>(i))), ErrorCode::ok);
  }
  EXPECT_EQ(claim(bob, object, nonce(1)), ErrorCode::ok);
  EXPECT_EQ(claim(bob, object, nonce(0)), ErrorCode::stale_handle);
}

// As what a take has handed over.
TEST_F(CoreTest, ALeaseWaitsAgainWhereItsClaimIsGivenUp) {
  const auto object = slot(ann);
  lease(object, kNonce);
  driver.end(ann, Ending::orderly);
  CoreDriver::Client eve = driver.open();
  EXPECT_EQ(claim(bob, object, kNonce), ErrorCode::ok);
  EXPECT_EQ(claim(eve, object, kNonce), ErrorCode::stale_handle);
  driver.cancel(bob, bob.next_seq - 1);
  drop(bob, object);
  EXPECT_EQ(driver.core.number_of_objects(), 1U);
  EXPECT_EQ(claim(bob, object, kNonce), ErrorCode::ok);
  driver.end(bob);
  EXPECT_EQ(claim(eve, object, kNonce), ErrorCode::ok) << "bob has not confirmed it";
  driver.cancel(eve, eve.next_seq - 1);
  drop(eve, object);
  driver.pass(std::chrono::seconds(60));
  EXPECT_EQ(driver.core.number_of_objects(), 0U) << "it ends when it would have ended";
}

TEST_F(CoreTest, ALeaseIsSpentByAClaimThatIsConfirmed) {
  const auto object = slot(ann);
  lease(object, kNonce);
  driver.end(ann, Ending::orderly);
  EXPECT_EQ(claim(bob, object, kNonce), ErrorCode::ok);
  driver.acknowledge(bob, bob.next_seq - 1);
  driver.cancel(bob, bob.next_seq - 1);
  drop(bob, object);
  EXPECT_EQ(driver.core.number_of_objects(), 0U);
}

TEST_F(CoreTest, ALeaseDoesNotWaitAgainForAnObjectThatIsGone) {
  const auto object = slot(ann);
  lease(object, kNonce);
  EXPECT_EQ(claim(bob, object, kNonce), ErrorCode::ok);
  const core::Seq seq = bob.next_seq - 1;
  driver.end(ann, Ending::orderly);
  drop(bob, object);
  EXPECT_EQ(driver.core.number_of_objects(), 0U);
  driver.cancel(bob, seq);
  EXPECT_EQ(claim(bob, object, kNonce), ErrorCode::stale_handle);
}

// A client that gave a call up and lost its reply learns from the second what it was granted.
TEST_F(CoreTest, AKeptReplyIsSaidAgainAtItsCancelAndGrantsNothingAnew) {
  const auto object = slot(ann);
  const auto inside = slot(ann);
  const Value handle = Value::of_reference(std::make_shared<const core::Reference>(core::Token{
      driver.core.identity().incarnation, inside, "slot", 0, {}, std::nullopt}));
  driver.call(ann, object, "put", arguments(handle));
  drop(ann, inside);
  const core::Seq taken = driver.send(ann, object, "take", arguments());
  EXPECT_EQ(driver.answer(ann, taken).result.kind(), ValueKind::proxy);
  driver.cancel(ann, taken);
  EXPECT_EQ(driver.answer(ann, taken).result.kind(), ValueKind::proxy);
  driver.cancel(ann, taken);  // as after a new connection
  EXPECT_EQ(driver.answer(ann, taken).code, ErrorCode::ok);
  EXPECT_EQ(driver.call(ann, object, "peek", arguments()).result.list().size(), 1U) << "it is back";
  driver.acknowledge(ann, driver.send(ann, object, "take", arguments()));

  // One of the two takes was given up: one drop for that and one for the peek leave the other.
  drop(ann, inside, 2);
  EXPECT_EQ(driver.core.number_of_objects(), 2U);
  drop(ann, inside);
  EXPECT_EQ(driver.core.number_of_objects(), 1U);
}

TEST_F(CoreTest, NotesMalformedEnvelopesAsViolations) {
  driver.request(ann, "\x93\x01\x03");
  EXPECT_EQ(driver.violations, std::vector{ann.session});
  driver.request(ann, core::encode_bye());
  EXPECT_EQ(driver.violations.size(), 2U);
}

TEST_F(CoreTest, FencingTokensRiseOverRestarts) {
  const auto object = slot(ann);
  const std::int64_t token = driver.call(ann, object, "token", arguments()).result.integer();
  EXPECT_EQ(token, (1000 << 20) + 1);
}

}  // namespace
}  // namespace steward::detail::test
