// What is not said in frames of a session: half handshakes, what was stolen or seen before, numbers
// that lie.
#include <steward/tests/hostile/hostile_test.hpp>

namespace steward::detail::test {
namespace {

using core::Envelope;
using core::ErrorCode;
using std::string_view_literals::operator""sv;

// How ZeroMQ's own protocol begins: version 3.0, mechanism NULL, as a client.
std::string greeting() {
  std::string bytes("\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x03\x00NULL"sv);
  bytes.resize(64);
  return bytes;
}

// The whole handshake of a DEALER.
std::string handshake() {
  std::string ready("\x05READY\x0bSocket-Type\x00\x00\x00\x06"sv);
  ready += "DEALER";
  return greeting() + '\x04' + static_cast<char>(ready.size()) + ready;
}

class HostileSessions : public HostileTest {};

TEST_F(HostileSessions, StreamsThatAreNoZeroMqHarmNobody) {
  const std::string shaken = handshake();
  const std::vector<std::string> streams{
      "", "\xff", greeting().substr(0, 10), greeting().substr(0, 63),
      greeting(), "GET / HTTP/1.1\r\nHost: x\r\n\r\n", std::string(1000, '\x00'),
      std::string(1000, '\xff'), greeting() + "\x04\xff",
      greeting() + std::string(1000, '\x91'), shaken,
      // Frames that announce 2^63 - 1 and 2^64 - 1 bytes, an unknown command, flags of the future.
      shaken + std::string("\x02\x7f\xff\xff\xff\xff\xff\xff\xff"sv),
      shaken + std::string("\x02\xff\xff\xff\xff\xff\xff\xff\xff"sv),
      shaken + std::string("\x04\x05\x04OOPS"sv), shaken + std::string(100, '\xf8'),
      // An older version, and one that is not there yet.
      std::string("\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x01"sv) + std::string(53, '\0'),
      std::string("\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x09"sv) + std::string(53, '\0')};
  std::vector<shm::UniqueFd> open;
  for (const std::string& stream : streams) {
    open.push_back(connect_raw());
    send_raw(open.back(), stream);
    is_served();
    // And one that leaves in the middle of it.
    send_raw(connect_raw(), stream);
    is_served();
  }
  expect_memory_below(128U << 20U);
}

TEST_F(HostileSessions, AHalfHandshakeIsGivenUp) {
  const shm::UniqueFd socket = connect_raw();
  send_raw(socket, greeting().substr(0, 12));
  EXPECT_TRUE(eventually([&] {
    char buffer[256];
    const ssize_t size = ::recv(socket.get(), buffer, sizeof buffer, MSG_DONTWAIT);
    return size == 0 || (size < 0 && errno == ECONNRESET);
  }));
}

TEST_F(HostileSessions, HalfConnectRequestsAtTheControlSocketHarmNobody) {
  std::vector<shm::UniqueFd> open;
  for (int i = 0; i < 300; ++i) {  // more than may be pending
    open.push_back(connect_control_socket(directory()));
    if (i % 3 == 0) send_connect_request(open.back());
    if (i % 3 == 1) send_raw(open.back(), std::string(1000, '\x91'));
  }
  is_served();
  EXPECT_EQ(stranger().get(core::kManagerObject, "number_of_objects").integer(), 1);
}

TEST_F(HostileSessions, AStolenSessionIsWorthNothingWithoutItsSecret) {
  BareClient owner = stranger();
  const core::ObjectId queue = owner.create("queue");
  const core::Seq waiting = owner.post(queue, "get", arguments());
  for (const std::string_view proof : {"x"sv, "................................"sv}) {
    BareClient thief(new_wire(), poll_briefly);
    core::Hello hello;
    hello.session = owner.session;
    hello.nonce = thief.nonce;
    hello.proof = proof;
    Envelope said = Envelope::unknown_connection;
    for (int i = 0; i < 10 && said == Envelope::unknown_connection; ++i) {
      thief.send(core::encode(hello));
      said = core::open_envelope(thief.receive()).kind;
    }
    EXPECT_EQ(said, Envelope::unknown_session);
    // Nor can it speak for the owner.
    thief.send(core::encode_seqs(Envelope::cancel, {waiting}));
    thief.receive_kind(Envelope::unknown_connection);
    thief.send(core::encode_bye());
    thief.receive_kind(Envelope::unknown_connection);
  }
  owner.get(queue, "put", Value(1));
  EXPECT_EQ(owner.answer(waiting).result.integer(), 1);
}

TEST_F(HostileSessions, AnotherClientsSessionIsNotBoundByOnesOwnProof) {
  BareClient owner = stranger();
  BareClient thief = stranger();
  core::Hello hello;
  hello.session = owner.session;
  hello.nonce = thief.nonce;
  thief.send(core::encode(hello));
  thief.receive_kind(Envelope::unknown_connection);
  const std::string challenge = core::decode_text(core::open_envelope(thief.last_frame));
  hello.proof =
      core::session_proof(core::Role::client, thief.secret, owner.session, challenge);
  thief.send(core::encode(hello));
  thief.receive_kind(Envelope::unknown_connection);
  // The other side's word, sent back.
  hello.proof =
      core::session_proof(core::Role::server, owner.secret, owner.session, challenge);
  thief.send(core::encode(hello));
  thief.receive_kind(Envelope::unknown_connection);
  EXPECT_EQ(owner.get(owner.create("list"), "size").integer(), 0);
  EXPECT_EQ(thief.get(thief.create("list"), "size").integer(), 0);
}

TEST_F(HostileSessions, AProofThatWasSeenDoesNotWorkAgain) {
  BareClient owner = stranger();
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
  BareClient thief(new_wire(), poll_briefly);
  thief.send(core::encode(hello));
  thief.receive_kind(Envelope::unknown_connection);
  thief.send(core::encode(hello));
  thief.receive_kind(Envelope::unknown_connection);
  EXPECT_EQ(owner.get(owner.create("list"), "size").integer(), 0);
}

TEST_F(HostileSessions, ATicketIsGoodOnce) {
  BareClient owner = stranger();
  owner.create("list");
  BareClient thief(new_wire(), poll_briefly);
  core::Hello hello;
  hello.nonce = thief.nonce;
  for (const std::string& ticket :
       {owner.entrance.ticket, std::string(), std::string(16, '\0'), std::string(256, 'x')}) {
    hello.ticket = ticket;
    thief.send(core::encode(hello));
    EXPECT_EQ(refusal(thief), "the ticket is unknown or was not used in time");
  }
}

TEST_F(HostileSessions, NumbersThatLieHurtOnlyTheirSpeaker) {
  BareClient bad = stranger();
  const core::ObjectId queue = bad.create("queue");
  bad.get(queue, "put", Value(1));
  // Of calls that never were.
  bad.send(core::encode_seqs(Envelope::ack, {0, 7'000, UINT64_MAX}));
  bad.send(core::encode_seqs(Envelope::cancel, {0, 7'000, UINT64_MAX}));
  EXPECT_EQ(bad.get(queue, "size").integer(), 1);
  // A number with another content.
  const core::Seq used = bad.next_seq - 2;
  bad.send_call(used, queue, "close", arguments());
  EXPECT_EQ(bad.answer(used).code, ErrorCode::ok);
  bad.get(queue, "put", Value(2));
  // first_incomplete that leaps ahead, and goes back.
  bad.first_incomplete = 5'000;
  bad.next_seq = 5'000;
  EXPECT_EQ(bad.get(queue, "put", Value(3)), Value());
  bad.first_incomplete = 1;
  bad.send_call(used, queue, "close", arguments());
  bad.get(queue, "put", Value(4));
  EXPECT_EQ(bad.get(queue, "size").integer(), 4);
  bad.first_incomplete = UINT64_MAX;
  bad.post(queue, "close", arguments());
  bad.post(queue, "size", arguments());
  EXPECT_EQ(stranger().get(queue, "size").integer(), 4);
  // By its own word it has heard all that there will be.
  EXPECT_FALSE(bad.wire().receive());
  is_served();
}

class HostileWaiting : public HostileTest {
 protected:
  static core::Limits few() {
    core::Limits limits;
    limits.calls_in_flight = 8;
    limits.unsent_bytes = 1U << 20U;
    limits.unsent_time = std::chrono::seconds(1);
    return limits;
  }
  HostileWaiting() : HostileTest(few()) {}
};

TEST_F(HostileWaiting, CallsBeyondThoseInFlightAreRefused) {
  BareClient bad = stranger();
  const core::ObjectId queue = bad.create("queue");
  std::vector<core::Seq> calls;
  for (int i = 0; i < 20; ++i) calls.push_back(bad.post(queue, "get", arguments()));
  for (std::size_t i = 8; i < calls.size(); ++i) {
    EXPECT_EQ(bad.answer(calls[i]).code, ErrorCode::overloaded);
  }
  for (std::size_t i = 0; i < 8; ++i) bad.get(queue, "put", Value(static_cast<int>(i)));
  for (std::size_t i = 0; i < 8; ++i) {
    EXPECT_EQ(bad.answer(calls[i]).result.integer(), static_cast<std::int64_t>(i));
  }
}

TEST_F(HostileWaiting, MoreResultsThanMayWaitEndTheSession) {
  const std::size_t before = memory("VmRSS");
  BareClient bad = stranger();
  const core::ObjectId list = bad.create("list");
  bad.get(list, "append", Value(std::string(900'000, 'x')));
  // 5,000 times 900 kB, asked for in a few hundred kB.
  std::vector<std::string> frames;
  for (int i = 0; i < 5'000; ++i) {
    frames.push_back(calls_frame(bad.next_seq++, list, std::string_view("copy"), kNoArguments));
  }
  for (const std::string& frame : frames) bad.send(frame);
  EXPECT_TRUE(eventually([&] { return is_closed(bad.entrance.control); }));
  expect_memory_below(before + (64U << 20U));
}

}  // namespace
}  // namespace steward::detail::test
