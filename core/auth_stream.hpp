// The encryption of a Connection over tcp: how two sides that hold the same key agree on keys that
// nobody has used before, and what they encrypt with them. docs/protocol.md, section 13, has every
// byte, docs/decisions/0030 the reasons.
//
// The parts are libsodium's: crypto_kx between keys that are made for this connection alone, bound
// to the common key with crypto_generichash, and crypto_secretstream in each direction.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <steward/core/auth_key.hpp>

namespace steward::detail::core {

// What both sides that hold the key can derive from it, and nobody else.
using StreamSecret = SecretBytes<64>;
StreamSecret stream_secret(const KeyPairs& pairs);

inline constexpr std::size_t kPublicKeyBytes = 32;
inline constexpr std::size_t kProofBytes = 32;

// A key pair for one connection.
KeyPair fresh_key_pair();
// What only those can make who have the secret: a keyed hash of what was said.
std::string stream_proof(const StreamSecret& secret, std::string_view said);

enum class StreamSide : std::uint8_t { connects, listens };

// Both directions of one side of a connection: what one side seals the other opens, each piece once
// and in order, and nothing else. A resource: only moves; erases its keys.
//
// Thread safety: one thread may seal while another opens; begin() and open_from() need it for
// themselves, as does all else.
class StreamCipher {
 public:
  static constexpr std::size_t kBeginBytes = 24;
  static constexpr std::size_t kSealBytes = 17;    // what a sealed piece has more than a plain one
  static constexpr std::size_t kStateBytes = 104;  // of state()

  // From this side's pair, the other's public key, and all that both have said so far, which must
  // be the same on both sides. nullopt: that is no public key.
  static std::optional<StreamCipher> agree(StreamSide side, const KeyPair& own,
                                           std::string_view others_public_key,
                                           const StreamSecret& secret, std::string_view said);

  StreamCipher(StreamCipher&&) noexcept;
  StreamCipher& operator=(StreamCipher&&) noexcept;
  ~StreamCipher();

  // What the other side's open_from() needs. It is not secret.
  std::string_view begin() const;
  // Before open(). REQUIRES: kBeginBytes.
  void open_from(std::string_view begin);

  // Appends plain.size() + kSealBytes.
  void seal(std::string_view plain, std::string& to);
  // Appends sealed.size() - kSealBytes; false: the other side has not sealed this, here. REQUIRES:
  // at least kSealBytes.
  bool open(std::string_view sealed, std::string& to);

  // To go on elsewhere: whoever does must be the only one, or one key would encrypt two texts.
  // REQUIRES: open_from() was called.
  std::string state() const;
  // nullopt: it is none.
  static std::optional<StreamCipher> from_state(std::string_view state);

 private:
  struct States;
  explicit StreamCipher(std::unique_ptr<States> states);

  std::unique_ptr<States> states_;
};

}  // namespace steward::detail::core
