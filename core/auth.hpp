// Secrets and proofs, from libsodium: random bytes, keyed hashes, comparison in constant time.
//
// Thread safety: all functions may be called from any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <steward/core/ids.hpp>

namespace steward::detail::core {

// To be called before any other use of libsodium. Throws std::runtime_error.
void require_sodium();

// Cryptographically random bytes; safe after fork.
std::string random_bytes(std::size_t count);

template <class Id>
Id random_id() {
  return *Id::from(random_bytes(Id::kSize));
}

// Overwrites what nobody shall find in memory any more, whatever the compiler makes of it.
void erase(void* bytes, std::size_t count) noexcept;
// Likewise a text, which is empty afterwards.
void erase(std::string& text) noexcept;

// Erases a text at the end of a scope, however that is left. The text outlives it, and is not moved
// away meanwhile.
class ErasedAtEnd {
 public:
  explicit ErasedAtEnd(std::string& text) : text_(text) {}
  ErasedAtEnd(const ErasedAtEnd&) = delete;
  ErasedAtEnd& operator=(const ErasedAtEnd&) = delete;
  ~ErasedAtEnd() { erase(text_); }

 private:
  std::string& text_;
};

// Bytes that are erased when they go.
template <std::size_t kCount>
struct SecretBytes : std::array<std::uint8_t, kCount> {
  SecretBytes() : std::array<std::uint8_t, kCount>{} {}
  SecretBytes(const SecretBytes&) = default;
  SecretBytes& operator=(const SecretBytes&) = default;
  ~SecretBytes() { erase(this->data(), kCount); }
};

inline constexpr std::size_t kSecretBytes = 32;     // of a session
inline constexpr std::size_t kChallengeBytes = 16;  // nonces of both sides, and tickets

// What proves that one side holds the session's secret: an HMAC over the role, so that no proof can
// be reflected, the session and the other side's challenge.
enum class Role : std::uint8_t { client, server };
std::string session_proof(Role role, std::string_view secret, const SessionId& session,
                          std::string_view challenge);
// Compares in constant time.
bool equal_secrets(std::string_view a, std::string_view b);

// SipHash: strangers who choose keys cannot make them collide. The seed is per core and never
// visible.
struct HashSeed {
  std::array<std::uint8_t, 16> bytes{};
};
std::uint64_t keyed_hash(const HashSeed& seed, std::string_view data);

}  // namespace steward::detail::core
