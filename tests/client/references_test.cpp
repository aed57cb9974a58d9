// References: counted, shared, dropped, claimed again; and how handles travel.
#include <steward/tests/client/session_test.hpp>

#include <cstddef>
#include <future>
#include <new>
#include <string>

#include <steward/client/control_socket.hpp>
#include <steward/client/grants.hpp>
#include <steward/client/session/driver.hpp>
#include <steward/core/codec.hpp>
#include <steward/core/handle_codec.hpp>
#include <steward/core/writer.hpp>
#include <steward/tests/shm/failing_new.hpp>

namespace steward::detail::test {
namespace {

using client::Effect;
using Grants = std::map<std::uint64_t, std::uint64_t>;

class ReferencesTest : public SessionTest {
 protected:
  // A result with a handle of this object.
  std::string granted(std::uint64_t object) {
    return call("handle", {encoded(static_cast<std::int64_t>(object))}).value();
  }
  core::ReferencePtr decoded(const std::string& result) {
    client::ResultScope scope(*session, result);
    const core::Reader::Extension extension = core::Reader(result).extension();
    core::ReferencePtr reference =
        core::current_handle_codec().incoming(core::decode_token(extension.payload));
    scope.done();
    return reference;
  }
  core::ReferencePtr reference(std::uint64_t object) { return decoded(granted(object)); }
  // Drops are posts: a read shows that they are through.
  Grants grants() {
    echo(0);
    return manager.grants();
  }
  std::string written(const core::ReferencePtr& reference) {
    const core::HandleCodecScope scope(session->codec());
    std::string bytes;
    core::Writer writer(bytes);
    core::encode_token(writer, core::current_handle_codec().outgoing(*reference));
    return bytes;
  }
  static core::Token token_of(const std::string& bytes) {
    return core::decode_token(core::Reader(bytes).extension().payload);
  }
};

// The claim of the second one is a call, too.
TEST_F(ReferencesTest, EachBareHandleOfOneCallIsKeptUntilTheCallHasEnded) {
  start();
  {
    client::Kept kept;
    client::ArgumentScope scope(*session, kept);
    for (const std::uint64_t object : {7U, 8U, 9U}) {
      scope.outgoing(core::Reference(list_token(manager.incarnation(), object)));
    }
    EXPECT_EQ(grants(), (Grants{{7, 1}, {8, 1}, {9, 1}}));
  }
  EXPECT_EQ(grants(), Grants{});
}

// With a walk over all of them for each that would take minutes.
TEST(Grants, OfManyHandlesAreCounted) {
  std::string encoded;
  core::Writer writer(encoded);
  core::Token token;
  token.type = "list";
  constexpr std::uint64_t kMany = 300'000;
  for (std::uint64_t i = 1; i <= kMany; ++i) {
    token.object = core::ObjectId{i};
    core::encode_token(writer, token);
  }
  EXPECT_EQ(client::grants_in(encoded, token.incarnation).size(), kMany);
}

TEST_F(ReferencesTest, TheLastProxyGoneTheReferenceIsDropped) {
  start();
  core::ReferencePtr first = reference(7);
  core::ReferencePtr copy = first;
  EXPECT_EQ(client::session_of(first), session);
  EXPECT_EQ(grants(), (Grants{{7, 1}}));
  first.reset();
  EXPECT_EQ(grants(), (Grants{{7, 1}}));
  copy.reset();
  EXPECT_EQ(grants(), Grants{});
}

TEST_F(ReferencesTest, EqualHandlesShareOneReferenceAndAllItsGrants) {
  start();
  core::ReferencePtr first = reference(7);
  core::ReferencePtr second = reference(7);
  EXPECT_EQ(first, second);
  first.reset();
  EXPECT_EQ(grants(), (Grants{{7, 2}}));
  second.reset();
  EXPECT_EQ(grants(), Grants{});
}

TEST_F(ReferencesTest, AReferenceKnowsItsAddressesButNoNonce) {
  start();
  core::Token wanted;
  wanted.incarnation = manager.incarnation();
  wanted.object = core::ObjectId{9};
  wanted.type = "list";
  wanted.nonce = core::random_id<core::Nonce>();
  const core::ReferencePtr claimed = session->claim(wanted);
  EXPECT_EQ(claimed->token().addresses, session->addresses());
  EXPECT_FALSE(claimed->token().nonce);
  EXPECT_EQ(grants(), (Grants{{9, 1}}));
  // The nonce was redeemed.
  const auto claim = manager.calls().front();
  EXPECT_EQ(claim.method, "claim");
  EXPECT_NE(claim.args.find(wanted.nonce->view()), std::string::npos);
}

TEST_F(ReferencesTest, AHandleForElsewhereCarriesALease) {
  start();
  const core::ReferencePtr mine = reference(7);
  const core::Token token = mine->outgoing();
  ASSERT_TRUE(token.nonce);
  EXPECT_EQ(token.addresses, session->addresses());
  const auto lease = manager.calls().back();
  EXPECT_EQ(lease.method, "lease");
  EXPECT_NE(lease.args.find(token.nonce->view()), std::string::npos);
  EXPECT_NE(mine->outgoing().nonce, token.nonce);
}

TEST_F(ReferencesTest, ToItsOwnManagerAHandleGoesBare) {
  start();
  const core::ReferencePtr mine = reference(7);
  const std::size_t before = manager.calls().size();
  const core::Token token = token_of(written(mine));
  EXPECT_TRUE(token.addresses.empty());
  EXPECT_FALSE(token.nonce);
  EXPECT_EQ(manager.calls().size(), before);
}

TEST_F(ReferencesTest, AForeignHandleIsLeftAsItIs) {
  start();
  core::Token foreign;
  foreign.incarnation = core::random_id<core::Incarnation>();
  foreign.object = core::ObjectId{7};
  foreign.type = "dict";
  foreign.addresses = {"ipc:///elsewhere/manager.sock"};
  foreign.nonce = core::random_id<core::Nonce>();
  const auto plain = std::make_shared<const core::Reference>(foreign);
  EXPECT_EQ(token_of(written(plain)), foreign);
  const core::ReferencePtr back = session->codec().incoming(foreign);
  EXPECT_EQ(back->token(), foreign);
  EXPECT_EQ(grants(), Grants{});
}

TEST_F(ReferencesTest, AMerelyDecodedHandleIsClaimedForTheCallThatCarriesIt) {
  start();
  core::Token token;
  token.incarnation = manager.incarnation();
  token.object = core::ObjectId{8};
  token.type = "list";
  const auto plain = std::make_shared<const core::Reference>(token);
  {
    client::Kept kept;
    client::ArgumentScope scope(*session, kept);
    scope.outgoing(*plain);
    call("echo", {encoded(1)}, Effect::read);
    EXPECT_EQ(grants(), (Grants{{8, 1}}));
  }
  EXPECT_EQ(grants(), Grants{});
}

TEST_F(ReferencesTest, AReplyThatComesTooLateGivesItsGrantsBack) {
  start();
  EXPECT_FALSE(call("park", {}, Effect::take, core::deadline_after(1ms)));
  std::string handle = granted(5);  // one for us
  manager.swallow_replies(true);
  EXPECT_THROW(call("handle", {encoded(6)}, Effect::change, core::deadline_after(1ms)),
               TimeoutError);
  manager.swallow_replies(false);
  EXPECT_EQ(manager.grants(), (Grants{{5, 1}, {6, 1}}));
  std::string late;
  core::Token token = token_of(handle);
  token.object = core::ObjectId{6};
  std::string payload;
  core::Writer writer(payload);
  core::encode_token(writer, token);
  core::append_reply(late, {manager.calls().back().seq, core::ErrorCode::ok, payload});
  link->deliver(core::encode_replies({late}));
  // The same once more is a mere echo of an old connection.
  link->deliver(core::encode_replies({late}));
  echo(0);
  EXPECT_EQ(grants(), (Grants{{5, 1}}));
  EXPECT_EQ(manager.runs("drop"), 1U);
}

TEST_F(ReferencesTest, AResultThatCannotBeDecodedGivesItsGrantsBack) {
  start();
  const std::string one = granted(1);
  const std::string two = granted(2);
  const std::string result = arguments({one, encoded(5), two, two});
  granted(2);
  ASSERT_EQ(grants(), (Grants{{1, 1}, {2, 2}}));
  EXPECT_THROW(
      {
        client::ResultScope scope(*session, result);
        core::Reader reader(result);
        reader.array();
        const core::ReferencePtr first = core::current_handle_codec().incoming(
            core::decode_token(reader.extension().payload));
        reader.extension();  // there is a number
      },
      BadCall);
  EXPECT_EQ(grants(), Grants{});
}

TEST_F(ReferencesTest, ResultsWithManyHandlesAreScannedWhole) {
  const core::Incarnation ours = core::random_id<core::Incarnation>();
  const auto handle = [&](std::uint64_t object, const core::Incarnation& incarnation) {
    core::Token token;
    token.incarnation = incarnation;
    token.object = core::ObjectId{object};
    std::string bytes;
    core::Writer writer(bytes);
    core::encode_token(writer, token);
    return bytes;
  };
  std::string bytes;
  core::Writer writer(bytes);
  writer.map(2);
  writer.string("key");
  writer.array(3);
  writer.raw(handle(1, ours));
  writer.real(1.5);
  writer.raw(handle(2, core::random_id<core::Incarnation>()));
  writer.raw(handle(1, ours));
  writer.bytes(handle(9, ours));  // bytes are bytes
  const client::Grants expected{{core::ObjectId{1}, 2}};
  EXPECT_EQ(client::grants_in(bytes, ours), expected);
  EXPECT_EQ(client::grants_in(bytes.substr(0, bytes.size() - 3), ours), expected);
  EXPECT_TRUE(client::grants_in("", ours).empty());
}

TEST_F(ReferencesTest, ReferencesMayOutliveTheirSession) {
  start();
  core::ReferencePtr late = reference(7);
  session->end(1s);
  session.reset();
  EXPECT_THROW(client::session_of(late)->call(late->token().object, "echo", arguments({}), {}),
               Disconnected);
  late.reset();
}

// A session that may begin anew: each connection is another link to the same manager.
class RenewalTest : public ReferencesTest {
 protected:
  using Session = client::SessionDriver;

