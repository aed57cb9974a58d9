// The cipher of a Connection over tcp: who can agree on one, and what it lets through.
#include <steward/core/auth_stream.hpp>

#include <array>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include <gtest/gtest.h>

namespace steward::detail::core {
namespace {

StreamSecret secret_of(const std::string& key) { return stream_secret(derive_key_pairs(key)); }

std::string_view view(const std::array<std::uint8_t, 32>& key) {
  return {reinterpret_cast<const char*>(key.data()), key.size()};
}

// Both sides of a connection, as two processes have them.
struct Ends {
  StreamSecret callers;
  StreamSecret listeners;
  KeyPair call = fresh_key_pair();
  KeyPair listen = fresh_key_pair();
  std::string said = "all that was said";

  explicit Ends(const std::string& key) : Ends(key, key) {}
  Ends(const std::string& one, const std::string& other)
      : callers(secret_of(one)), listeners(secret_of(other)) {}

  StreamCipher caller(const std::string& heard = "all that was said") const {
    return *StreamCipher::agree(StreamSide::connects, call, view(listen.public_key), callers,
                                heard);
  }
  StreamCipher listener() const {
    return *StreamCipher::agree(StreamSide::listens, listen, view(call.public_key), listeners,
                                said);
  }
};

std::string sealed(StreamCipher& cipher, std::string_view plain) {
  std::string bytes;
  cipher.seal(plain, bytes);
  return bytes;
}

std::optional<std::string> opened(StreamCipher& cipher, std::string_view bytes) {
  std::string plain;
  if (!cipher.open(bytes, plain)) return std::nullopt;
  return plain;
}

TEST(StreamCipher, CarriesBothWays) {
  const Ends ends(generate_key());
  StreamCipher caller = ends.caller();
  StreamCipher listener = ends.listener();
  caller.open_from(listener.begin());
  listener.open_from(caller.begin());
  const std::string large(100'000, 'x');
  for (const std::string& plain : {std::string("there"), std::string(), large}) {
    EXPECT_EQ(opened(listener, sealed(caller, plain)), plain);
    EXPECT_EQ(opened(caller, sealed(listener, plain)), plain);
  }
}

TEST(StreamCipher, APassphraseGivesASecretToo) {
  EXPECT_EQ(secret_of("correct horse battery"), secret_of("correct horse battery"));
  EXPECT_NE(secret_of("correct horse battery"), secret_of("correct horse batteri"));
}

TEST(StreamCipher, WithAnotherKeyNothingIsOpened) {
  const Ends ends(generate_key(), generate_key());
  StreamCipher caller = ends.caller();
  StreamCipher listener = ends.listener();
  listener.open_from(caller.begin());
  EXPECT_EQ(opened(listener, sealed(caller, "x")), std::nullopt);
}

TEST(StreamCipher, WhoHeardOtherWordsOpensNothing) {
  const Ends ends(generate_key());
  StreamCipher caller = ends.caller("all that was  said");
  StreamCipher listener = ends.listener();
  listener.open_from(caller.begin());
  EXPECT_EQ(opened(listener, sealed(caller, "x")), std::nullopt);
}

TEST(StreamCipher, WhatIsSentBackToItsSenderIsNotOpened) {
  const Ends ends(generate_key());
  StreamCipher caller = ends.caller();
  caller.open_from(caller.begin());
  EXPECT_EQ(opened(caller, sealed(caller, "x")), std::nullopt);
}

TEST(StreamCipher, PiecesThatAreChangedReorderedDroppedOrRepeatedAreNotOpened) {
  const Ends ends(generate_key());
  StreamCipher caller = ends.caller();
  const std::string first = sealed(caller, "first");
  const std::string second = sealed(caller, "second");
  const auto fresh = [&] {
    StreamCipher listener = ends.listener();
    listener.open_from(caller.begin());
    return listener;
  };
  for (std::size_t i = 0; i < first.size(); ++i) {
    StreamCipher listener = fresh();
    std::string changed = first;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    EXPECT_EQ(opened(listener, changed), std::nullopt) << i;
  }
  StreamCipher reordered = fresh();
  EXPECT_EQ(opened(reordered, second), std::nullopt);
  StreamCipher repeated = fresh();
  EXPECT_EQ(opened(repeated, first), "first");
  EXPECT_EQ(opened(repeated, first), std::nullopt);
  StreamCipher cut = fresh();
  EXPECT_EQ(opened(cut, first.substr(0, first.size() - 1)), std::nullopt);
}

TEST(StreamCipher, ARecordedConnectionOpensNoOther) {
  const std::string key = generate_key();
  const Ends recorded(key);
  StreamCipher caller = recorded.caller();
  Ends replayed(key);  // the listener makes a new pair
  replayed.call = recorded.call;
  StreamCipher listener = replayed.listener();
  listener.open_from(caller.begin());
  EXPECT_EQ(opened(listener, sealed(caller, "x")), std::nullopt);
}

TEST(StreamCipher, TheSameTextNeverLooksTheSame) {
  const std::string key = generate_key();
  std::set<std::string> seen;
  for (int i = 0; i < 20; ++i) {
    const Ends ends(key);
    StreamCipher caller = ends.caller();
    StreamCipher listener = ends.listener();
    seen.insert(sealed(caller, "the same"));
    seen.insert(sealed(caller, "the same"));
    seen.insert(sealed(listener, "the same"));
  }
  EXPECT_EQ(seen.size(), 60U);
}

TEST(StreamCipher, APublicKeyThatIsNoneIsRefused) {
  const Ends ends(generate_key());
  EXPECT_FALSE(StreamCipher::agree(StreamSide::listens, ends.listen, std::string(32, '\0'),
                                   ends.listeners, ends.said));
}

TEST(StreamCipher, GoesOnElsewhere) {
  const Ends ends(generate_key());
  StreamCipher caller = ends.caller();
  StreamCipher listener = ends.listener();
  caller.open_from(listener.begin());
  listener.open_from(caller.begin());
  ASSERT_EQ(opened(listener, sealed(caller, "one")), "one");
  auto elsewhere = StreamCipher::from_state(listener.state());
  ASSERT_TRUE(elsewhere);
  EXPECT_EQ(opened(*elsewhere, sealed(caller, "two")), "two");
  EXPECT_EQ(opened(caller, sealed(*elsewhere, "three")), "three");
  EXPECT_FALSE(StreamCipher::from_state("short"));
}

TEST(StreamProof, IsTheSecretsAndTheTexts) {
  const StreamSecret one = secret_of(generate_key());
  const StreamSecret other = secret_of(generate_key());
  EXPECT_EQ(stream_proof(one, "said").size(), kProofBytes);
  EXPECT_EQ(stream_proof(one, "said"), stream_proof(one, "said"));
  EXPECT_NE(stream_proof(one, "said"), stream_proof(one, "Said"));
  EXPECT_NE(stream_proof(one, "said"), stream_proof(other, "said"));
}

TEST(Erase, LeavesNothingOfAText) {
  std::string text = "a secret that is longer than what stands in the object itself";
  const char* const bytes = text.data();
  const std::size_t size = text.size();
  erase(text);
  EXPECT_TRUE(text.empty());
  ASSERT_EQ(text.data(), bytes) << "its memory is still its own";
  EXPECT_EQ(std::string(bytes, size), std::string(size, '\0'));
}

}  // namespace
}  // namespace steward::detail::core
