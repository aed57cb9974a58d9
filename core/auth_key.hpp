// Keys: the secret that a manager and its remote clients share, or a Listener and who connects to
// it. The key pairs of both sides are derived from it, so that whoever holds it proves so by
// connecting, and nobody else gets in or reads along. docs/protocol.md says how, byte for byte.
//
// Thread safety: all functions may be called from any thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include <steward/core/auth.hpp>

namespace steward {

// A new random key, "steward-key:" and 32 bytes in base64: what `steward keygen` prints. Any other
// text is a passphrase: weaker, since who has recorded a handshake may try many, and slower.
std::string generate_key();

namespace detail::core {

// A passphrase for a manager that listens off this host has at least so many bytes.
inline constexpr std::size_t kPassphraseBytes = 16;

// Curve25519, as ZeroMQ's CURVE and libsodium's crypto_kx want them.
struct KeyPair {
  std::array<std::uint8_t, 32> public_key{};
  SecretBytes<32> secret_key;
};
struct KeyPairs {
  KeyPair server;
  KeyPair client;
};

// The same from the same key, on any machine. A passphrase takes a tenth of a second and 64 MiB
// (Argon2id). Throws BadCall for an empty or a damaged key.
KeyPairs derive_key_pairs(std::string_view key);

// Whether this is a key as generate_key() makes it, complete and undamaged. Throws BadCall if it
// begins as one and is none.
bool is_generated_key(std::string_view key);

}  // namespace detail::core
}  // namespace steward
