// Envelopes from strangers: whatever comes, a decoder reads it or throws BadCall.
#include <steward/core/wire.hpp>

#include <gtest/gtest.h>

#include <steward/core/writer.hpp>

#include <steward/tests/core/support.hpp>

namespace steward::detail::core {
namespace {

using test::Exact;
using test::refusal;
using test::refuses;

std::vector<std::string> frames() {
  SessionId session;
  session.bytes.fill(0x11);
  Hello hello;
  hello.ticket.assign(16, 't');
  hello.nonce.assign(16, 'n');
  Hello resuming;
  resuming.session = session;
  resuming.nonce.assign(16, 'n');
  resuming.proof.assign(32, 'p');
  resuming.incomplete = {5, 300, 70'000};
  resuming.first_incomplete = 5;
  Welcome welcome;
  welcome.session = session;
  welcome.secret.assign(32, 's');
  welcome.message_bytes = 64U << 20U;
  welcome.calls_in_flight = 1'024;
  welcome.lease_ms = 15'000;
  welcome.addresses = {"ipc:///tmp/a", "tcp://host:1"};

  const std::string args = test::unhex("93 01 a3 61 62 63 82 01 02 03 92 c0 c3");
  std::string by_name;
  append_call(by_name, {5, 1, 250, ObjectId{17}, std::string_view("append"), args, true});
  std::string by_index;
  append_call(by_index, {6, 1, std::nullopt, ObjectId{1}, std::uint32_t{3}, "\x90", false});
  std::string reply;
  append_reply(reply, {5, ErrorCode::ok, args});
  std::string error;
  append_error(error, 6, ErrorCode::remote, "text", "std::runtime_error");
  return {encode(hello),
          encode(resuming),
          encode(welcome),
          encode_calls(5, {by_name, by_index}),
          encode_calls(1, {}),
          encode_replies({reply, error}),
          encode_seqs(Envelope::ack, {1, 2, 300}),
          encode_seqs(Envelope::cancel, {}),
          encode_renew(),
          encode_bye(),
          encode_bye(true),
          encode_unknown_connection(std::string(16, 'c')),
          encode_unknown_session("the reason")};
}

// As a client and a server together would: opens the frame and reads all that it holds.
void read_all(std::string_view frame) {
  const OpenEnvelope envelope = open_envelope(frame);
  switch (envelope.kind) {
    case Envelope::hello: decode_hello(envelope); return;
    case Envelope::welcome: decode_welcome(envelope); return;
    case Envelope::calls:
      for (const Call& call : decode_calls(envelope).calls) check_one_item(call.args, 80);
      return;
    case Envelope::replies:
      for (const Reply& reply : decode_replies(envelope)) {
        check_one_item(reply.payload, 80);
        if (reply.code != ErrorCode::ok) refuses([&] { decode_error(reply.payload); });
      }
      return;
    case Envelope::ack:
    case Envelope::cancel: decode_seqs(envelope); return;
    case Envelope::renew:
    case Envelope::bye: decode_bye(envelope); return;
    case Envelope::unknown_connection:
    case Envelope::unknown_session: decode_text(envelope); return;
  }
}

TEST(HostileEnvelopes, EveryTruncationIsRefused) {
  for (const std::string& frame : frames()) {
    EXPECT_FALSE(refuses([&] { read_all(frame); })) << test::hex(frame);
    for (std::size_t size = 0; size < frame.size(); ++size) {
      const Exact part(frame.substr(0, size));
      EXPECT_TRUE(refuses([&] { read_all(part.view()); })) << test::hex(part.view());
    }
  }
}

TEST(HostileEnvelopes, NothingMayFollow) {
  for (const std::string& frame : frames()) {
    EXPECT_EQ(refusal([&] { read_all(frame + '\xc0'); }),
              "malformed message: bytes follow its end");
  }
}

TEST(HostileEnvelopes, AnnouncedLengthsTakeNoMemory) {
  for (const std::string_view digits :
       {"dd ff ff ff ff 01 08", "94 01 03 01 dd ff ff ff ff", "93 01 04 dd ff ff ff ff",
        "93 01 05 dd ff ff ff ff", "93 01 0a c6 ff ff ff ff", "98 01 01 c6 ff ff ff ff"}) {
    const Exact frame(test::unhex(digits));
    EXPECT_TRUE(refuses([&] { read_all(frame.view()); })) << digits;
  }
}

TEST(HostileEnvelopes, BombsOfNestingAreRefused) {
  const std::string bomb(1'000'000, '\x91');
  EXPECT_TRUE(refuses([&] { read_all(bomb); }));
  EXPECT_TRUE(refuses([&] { read_all(test::unhex("94 01 03 01 91 97 01 01 c0 11 00") + bomb); }));
  EXPECT_TRUE(refuses([&] { read_all(test::unhex("93 01 04 91 93 01 00") + bomb); }));
  EXPECT_TRUE(refuses([&] { read_all(test::unhex("93 01 08") + bomb); }));
  EXPECT_TRUE(refuses([&] {
    read_all(test::unhex("94 01 03 01 91 97 01 01 c0 11 00 90 81 a1 78") + bomb);
  }));
}

TEST(HostileEnvelopes, AnExtraOccursOnce) {
  const auto call = [](std::string_view extras) {
    return test::unhex("94 01 03 01 91 97 01 01 c0 11 00 90") + test::unhex(extras);
  };
  // {"post": true}, then with an unknown extra twice, then with "post" twice.
  EXPECT_FALSE(refuses([&] { read_all(call("81 a4 70 6f 73 74 c3")); }));
  EXPECT_FALSE(refuses([&] { read_all(call("83 a1 78 01 a1 78 02 a4 70 6f 73 74 c3")); }));
  EXPECT_EQ(refusal([&] { read_all(call("82 a4 70 6f 73 74 c3 a4 70 6f 73 74 c2")); }),
            "malformed message: an extra occurs twice");
}

TEST(HostileEnvelopes, ChangedBytesAreRefusedOrRead) {
  test::Mutator mutator(test::seed_of_run());
  const std::vector<std::string> valid = frames();
  for (int round = 0; round < 20'000; ++round) {
    const Exact changed(mutator.mutate(valid[mutator.below(valid.size())]));
    refuses([&] { read_all(changed.view()); });
  }
}

}  // namespace
}  // namespace steward::detail::core