  // The session's last words go through a link that needs this object.
  ~RenewalTest() override {
    if (session) session->end(5s);
    session.reset();
  }

  Session::Connection dial() {
    link = std::make_shared<FakeLink>([this](std::uint64_t connection, std::string frame) {
      for (std::string& answer : manager.take(100 * dials + connection, frame)) {
        link->deliver(std::move(answer));
      }
    });
    link->connect();
    ++dials;
    Session::Connection connection;
    connection.transport = link->transport();
    connection.welcome.ticket = manager.new_ticket();
    connection.welcome.incarnation = incarnation;
    connection.welcome.addresses = {std::string(kAddress)};
    return connection;
  }

  void start(ConnectOptions options = {}) {
    incarnation = manager.incarnation();
    auto made = std::make_shared<Session>(
        dial(),
        [this](core::Deadline) {
          if (gone) throw client::NobodyThere("nobody answers");
          return dial();
        },
        client::terms_of(options, {}));
    made->establish(core::deadline_after(5s));
    session = std::move(made);
  }

  void lose_session() {
    manager.forget_sessions();
    link->replace();
  }

  core::Incarnation incarnation;
  std::uint64_t dials = 0;
  bool gone = false;
};

TEST_F(RenewalTest, AForgottenSessionBeginsAnew) {
  start();
  add(1);
  lose_session();
  EXPECT_EQ(echo(5), 5);
  EXPECT_EQ(dials, 2U);
  EXPECT_EQ(manager.sessions(), 1U);
  EXPECT_EQ(add(1), 2);
}

TEST_F(RenewalTest, ChangesInFlightAreUnknownAndReadsAreRepeated) {
  start();
  auto change = park(Effect::change);
  auto take = park(Effect::take);
  auto read = park(Effect::read);
  lose_session();
  const std::string text = thrown<OutcomeUnknown>([&] { change.get(); });
  EXPECT_EQ(text, "list#3.park: the manager at ipc:///fake/manager.sock closed this session: "
                  "no such session; the call may have taken effect");
  EXPECT_THROW(take.get(), OutcomeUnknown);
  manager.wait_until([](const FakeManager& seen) { return seen.runs("park") == 4; });
  EXPECT_EQ(manager.calls().back().seq, 1U);
  link->deliver(manager.release_parked(encoded(3)));
  EXPECT_EQ(integer_of(read.get().value()), 3);
}

TEST_F(RenewalTest, ACallThatWasNotSentYetGoesToTheNewSession) {
  start();
  manager.forget_sessions();
  link->cut();
  auto waiting = std::async(std::launch::async, [&] { return add(1); });
  link->connect();
  EXPECT_EQ(waiting.get(), 1);
  EXPECT_EQ(manager.runs("add"), 1U);
}

TEST_F(RenewalTest, ReferencesAreClaimedForTheNewSession) {
  start();
  core::ReferencePtr kept = reference(7);
  core::ReferencePtr twice = reference(7);
  core::ReferencePtr other = reference(8);
  other.reset();
  lose_session();
  EXPECT_EQ(grants(), (Grants{{7, 1}}));
  kept.reset();
  twice.reset();
  EXPECT_EQ(grants(), Grants{});
}

TEST_F(RenewalTest, AReferenceForWhichThereWasNoMemoryIsNotClaimed) {
  start();
  at_each_allocation([&](std::size_t n) {
    const std::string result = granted(10 + n);
    bool failed = false;
    try {
      const FailingNew failing(n);
      static_cast<void>(decoded(result));
    } catch (const std::bad_alloc&) {
      failed = true;
    } catch (const Overloaded&) {
      failed = true;
    }
    return failed;
  });
  lose_session();
  EXPECT_EQ(grants(), Grants{});
}

// A read is repeated on the new session, and must not pass for one under the lock.
TEST_F(RenewalTest, WhoHeldALockIsToldByTheNextCallAndNotByTheUnlock) {
  start();
  const core::ReferencePtr lock = reference(3);
  session->note_grant(kList, 1, false);
  lose_session();
  const std::string text = thrown<Disconnected>([&] { echo(0); });
  EXPECT_EQ(text, "list#3.lock: this thread held it until the manager at ipc:///fake/manager.sock "
                  "closed this session: no such session");
  EXPECT_EQ(session->hold(kList).depth, 0U);
  EXPECT_TRUE(session->unlock(kList));
  EXPECT_FALSE(session->unlock(kList));
  EXPECT_EQ(echo(5), 5);
  EXPECT_EQ(manager.runs("unlock"), 0U);
}

TEST_F(RenewalTest, WhatWasMeantUnderALostLockIsNotDoneWithoutIt) {
  start();
  const core::ReferencePtr lock = reference(3);
  manager.forget_sessions();
  link->cut();
  auto waiting = std::async(std::launch::async, [&] {
    session->note_grant(kList, 1, false);
    EXPECT_THROW(add(1), Disconnected);
    EXPECT_TRUE(session->unlock(kList));
    return add(2);  // it has been told
  });
  link->connect();
  EXPECT_EQ(waiting.get(), 2);
  EXPECT_EQ(manager.runs("add"), 1U);
}

TEST_F(RenewalTest, AChangeUnderALostLockTellsOfIt) {
  start();
  const core::ReferencePtr lock = reference(3);
  auto change = std::async(std::launch::async, [&] {
    session->note_grant(kList, 1, false);
    EXPECT_THROW(call("park"), OutcomeUnknown);
    EXPECT_TRUE(session->unlock(kList));
    return echo(5);
  });
  manager.wait_until([](const FakeManager& seen) { return seen.runs("park") == 1; });
  lose_session();
  EXPECT_EQ(change.get(), 5);
}

TEST_F(RenewalTest, ALostHoldIsForgottenWithTheLastProxy) {
  start();
  core::ReferencePtr lock = reference(3);
  session->note_grant(kList, 1, false);
  lose_session();
  EXPECT_THROW(echo(0), Disconnected);
  lock.reset();
  EXPECT_FALSE(session->unlock(kList));
}

TEST_F(RenewalTest, UnlockingWhatAManagerTookAlongThrowsNothing) {
  start();
  const core::ReferencePtr lock = reference(3);
  session->note_grant(kList, 1, false);
  session->note_grant(kList, 1, false);
  link->deliver(core::encode_bye());
  EXPECT_THROW(add(1), Disconnected);
  EXPECT_TRUE(session->unlock(kList));
  EXPECT_TRUE(session->unlock(kList));
  EXPECT_FALSE(session->unlock(kList));
}

TEST_F(RenewalTest, AManagerWithoutAControlSocketIsGone) {
  start();
  auto read = park(Effect::read);
  gone = true;
  lose_session();
  const std::string text = thrown<Disconnected>([&] { read.get(); });
  EXPECT_EQ(text, "list#3.park: the manager at ipc:///fake/manager.sock closed this session and "
                  "cannot be reached again: nobody answers");
  EXPECT_THROW(add(1), Disconnected);
}

TEST_F(RenewalTest, AnotherManagerAtTheSameAddressIsNotOurs) {
  start();
  auto read = park(Effect::read);
  incarnation = core::random_id<core::Incarnation>();
  lose_session();
  const std::string text = thrown<Disconnected>([&] { read.get(); });
  EXPECT_EQ(text, "list#3.park: the manager at ipc:///fake/manager.sock has been replaced by "
                  "another one");
}

TEST_F(RenewalTest, AReadThatCostsItsSessionEachTimeIsNotRepeatedForEver) {
  start();
  auto read = park(Effect::read);
  for (std::uint64_t time = 1; time <= 4; ++time) {
    manager.wait_until([time](const FakeManager& seen) { return seen.runs("park") == time; });
    lose_session();
  }
  const std::string text = thrown<Disconnected>([&] { read.get(); });
  EXPECT_NE(text.find("closed this session: no such session"), text.npos) << text;
}

// --- managers that lie, or are wrong

TEST_F(ReferencesTest, AClaimIsAnsweredWithThatObject) {
  start();
  const core::Token token = list_token(manager.incarnation(), 3);
  manager.lie([](core::Token told) {
    told.object = core::ObjectId{4};
    return told;
  });
  EXPECT_THROW(session->claim(token), Disconnected);
  manager.lie([](core::Token told) {
    told.incarnation = core::random_id<core::Incarnation>();
    return told;
  });
  EXPECT_THROW(session->claim(token), Disconnected);
  manager.lie({});
  EXPECT_NO_THROW(session->claim(token));
}

TEST_F(ReferencesTest, AHandleThatNamesAnotherTypeThanItsObjectHasIsRefused) {
  start();
  core::Token token = list_token(manager.incarnation(), 3);
  token.type = "dict";
  EXPECT_EQ(thrown<BadCall>([&] { session->claim(token); }), "a handle of dict#3 is of list#3");
  EXPECT_EQ(grants(), Grants()) << "what was granted went back";
}

TEST_F(ReferencesTest, AnObjectStaysOfItsType) {
  start();
  const core::ReferencePtr list = reference(3);
  manager.lie([](core::Token told) {
    told.type = "dict";
    return told;
  });
  EXPECT_THROW(reference(3), Disconnected);
  EXPECT_EQ(grants(), (Grants{{3, 1}}));
}

}  // namespace
}  // namespace steward::detail::test
