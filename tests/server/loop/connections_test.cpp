// Sessions and their connections: how they begin, move to another connection, and end.
#include <steward/tests/server/loop/loop_test.hpp>

namespace steward::detail::test {
namespace {

using core::Envelope;
using core::kManagerObject;

class Connections : public LoopTest {
 protected:
  void SetUp() override { start(); }

  std::string refusal(const BareClient& client) {
    core::OpenEnvelope envelope = core::open_envelope(client.last_frame);
    EXPECT_EQ(envelope.kind, Envelope::unknown_session);
    return core::decode_text(envelope);
  }
  std::unique_ptr<Wire> new_wire() { return std::make_unique<ZmqWire>(address()); }
};

TEST_F(Connections, ATicketOpensASession) {
  BareClient client = BareClient::come_in(address(), pump());
  EXPECT_EQ(client.entrance.addresses, server->addresses());
  EXPECT_EQ(shm::pid_of(client.entrance.server.get()), ::getpid());
  const core::Welcome welcome = client.hello();
  EXPECT_EQ(welcome.incarnation, client.entrance.incarnation);
  EXPECT_EQ(welcome.secret.size(), core::kSecretBytes);
  EXPECT_EQ(welcome.message_bytes, core::Limits().message_bytes);
  EXPECT_EQ(welcome.calls_in_flight, core::Limits().calls_in_flight);
  EXPECT_EQ(server->core().number_of_sessions(), 1U);

  const core::ObjectId list = client.create("list");
  client.get(list, "append", Value(4));
  EXPECT_EQ(client.get(list, "copy").json(), "[4]");
}

TEST_F(Connections, TwoClientsShareANamedObject) {
  BareClient ada = client();
  BareClient bob = client();
  ada.get(ada.create("list", "numbers"), "append", Value(1));
  bob.get(bob.create("list", "numbers"), "append", Value(2));
  EXPECT_EQ(ada.get(ada.create("list", "numbers"), "copy").json(), "[1, 2]");
  EXPECT_EQ(server->core().number_of_objects(), 1U);
}

TEST_F(Connections, AnUnknownTicketIsRefused) {
  BareClient client(new_wire(), pump());
  core::Hello hello;
  hello.ticket = std::string(16, 't');
  hello.nonce = client.nonce;
  client.send(core::encode(hello));
  client.last_frame = client.receive();
  EXPECT_EQ(refusal(client), "the ticket is unknown or was not used in time");
  EXPECT_EQ(server->core().number_of_sessions(), 0U);
  EXPECT_EQ(server->incidents().forged, 1U);
}

TEST_F(Connections, ATicketIsGoodForOneClient) {
  BareClient first = client();
  first.create("list");
  BareClient second(new_wire(), pump());
  core::Hello hello;
  hello.ticket = first.entrance.ticket;
  hello.nonce = second.nonce;
  second.send(core::encode(hello));
  second.last_frame = second.receive();
  EXPECT_EQ(refusal(second), "the ticket is unknown or was not used in time");
}

TEST_F(Connections, AWelcomeThatWasLostIsSaidAgain) {
  BareClient client = BareClient::come_in(address(), pump());
  client.hello();
  const core::SessionId session = client.session;
  client.reconnect(new_wire());
  client.hello();
  EXPECT_EQ(client.session, session);
  EXPECT_EQ(server->core().number_of_sessions(), 1U);
  EXPECT_EQ(client.get(client.create("list"), "size").integer(), 0);
}

TEST_F(Connections, ACallBeforeHelloIsAskedForItsSession) {
  BareClient client(new_wire(), pump());
  client.post(kManagerObject, "number_of_objects", arguments());
  client.receive_kind(Envelope::unknown_connection);
  EXPECT_EQ(core::decode_text(core::open_envelope(client.last_frame)).size(),
            core::kChallengeBytes);
}

TEST_F(Connections, ASessionMovesToANewConnection) {
  BareClient client = LoopTest::client();
  const core::ObjectId list = client.create("list");
  client.reconnect(new_wire());
  ASSERT_EQ(client.resume(client.secret), Envelope::welcome);
  const core::Welcome welcome = core::decode_welcome(core::open_envelope(client.last_frame));
  EXPECT_EQ(welcome.session, client.session);
  EXPECT_TRUE(welcome.secret.empty());
  EXPECT_EQ(welcome.proof, core::session_proof(core::Role::server, client.secret, client.session,
                                               client.nonce));
  client.get(list, "append", Value(1));
  EXPECT_EQ(client.get(list, "size").integer(), 1);
  EXPECT_EQ(server->core().number_of_sessions(), 1U);
}

TEST_F(Connections, AReplyThatWasLostIsTakenFromTheStore) {
  BareClient client = LoopTest::client();
  const core::ObjectId list = client.create("list");
  client.get(list, "extend", Value(Value::List{1, 2, 3}));
  const core::Seq pop = client.post(list, "pop", arguments());
  ASSERT_TRUE(eventually([&] { return client.wire().receive().has_value(); }));  // lost

  client.reconnect(new_wire());
  ASSERT_EQ(client.resume(client.secret, {pop}), Envelope::welcome);
  client.send_call(pop, list, "pop", arguments());
  EXPECT_EQ(client.answer(pop).result.integer(), 3);
  EXPECT_EQ(client.get(list, "copy").json(), "[1, 2]");
}

TEST_F(Connections, AParkedCallKeepsItsPlaceAndAnUnlistedOneIsDropped) {
  BareClient client = LoopTest::client();
  BareClient other = LoopTest::client();
  const core::ObjectId queue = client.create("queue", "q");
  const core::Seq given_up = client.post(queue, "get", arguments());
  const core::Seq kept = client.post(queue, "get", arguments());
  ASSERT_TRUE(eventually([&] { return server->core().number_parked() == 2; }));

  client.reconnect(new_wire());
  ASSERT_EQ(client.resume(client.secret, {kept}), Envelope::welcome);
  EXPECT_EQ(server->core().number_parked(), 1U);
  client.send_call(kept, queue, "get", arguments());
  other.get(other.create("queue", "q"), "put", Value(7));
  EXPECT_EQ(client.answer(kept).result.integer(), 7);
  EXPECT_NE(kept, given_up);
}

TEST_F(Connections, AForgedProofDoesNotGetASession) {
  BareClient owner = LoopTest::client();
  const core::ObjectId list = owner.create("list");
  BareClient thief(new_wire(), pump());
  thief.session = owner.session;
  EXPECT_EQ(thief.resume("guess"), Envelope::unknown_connection);
  EXPECT_EQ(thief.resume("guess again"), Envelope::unknown_connection);
  EXPECT_EQ(thief.resume("third guess"), Envelope::unknown_session);
  EXPECT_EQ(refusal(thief), "the proof of the session is wrong");
  EXPECT_EQ(server->incidents().forged, 3U);
  // The owner was not disturbed.
  owner.get(list, "append", Value(1));
  EXPECT_EQ(owner.get(list, "size").integer(), 1);
}

TEST_F(Connections, AProofIsGoodForOneChallenge) {
  BareClient owner = LoopTest::client();
  BareClient thief(new_wire(), pump());
  core::Hello hello;
  hello.session = owner.session;
  hello.nonce = owner.nonce;
  thief.send(core::encode(hello));
  thief.receive_kind(Envelope::unknown_connection);
  // Overheard on another connection.
  hello.proof = core::session_proof(core::Role::client, owner.secret, owner.session,
                                    std::string(core::kChallengeBytes, 'x'));
  thief.send(core::encode(hello));
  thief.receive_kind(Envelope::unknown_connection);
  EXPECT_EQ(server->incidents().forged, 1U);
}

TEST_F(Connections, AnUnknownSessionIsFinal) {
  BareClient client(new_wire(), pump());
  client.session.bytes.fill(9);
  EXPECT_EQ(client.resume("secret"), Envelope::unknown_session);
  EXPECT_EQ(refusal(client), "the manager has no such session");
}

TEST_F(Connections, ByeEndsASessionInOrder) {
  BareClient client = LoopTest::client();
  client.create("list");
  client.send(core::encode_bye());
  client.receive_kind(Envelope::bye);
  EXPECT_EQ(server->core().number_of_sessions(), 0U);
  EXPECT_EQ(server->core().number_of_objects(), 0U);
  EXPECT_TRUE(eventually([&] { return is_closed(client.entrance.control); }));
  EXPECT_TRUE(notes.empty());
}

// Its process ends soon, and goes on until then.
TEST_F(Connections, AByeMayPromiseThatTheEndIsInOrder) {
  BareClient other = LoopTest::client();
  const core::ObjectId lock = other.create("lock", "l");
  BareClient client = LoopTest::client();
  client.create("lock", "l");
  client.get(lock, "lock");
  client.send(core::encode_bye(true));
  client.receive_kind(Envelope::bye);
  EXPECT_TRUE(core::decode_bye(core::open_envelope(client.last_frame)));
  EXPECT_TRUE(client.get(lock, "locked").boolean()) << "the session goes on";
  client.entrance.control.reset();
  const Value hold = other.get(lock, "lock");
  EXPECT_FALSE(hold.list().at(1).boolean()) << "its owner has not died";
  EXPECT_EQ(server->core().number_of_sessions(), 1U);
}

TEST_F(Connections, AClosedControlSocketEndsTheSession) {
  BareClient client = LoopTest::client();
  client.create("lock");
  client.entrance.control.reset();
  EXPECT_TRUE(eventually([&] { return server->core().number_of_sessions() == 0; }));
  EXPECT_EQ(server->core().number_of_objects(), 0U);
}

TEST_F(Connections, ASessionThatTalksNonsenseIsClosedAndNobodyElseNotices) {
  BareClient good = LoopTest::client();
  const core::ObjectId list = good.create("list");
  const std::vector<std::string> nonsense = {
      "", "\xc1", std::string("\x91\x01"), core::encode_unknown_session("?"),
      std::string("\x93\x01\x03\xdd\xff\xff\xff\xff", 8), std::string(1000, '\x91')};
  for (const std::string& frame : nonsense) {
    BareClient bad = LoopTest::client();
    bad.create("list");
    bad.send(frame);
    bad.last_frame = bad.receive();
    EXPECT_FALSE(refusal(bad).empty());
    EXPECT_TRUE(eventually([&] { return is_closed(bad.entrance.control); }));
    // Whatever else it says is not listened to.
    bad.post(kManagerObject, "number_of_objects", arguments());
    good.get(list, "append", Value(1));
  }
  EXPECT_EQ(server->core().number_of_sessions(), 1U);
  EXPECT_EQ(server->core().number_of_objects(), 1U);
  EXPECT_EQ(server->incidents().malformed, nonsense.size());
  EXPECT_EQ(notes.size(), nonsense.size());
  EXPECT_EQ(good.get(list, "size").integer(), static_cast<std::int64_t>(nonsense.size()));
}

TEST_F(Connections, MessagesOfSeveralFramesAreNonsenseToo) {
  BareClient good = LoopTest::client();
  auto wire = std::make_unique<ZmqWire>(address());
  wire->send_parts({"a", core::encode_bye(), "c"});
  BareClient bad(std::move(wire), pump());
  bad.last_frame = bad.receive();
  EXPECT_FALSE(refusal(bad).empty());
  EXPECT_EQ(good.get(kManagerObject, "number_of_objects").integer(), 0);
}

// Challenges take no memory: whoever asks for very many takes no place of others.
TEST_F(Connections, NobodyElsesChallengesKeepAClientFromComingBack) {
  core::Limits limits;
  limits.handshakes = 2;
  server.reset();
  start(limits);
  BareClient owner = LoopTest::client();
  owner.reconnect(new_wire());
  core::Hello hello;
  hello.session = owner.session;
  hello.nonce = owner.nonce;
  owner.send(core::encode(hello));
  owner.receive_kind(Envelope::unknown_connection);
  const std::string challenge = core::decode_text(core::open_envelope(owner.last_frame));
  for (int i = 0; i < 10; ++i) {
    BareClient stranger(new_wire(), pump());
    stranger.send(core::encode_renew());
    stranger.receive_kind(Envelope::unknown_connection);
    EXPECT_NE(core::decode_text(core::open_envelope(stranger.last_frame)), challenge);
  }
  hello.proof =
      core::session_proof(core::Role::client, owner.secret, owner.session, challenge);
  owner.send(core::encode(hello));
  owner.receive_kind(Envelope::welcome);
}

TEST_F(Connections, AProofIsGoodOnceOnItsOwnConnectionToo) {
  BareClient owner = LoopTest::client();
  owner.reconnect(new_wire());
  core::Hello hello;
  hello.session = owner.session;
  hello.nonce = owner.nonce;
  owner.send(core::encode(hello));
  owner.receive_kind(Envelope::unknown_connection);
  hello.proof = core::session_proof(core::Role::client, owner.secret, owner.session,
                                    core::decode_text(core::open_envelope(owner.last_frame)));
  owner.send(core::encode(hello));
  owner.receive_kind(Envelope::welcome);
  BareClient elsewhere(new_wire(), pump());
  elsewhere.session = owner.session;
  ASSERT_EQ(elsewhere.resume(owner.secret), Envelope::welcome);
  owner.send(core::encode(hello));
  owner.last_frame = owner.receive();
  EXPECT_NE(core::open_envelope(owner.last_frame).kind, Envelope::welcome);
}

// Or two connections could leave any number of sessions behind, each with its lease.
TEST_F(Connections, AConnectionThatTakesUpAnotherSessionHasEndedItsOwn) {
  const auto network = server::LocalNetwork::make();
  server = std::make_unique<server::Server>(nullptr, network->listen(), server::builtin_classes());
  BareClient here(std::make_unique<LocalWire>(*network), pump());
  BareClient there(std::make_unique<LocalWire>(*network), pump());
  for (const char* ticket : {"one", "two", "three", "four"}) {
    here.entrance.ticket = there.entrance.ticket = ticket;
    here.hello();
    there.hello();
    EXPECT_EQ(here.session, there.session) << "it moved";
    EXPECT_EQ(server->core().number_of_sessions(), 1U);
  }
  EXPECT_EQ(there.get(there.create("list"), "size").integer(), 0);
}

}  // namespace
}  // namespace steward::detail::test
