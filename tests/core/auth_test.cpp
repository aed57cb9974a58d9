#include <steward/core/auth.hpp>

#include <set>

#include <gtest/gtest.h>

#include <steward/tests/core/support.hpp>

namespace steward::detail::core {
namespace {

const SessionId kSession = *SessionId::from("0123456789abcdef");
const std::string kSecret(kSecretBytes, 's');
const std::string kChallenge(kChallengeBytes, 'c');

TEST(Auth, RandomBytesAreAsManyAsAskedForAndDiffer) {
  EXPECT_EQ(random_bytes(0), "");
  std::set<std::string> drawn;
  for (int i = 0; i < 1'000; ++i) {
    drawn.insert(random_bytes(16));
    EXPECT_EQ(drawn.begin()->size(), 16U);
  }
  EXPECT_EQ(drawn.size(), 1'000U);
  EXPECT_NE(random_id<SessionId>(), random_id<SessionId>());
}

TEST(Auth, AProofIsAnHmacOverRoleSessionAndChallenge) {
  // HMAC-SHA-256 under 32 times 's' of "steward session 1 client0123456789abcdef" and 16 times 'c'.
  EXPECT_EQ(test::hex(session_proof(Role::client, kSecret, kSession, kChallenge)),
            "d5 3f 2e 22 6e e7 19 bd 3c e6 0d 8c d9 da c6 d3 "
            "0b b3 5a 50 e3 f2 de 76 9b 65 eb af e8 92 6c b8");
  EXPECT_EQ(test::hex(session_proof(Role::server, kSecret, kSession, kChallenge)),
            "17 14 da 77 b7 28 78 62 15 a7 08 13 bf 9d d8 32 "
            "6b 0d 2b 4b 3a 2d 8a 60 be 54 f4 7b 60 01 a2 b0");
}

TEST(Auth, AProofDependsOnAllThatItProves) {
  std::string other_secret = kSecret;
  other_secret.back() = 't';
  SessionId other_session = kSession;
  other_session.bytes[0] ^= 1U;
  std::string other_challenge = kChallenge;
  other_challenge.front() = 'd';
  const std::set<std::string> proofs{
      session_proof(Role::client, kSecret, kSession, kChallenge),
      session_proof(Role::server, kSecret, kSession, kChallenge),
      session_proof(Role::client, other_secret, kSession, kChallenge),
      session_proof(Role::client, kSecret, other_session, kChallenge),
      session_proof(Role::client, kSecret, kSession, other_challenge),
      session_proof(Role::client, kSecret, kSession, kChallenge + "c"),
      session_proof(Role::client, kSecret, kSession, "")};
  EXPECT_EQ(proofs.size(), 7U);
  for (const std::string& proof : proofs) EXPECT_EQ(proof.size(), 32U);
}

TEST(Auth, SecretsAreEqualIfAllTheirBytesAre) {
  EXPECT_TRUE(equal_secrets(kSecret, std::string(kSecret)));
  EXPECT_TRUE(equal_secrets({}, ""));
  EXPECT_FALSE(equal_secrets(kSecret, kSecret.substr(1)));
  EXPECT_FALSE(equal_secrets(kSecret, ""));
  for (std::size_t i = 0; i < kSecret.size(); ++i) {
    std::string other = kSecret;
    other[i] = 'x';
    EXPECT_FALSE(equal_secrets(kSecret, other)) << i;
  }
  EXPECT_FALSE(equal_secrets(std::string("a\0b", 3), std::string("a\0c", 3)));
}

TEST(Auth, AKeyedHashDependsOnSeedAndData) {
  HashSeed one;
  HashSeed two;
  two.bytes[15] = 1;
  EXPECT_EQ(keyed_hash(one, "data"), keyed_hash(one, std::string("data")));
  EXPECT_NE(keyed_hash(one, "data"), keyed_hash(two, "data"));
  EXPECT_NE(keyed_hash(one, "data"), keyed_hash(one, "datb"));
  EXPECT_NE(keyed_hash(one, ""), keyed_hash(two, ""));
  // SipHash-2-4, the first vector of its authors: key 00 01 .. 0f, no data.
  HashSeed published;
  for (std::uint8_t i = 0; i < 16; ++i) published.bytes[i] = i;
  EXPECT_EQ(keyed_hash(published, ""), 0x726fdb47dd0e0e31U);
}

}  // namespace
}  // namespace steward::detail::core
