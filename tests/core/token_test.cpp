#include <steward/core/token.hpp>

#include <gtest/gtest.h>

#include <steward/core/limits.hpp>
#include <steward/core/reader.hpp>

#include <steward/tests/core/support.hpp>

namespace steward::detail::core {
namespace {

using test::Exact;
using test::hex;
using test::refusal;
using test::refuses;

Token full() {
  Token token = test::token("dict", 0x1234, 0x11);
  token.flags = 5;
  token.addresses = {"ipc:///run/s?boot=b", "tcp://10.0.0.1:4000"};
  token.nonce.emplace();
  token.nonce->bytes.fill(0x22);
  return token;
}

std::string extension_of(const Token& token) {
  std::string bytes;
  Writer writer(bytes);
  encode_token(writer, token);
  return bytes;
}

std::string payload_of(const Token& token) {
  const std::string bytes = extension_of(token);
  return std::string(Reader(bytes).extension().payload);
}

TEST(Token, TravelsAsAnExtensionOfItsOwnType) {
  EXPECT_EQ(hex(extension_of(full())),
            "c7 57 01 96 "
            "c4 10 11 11 11 11 11 11 11 11 11 11 11 11 11 11 11 11 "
            "cd 12 34 "
            "a4 64 69 63 74 "
            "05 "
            "92 b3 69 70 63 3a 2f 2f 2f 72 75 6e 2f 73 3f 62 6f 6f 74 3d 62 "
            "b3 74 63 70 3a 2f 2f 31 30 2e 30 2e 30 2e 31 3a 34 30 30 30 "
            "c4 10 22 22 22 22 22 22 22 22 22 22 22 22 22 22 22 22");
  EXPECT_EQ(hex(extension_of(test::token("list", 3))),
            "c7 1c 01 96 "
            "c4 10 aa aa aa aa aa aa aa aa aa aa aa aa aa aa aa aa "
            "03 a4 6c 69 73 74 00 90 c0");
}

TEST(Token, ComesBackAsItWas) {
  for (const Token& token : {full(), test::token("list", 3), Token{}}) {
    EXPECT_EQ(decode_token(payload_of(token)), token);
    EXPECT_EQ(parse_token(token_text(token)), token);
  }
}

TEST(Token, HasATextForArgvAndFiles) {
  EXPECT_EQ(token_text(test::token("list", 3)),
            "steward:1:lsQQqqqqqqqqqqqqqqqqqqqqqgOkbGlzdACQwA");
  EXPECT_EQ(token_text(full()),
            "steward:1:lsQQEREREREREREREREREREREc0SNKRkaWN0BZKzaXBjOi8vL3J1bi9zP2Jvb3Q9YrN0Y3A6Ly8x"
            "MC4wLjAuMTo0MDAwxBAiIiIiIiIiIiIiIiIiIiIi");
}

TEST(Token, HasANameForPeople) {
  EXPECT_EQ(describe(test::token("list", 3)), "list#3");
  // The partition is not shown.
  EXPECT_EQ(describe(test::token("list", (std::uint64_t{7} << 48U) + 3)), "list#3");
}

TEST(Token, KeepsFlagsThatItDoesNotKnow) {
  Token token = test::token("list", 3);
  token.flags = 0xffffffff;
  EXPECT_EQ(parse_token(token_text(token)).flags, 0xffffffffU);
}

// A payload with one field replaced by other MessagePack.
std::string payload_with(int field, std::string_view digits) {
  const std::string whole = payload_of(full());
  Reader reader(whole);
  std::string out = "\x96";
  reader.array();
  for (int i = 0; i < 6; ++i) {
    const std::string_view item = reader.skip(4);
    out += i == field ? test::unhex(digits) : std::string(item);
  }
  return out;
}

TEST(MalformedToken, IsRefusedWithTheReason) {
  const auto reason = [](int field, std::string_view digits) {
    return refusal([&] { decode_token(payload_with(field, digits)); });
  };
  EXPECT_EQ(reason(0, "c4 02 00 00"), "malformed handle: its incarnation is not 16 bytes");
  EXPECT_EQ(reason(0, "c0"), "expected bytes, got nil");
  EXPECT_EQ(reason(1, "ff"), "expected a non-negative integer, got -1");
  EXPECT_EQ(reason(2, "05"), "expected a string, got an integer");
  EXPECT_EQ(reason(3, "cf 00 00 00 01 00 00 00 00"),
            "malformed handle: its flags do not fit 32 bits");
  EXPECT_EQ(reason(4, "91 c0"), "expected a string, got nil");
  EXPECT_EQ(reason(5, "c4 01 00"), "malformed handle: its nonce is not 16 bytes");
  EXPECT_EQ(refusal([] { decode_token("\x95"); }),
            "malformed message: it announces more elements than it has bytes");
  EXPECT_EQ(refusal([] { decode_token("\x92\xc0\xc0"); }), "expected 6 elements, got 2");
  EXPECT_EQ(refusal([] { decode_token(payload_of(full()) + '\xc0'); }),
            "malformed message: bytes follow its end");
}

TEST(MalformedToken, EveryTruncationIsRefused) {
  const std::string payload = payload_of(full());
  for (std::size_t size = 0; size < payload.size(); ++size) {
    const Exact part(payload.substr(0, size));
    EXPECT_TRUE(refuses([&] { decode_token(part.view()); })) << size;
  }
  const std::string text = token_text(full());
  for (std::size_t size = 0; size < text.size(); ++size) {
    const Exact part(text.substr(0, size));
    EXPECT_TRUE(refuses([&] { parse_token(part.view()); })) << size;
  }
}

TEST(MalformedToken, ATextOfAnotherKindIsRefused) {
  const std::string text = token_text(test::token("list", 3));
  EXPECT_EQ(refusal([] { parse_token("tcp://somewhere"); }),
            "not a handle: the text must begin with \"steward:1:\"");
  EXPECT_EQ(refusal([&] { parse_token("steward:2:" + text.substr(10)); }),
            "not a handle: the text must begin with \"steward:1:\"");
  for (const std::string_view after : {"=", " ", "\n", "+", "/", "\x80"}) {
    EXPECT_EQ(refusal([&] { parse_token(text + std::string(after)); }),
              "malformed handle: its text is not base64url") << after;
  }
  EXPECT_TRUE(refuses([&] { parse_token(text + std::string(1, '\0')); }));
}

TEST(MalformedToken, OneTokenHasOneText) {
  const std::string text = token_text(test::token("list", 3));
  // The last letter carries two bits that stand for nothing: "wA" alone is the nil at the end.
  ASSERT_TRUE(text.ends_with("wA"));
  EXPECT_TRUE(refuses([&] { parse_token(text.substr(0, text.size() - 1) + 'B'); }));
  EXPECT_TRUE(refuses([&] { parse_token(text + 'A'); }));
}

TEST(TokenLimits, HoldAtTheLimitAndNotOnePastIt) {
  const auto accepted = [](const Token& token) {
    return !refuses([&] { decode_token(payload_of(token)); });
  };
  Token token;
  token.type.assign(kTypeNameBytes, 't');
  token.addresses.assign(kAddressesInToken, std::string(kAddressBytes, 'a'));
  EXPECT_TRUE(accepted(token));
  Token long_type = token;
  long_type.type += 't';
  EXPECT_FALSE(accepted(long_type));
  Token long_address = token;
  long_address.addresses.back() += 'a';
  EXPECT_FALSE(accepted(long_address));
  Token many_addresses = token;
  many_addresses.addresses.emplace_back();
  EXPECT_FALSE(accepted(many_addresses));
}

TEST(TokenFuzz, ChangedBytesAndTextsAreRefusedOrRead) {
  test::Mutator mutator(test::seed_of_run());
  const std::string payload = payload_of(full());
  const std::string text = token_text(full());
  for (int round = 0; round < 5'000; ++round) {
    const Exact bytes(mutator.mutate(payload));
    refuses([&] { EXPECT_EQ(decode_token(payload_of(decode_token(bytes.view()))).addresses.size(),
                            decode_token(bytes.view()).addresses.size()); });
    const Exact letters(mutator.mutate(text));
    refuses([&] {
      // What is accepted is the one text of its token, unless it was written in longer forms.
      const Token token = parse_token(letters.view());
      EXPECT_EQ(parse_token(token_text(token)), token);
    });
  }
}

TEST(Reference, IsATokenThatKeepsNothing) {
  const ReferencePtr reference = test::reference("list", 3);
  EXPECT_EQ(reference->token(), test::token("list", 3));
  EXPECT_EQ(reference->outgoing(), test::token("list", 3));
}

}  // namespace
}  // namespace steward::detail::core
