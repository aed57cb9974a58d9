#include <gtest/gtest.h>

#include <cstdio>
#include <string>

#include <sodium.h>

#include <steward/core/auth_key.hpp>
#include <steward/core/errors.hpp>

namespace steward::detail::test {
namespace {

using core::KeyPair;
using core::KeyPairs;

std::string hex(const std::array<std::uint8_t, 32>& bytes) {
  std::string text;
  for (const std::uint8_t byte : bytes) {
    char two[3];
    std::snprintf(two, sizeof two, "%02x", byte);
    text += two;
  }
  return text;
}

// The bytes 0, 1, ... 31.
constexpr std::string_view kKey = "steward-key:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

TEST(AuthKey, IsHashedAsTheProtocolSays) {
  // Computed with Python's hashlib from docs/protocol.md.
  const KeyPairs pairs = core::derive_key_pairs(kKey);
  EXPECT_EQ(hex(pairs.server.secret_key),
            "af25c5901b7f3513dad5df79249915d9d1ea4a345dcf6759c14ecbe1a48f785e");
  EXPECT_EQ(hex(pairs.client.secret_key),
            "c281f52980ef63a371c77f9a040cfe072f86494c34ae20d085c048227ef589eb");
}

TEST(AuthKey, PublicKeysBelongToTheSecretOnes) {
  const KeyPairs pairs = core::derive_key_pairs(kKey);
  for (const KeyPair& pair : {pairs.server, pairs.client}) {
    std::array<std::uint8_t, 32> expected{};
    ASSERT_EQ(crypto_scalarmult_base(expected.data(), pair.secret_key.data()), 0);
    EXPECT_EQ(pair.public_key, expected);
  }
}

TEST(AuthKey, APassphraseGivesTheSamePairsEachTimeAndAnotherOneOthers) {
  const KeyPairs once = core::derive_key_pairs("correct horse battery staple");
  const KeyPairs again = core::derive_key_pairs("correct horse battery staple");
  const KeyPairs other = core::derive_key_pairs("correct horse battery stable");
  EXPECT_EQ(once.server.secret_key, again.server.secret_key);
  EXPECT_EQ(once.client.secret_key, again.client.secret_key);
  EXPECT_NE(once.server.secret_key, other.server.secret_key);
  EXPECT_NE(once.server.secret_key, once.client.secret_key);
}

TEST(AuthKey, GeneratedKeysAreKeysAndNoTwoAreEqual) {
  const std::string one = generate_key();
  EXPECT_TRUE(core::is_generated_key(one)) << one;
  EXPECT_NE(one, generate_key());
  EXPECT_NO_THROW(core::derive_key_pairs(one));
}

TEST(AuthKey, ADamagedKeyIsRefusedAndNotTakenForAPassphrase) {
  const std::string key(kKey);
  for (const std::string& damaged :
       {key.substr(0, key.size() - 4), key + "AAAA", key + "\n", std::string("steward-key:"),
        std::string("steward-key:~"), key.substr(0, 20) + "*" + key.substr(21)}) {
    EXPECT_THROW(core::derive_key_pairs(damaged), BadCall) << damaged;
    EXPECT_THROW(core::is_generated_key(damaged), BadCall) << damaged;
  }
  EXPECT_THROW(core::derive_key_pairs(""), BadCall);
  EXPECT_FALSE(core::is_generated_key("a passphrase"));
}

}  // namespace
}  // namespace steward::detail::test
