// The envelopes: golden bytes pin the protocol. Whoever changes them breaks every other program
// that speaks it, and raises kProtocolVersion.
#include <steward/core/wire.hpp>

#include <gtest/gtest.h>

#include <steward/core/limits.hpp>
#include <steward/core/writer.hpp>

#include <steward/tests/core/support.hpp>

namespace steward::detail::core {
namespace {

using test::hex;
using test::refusal;
using test::unhex;

constexpr std::string_view kNewHello =
    "98 01 01 c4 04 74 6b 74 31 c0 c4 02 6e 6f c4 00 90 01";
constexpr std::string_view kResumingHello =
    "98 01 01 c4 00 c4 10 11 11 11 11 11 11 11 11 11 11 11 11 11 11 11 11 c4 02 6e 6f "
    "c4 03 70 72 66 93 05 07 cd 01 2c 05";
constexpr std::string_view kWelcome =
    "9a 01 02 c4 10 11 11 11 11 11 11 11 11 11 11 11 11 11 11 11 11 c4 03 73 65 63 "
    "c4 10 aa aa aa aa aa aa aa aa aa aa aa aa aa aa aa aa c4 00 ce 04 00 00 00 cd 04 00 "
    "cd 3a 98 91 a7 69 70 63 3a 2f 2f 61";
constexpr std::string_view kCalls =
    "94 01 03 05 93 "
    "97 05 02 c0 11 a6 61 70 70 65 6e 64 91 03 80 "
    "97 06 02 cd 03 e8 11 04 90 80 "
    "97 07 01 c0 00 a4 64 72 6f 70 92 11 01 81 a4 70 6f 73 74 c3";
constexpr std::string_view kReplies =
    "93 01 04 92 93 05 00 92 01 02 93 06 0e 92 a4 66 75 6c 6c b3 73 74 64 3a 3a 6f 76 65 72 66 6c "
    "6f 77 5f 65 72 72 6f 72";
constexpr std::string_view kAck = "93 01 05 92 05 06";
constexpr std::string_view kCancel = "93 01 06 91 cd 01 2c";
constexpr std::string_view kRenew = "92 01 07";
constexpr std::string_view kBye = "92 01 08";
constexpr std::string_view kUnknownConnection = "93 01 09 c4 03 63 68 61";
constexpr std::string_view kUnknownSession = "93 01 0a c4 04 67 6f 6e 65";

SessionId session() {
  SessionId id;
  id.bytes.fill(0x11);
  return id;
}

Hello resuming_hello() {
  Hello hello;
  hello.session = session();
  hello.nonce = "no";
  hello.proof = "prf";
  hello.incomplete = {5, 7, 300};
  hello.first_incomplete = 5;
  return hello;
}

Welcome welcome() {
  Welcome welcome;
  welcome.session = session();
  welcome.secret = "sec";
  welcome.incarnation = test::incarnation(0xaa);
  welcome.message_bytes = 64U << 20U;
  welcome.calls_in_flight = 1'024;
  welcome.lease_ms = 15'000;
  welcome.addresses = {"ipc://a"};
  return welcome;
}

std::string calls() {
  const std::string append_args = unhex("91 03");
  const std::string no_args = unhex("90");
  const std::string drop_args = unhex("92 11 01");
  std::vector<std::string> encoded(3);
  append_call(encoded[0], {5, 2, std::nullopt, ObjectId{17}, std::string_view("append"),
                           append_args, false});
  append_call(encoded[1], {6, 2, 1'000, ObjectId{17}, std::uint32_t{4}, no_args, false});
  append_call(encoded[2],
              {7, 1, std::nullopt, kManagerObject, std::string_view("drop"), drop_args, true});
  return encode_calls(5, {encoded[0], encoded[1], encoded[2]});
}

std::string replies() {
  const std::string payload = unhex("92 01 02");
  std::string good;
  append_reply(good, {5, ErrorCode::ok, payload});
  std::string bad;
  append_error(bad, 6, ErrorCode::remote, "full", "std::overflow_error");
  return encode_replies({good, bad});
}

// Opened, and of the kind that was expected.
OpenEnvelope opened(std::string_view frame, Envelope kind) {
  const OpenEnvelope envelope = open_envelope(frame);
  EXPECT_EQ(envelope.kind, kind);
  return envelope;
}

// ---- The bytes ----

TEST(Wire, AHelloForANewSessionKeepsItsBytes) {
  Hello hello;
  hello.ticket = "tkt1";
  hello.nonce = "no";
  EXPECT_EQ(hex(encode(hello)), kNewHello);
  const std::string frame = unhex(kNewHello);
  const Hello back = decode_hello(opened(frame, Envelope::hello));
  EXPECT_EQ(back.ticket, "tkt1");
  EXPECT_EQ(back.session, std::nullopt);
  EXPECT_EQ(back.nonce, "no");
  EXPECT_EQ(back.proof, "");
  EXPECT_TRUE(back.incomplete.empty());
  EXPECT_EQ(back.first_incomplete, 1U);
}

TEST(Wire, AHelloOfAKnownSessionKeepsItsBytes) {
  EXPECT_EQ(hex(encode(resuming_hello())), kResumingHello);
  const std::string frame = unhex(kResumingHello);
  const Hello back = decode_hello(opened(frame, Envelope::hello));
  EXPECT_EQ(back.ticket, "");
  EXPECT_EQ(back.session, session());
  EXPECT_EQ(back.proof, "prf");
  EXPECT_EQ(back.incomplete, (std::vector<Seq>{5, 7, 300}));
  EXPECT_EQ(back.first_incomplete, 5U);
}

TEST(Wire, AWelcomeKeepsItsBytes) {
  EXPECT_EQ(hex(encode(welcome())), kWelcome);
  const std::string frame = unhex(kWelcome);
  const Welcome back = decode_welcome(opened(frame, Envelope::welcome));
  EXPECT_EQ(back.session, session());
  EXPECT_EQ(back.secret, "sec");
  EXPECT_EQ(back.incarnation, test::incarnation(0xaa));
  EXPECT_EQ(back.proof, "");
  EXPECT_EQ(back.message_bytes, 64U << 20U);
  EXPECT_EQ(back.calls_in_flight, 1'024U);
  EXPECT_EQ(back.lease_ms, 15'000U);
  EXPECT_EQ(back.addresses, std::vector<std::string>{"ipc://a"});
}

TEST(Wire, AWelcomeNamesNoMoreAddressesThanAHandleHasRoomFor) {
  Welcome many = welcome();
  many.addresses.assign(kAddressesInToken, std::string(kAddressBytes, 'a'));
  const std::string at = encode(many);
  EXPECT_EQ(decode_welcome(opened(at, Envelope::welcome)).addresses, many.addresses);
  many.addresses.front() += 'a';
  const std::string longer = encode(many);
  EXPECT_THROW(decode_welcome(opened(longer, Envelope::welcome)), BadCall);
  many.addresses.assign(kAddressesInToken + 1, "a");
  const std::string more = encode(many);
  EXPECT_THROW(decode_welcome(opened(more, Envelope::welcome)), BadCall);
}

TEST(Wire, CallsKeepTheirBytes) {
  EXPECT_EQ(hex(calls()), kCalls);
  const std::string frame = unhex(kCalls);
  const Calls back = decode_calls(opened(frame, Envelope::calls));
  EXPECT_EQ(back.first_incomplete, 5U);
  ASSERT_EQ(back.calls.size(), 3U);
  const Call& named = back.calls[0];
  EXPECT_EQ(named.seq, 5U);
  EXPECT_EQ(named.thread, 2U);
  EXPECT_EQ(named.wait_ms, std::nullopt);
  EXPECT_EQ(named.object, ObjectId{17});
  EXPECT_EQ(named.method, MethodKey(std::string_view("append")));
  EXPECT_EQ(hex(named.args), "91 03");
  EXPECT_FALSE(named.post);
  EXPECT_EQ(back.calls[1].method, MethodKey(std::uint32_t{4}));
  EXPECT_EQ(back.calls[1].wait_ms, 1'000U);
  EXPECT_EQ(hex(back.calls[1].args), "90");
  EXPECT_TRUE(back.calls[2].post);
}

TEST(Wire, RepliesKeepTheirBytes) {
  EXPECT_EQ(hex(replies()), kReplies);
  const std::string frame = unhex(kReplies);
  const std::vector<Reply> back = decode_replies(opened(frame, Envelope::replies));
  ASSERT_EQ(back.size(), 2U);
  EXPECT_EQ(back[0].seq, 5U);
  EXPECT_EQ(back[0].code, ErrorCode::ok);
  EXPECT_EQ(hex(back[0].payload), "92 01 02");
  EXPECT_EQ(back[1].seq, 6U);
  EXPECT_EQ(back[1].code, ErrorCode::remote);
  const ErrorPayload error = decode_error(back[1].payload);
  EXPECT_EQ(error.text, "full");
  EXPECT_EQ(error.type_name, "std::overflow_error");
}

TEST(Wire, AcksAndCancelsKeepTheirBytes) {
  EXPECT_EQ(hex(encode_seqs(Envelope::ack, {5, 6})), kAck);
  EXPECT_EQ(hex(encode_seqs(Envelope::cancel, {300})), kCancel);
  const std::string ack = unhex(kAck);
  EXPECT_EQ(decode_seqs(opened(ack, Envelope::ack)), (std::vector<Seq>{5, 6}));
  const std::string cancel = unhex(kCancel);
  EXPECT_EQ(decode_seqs(opened(cancel, Envelope::cancel)), (std::vector<Seq>{300}));
}

TEST(Wire, EnvelopesWithoutFieldsKeepTheirBytes) {
  EXPECT_EQ(hex(encode_renew()), kRenew);
  EXPECT_EQ(hex(encode_bye()), kBye);
  const std::string renew = unhex(kRenew);
  EXPECT_EQ(opened(renew, Envelope::renew).fields, 0U);
  const std::string bye = unhex(kBye);
  EXPECT_EQ(opened(bye, Envelope::bye).fields, 0U);
  EXPECT_FALSE(decode_bye(open_envelope(bye)));
}

TEST(Wire, AByeOfASessionThatGoesOnKeepsItsBytes) {
  const std::string bye = encode_bye(true);
  EXPECT_EQ(hex(bye), hex(unhex("93 01 08 c3")));
  EXPECT_TRUE(decode_bye(open_envelope(bye)));
  EXPECT_THROW(decode_bye(open_envelope(unhex("93 01 08 05"))), BadCall);
}

TEST(Wire, RefusalsOfASessionKeepTheirBytes) {
  EXPECT_EQ(hex(encode_unknown_connection("cha")), kUnknownConnection);
  EXPECT_EQ(hex(encode_unknown_session("gone")), kUnknownSession);
  const std::string connection = unhex(kUnknownConnection);
  EXPECT_EQ(decode_text(opened(connection, Envelope::unknown_connection)), "cha");
  const std::string ended = unhex(kUnknownSession);
  EXPECT_EQ(decode_text(opened(ended, Envelope::unknown_session)), "gone");
}

// ---- Versions and what comes later ----

TEST(WireVersions, AnotherOneIsRefusedWithBothNumbers) {
  EXPECT_EQ(kProtocolVersion, 1U);
  EXPECT_EQ(refusal([] { open_envelope(unhex("92 02 08")); }),
            "the other side speaks protocol version 2, this one 1");
  EXPECT_EQ(refusal([] { open_envelope(unhex("92 00 08")); }),
            "the other side speaks protocol version 0, this one 1");
}

TEST(WireVersions, WhatIsNoEnvelopeIsRefused) {
  EXPECT_EQ(refusal([] { open_envelope(""); }),
            "malformed message: it ends where a value should begin");
  EXPECT_EQ(refusal([] { open_envelope("hello"); }), "expected a list, got an integer");
  EXPECT_EQ(refusal([] { open_envelope(unhex("90")); }),
            "malformed message: no version and kind");
  EXPECT_EQ(refusal([] { open_envelope(unhex("91 01")); }),
            "malformed message: no version and kind");
  EXPECT_EQ(refusal([] { open_envelope(unhex("92 01 00")); }),
            "malformed message: unknown kind 0");
  EXPECT_EQ(refusal([] { open_envelope(unhex("92 01 0b")); }),
            "malformed message: unknown kind 11");
  EXPECT_EQ(refusal([] { decode_hello(open_envelope(unhex("93 01 01 c4 00"))); }),
            "malformed message: fields are missing");
}

// The same frame with one more field of some depth at its end, as a later version may send it.
std::string extended(std::string_view digits, std::string_view field) {
  std::string frame = unhex(digits);
  frame[0] = static_cast<char>(frame[0] + 1);
  return frame + unhex(field);
}

TEST(WireVersions, FieldsOfALaterVersionArePassedOver) {
  const std::string more = "82 a1 61 92 01 02 05 c0";
  EXPECT_EQ(decode_hello(open_envelope(extended(kNewHello, more))).ticket, "tkt1");
  EXPECT_EQ(decode_welcome(open_envelope(extended(kWelcome, more))).secret, "sec");
  const std::string frame = extended(kCalls, more);
  EXPECT_EQ(decode_calls(open_envelope(frame)).calls.size(), 3U);
  const std::string answers = extended(kReplies, more);
  EXPECT_EQ(decode_replies(open_envelope(answers)).size(), 2U);
  EXPECT_EQ(decode_seqs(open_envelope(extended(kAck, more))).size(), 2U);
  EXPECT_EQ(decode_text(open_envelope(extended(kUnknownSession, more))), "gone");
  EXPECT_EQ(open_envelope(extended(kBye, more)).kind, Envelope::bye);
}

// One call with these extras.
Call with_extras(std::string_view digits, std::string& frame) {
  frame = unhex("94 01 03 01 91 97 01 01 c0 11 00 90") + unhex(digits);
  return decode_calls(open_envelope(frame)).calls.at(0);
}

TEST(WireVersions, ExtrasThatAreUnknownArePassedOver) {
  std::string frame;
  EXPECT_FALSE(with_extras("80", frame).post);
  EXPECT_FALSE(with_extras("c0", frame).post);
  EXPECT_TRUE(with_extras("82 a5 67 75 61 72 64 93 01 91 02 80 a4 70 6f 73 74 c3", frame).post);
  EXPECT_FALSE(with_extras("81 a4 70 6f 73 74 c2", frame).post);
  EXPECT_EQ(refusal([&] { with_extras("81 a4 70 6f 73 74 01", frame); }),
            "expected a boolean, got an integer");
  EXPECT_EQ(refusal([&] { with_extras("81 01 02", frame); }),
            "expected a string, got an integer");
}

TEST(WireVersions, ACodeOfALaterVersionIsKept) {
  const std::string frame = unhex("93 01 04 91 93 01 cc ff c0");
  EXPECT_EQ(decode_replies(open_envelope(frame)).at(0).code, static_cast<ErrorCode>(255));
  EXPECT_EQ(refusal([] {
              const std::string large = unhex("93 01 04 91 93 01 cd 01 00 c0");
              decode_replies(open_envelope(large));
            }), "malformed message: an error code is too large");
}

// ---- Limits ----

// A view of the name: it has to stay.
Call call_of(const std::string& method) {
  return {1, 1, std::nullopt, ObjectId{1}, std::string_view(method), "\x90", false};
}

TEST(WireLimits, AMethodsNameHasAtMost255Bytes) {
  for (const std::size_t size : {kMethodNameBytes, kMethodNameBytes + 1}) {
    const std::string name(size, 'm');
    std::string call;
    append_call(call, call_of(name));
    const std::string frame = encode_calls(1, {call});
    const bool refused = test::refuses([&] { decode_calls(open_envelope(frame)); });
    EXPECT_EQ(refused, size > kMethodNameBytes);
  }
}

TEST(WireLimits, CallNumbersAreAtMost65536) {
  for (const std::size_t count : {65'536U, 65'537U}) {
    const std::string frame = encode_seqs(Envelope::ack, std::vector<Seq>(count, 1));
    const bool refused = test::refuses([&] { decode_seqs(open_envelope(frame)); });
    EXPECT_EQ(refused, count > 65'536);
  }
}

TEST(WireLimits, KeyFieldsHaveAtMost256Bytes) {
  for (const std::size_t size : {256U, 257U}) {
    const std::string frame = encode_unknown_connection(std::string(size, 'c'));
    EXPECT_EQ(test::refuses([&] { decode_text(open_envelope(frame)); }), size > 256);
  }
  const std::string euros = "x" + [] {
    std::string text;
    for (int i = 0; i < 100; ++i) text += "\xe2\x82\xac";
    return text;
  }();
  const std::string cut = decode_text(open_envelope(encode_unknown_session(euros)));
  EXPECT_EQ(cut, euros.substr(0, 256));  // 1 + 85 * 3
  const std::string longer = decode_text(open_envelope(encode_unknown_session("x" + euros)));
  EXPECT_EQ(longer, ("x" + euros).substr(0, 254));  // no half character
}

TEST(WireLimits, ErrorTextsAreCutBetweenCharacters) {
  std::string text(kErrorTextBytes - 1, 'x');
  text += "\xc3\xa4 and more";
  std::string reply;
  append_error(reply, 1, ErrorCode::remote, text, std::string(1'000, 't'));
  const std::string frame = encode_replies({reply});
  const ErrorPayload error = decode_error(decode_replies(open_envelope(frame)).at(0).payload);
  EXPECT_EQ(error.text, std::string(kErrorTextBytes - 1, 'x'));
  EXPECT_EQ(error.type_name, std::string(kTypeNameBytes, 't'));
}

TEST(WireLimits, ArgumentsAndResultsAreNestedNoDeeperThanAFrame) {
  for (const std::size_t depth : {kFrameDepth, kFrameDepth + 1}) {
    const std::string args = std::string(depth - 1, '\x91') + '\x90';
    const std::string method = "m";
    Call call = call_of(method);
    call.args = args;
    std::string encoded;
    append_call(encoded, call);
    const std::string frame = encode_calls(1, {encoded});
    const bool refused = test::refuses([&] { decode_calls(open_envelope(frame)); });
    EXPECT_EQ(refused, depth > kFrameDepth);

    std::string reply;
    append_reply(reply, {1, ErrorCode::ok, args});
    const std::string answer = encode_replies({reply});
    const bool unread = test::refuses([&] { decode_replies(open_envelope(answer)); });
    EXPECT_EQ(unread, depth > kFrameDepth);
  }
}

}  // namespace
}  // namespace steward::detail::core
