#include <steward/core/auth.hpp>

#include <sodium.h>

#include <steward/core/errors.hpp>
#include <steward/core/octets.hpp>

namespace steward::detail::core {
namespace {

void update(crypto_auth_hmacsha256_state& state, std::string_view data) {
  crypto_auth_hmacsha256_update(&state, octets(data), data.size());
}

}  // namespace

void require_sodium() {
  static const int ready = sodium_init();
  if (ready < 0) throw Failure("libsodium could not be initialised");
}

std::string random_bytes(std::size_t count) {
  require_sodium();
  std::string bytes(count, '\0');
  randombytes_buf(bytes.data(), bytes.size());
  return bytes;
}

void erase(void* bytes, std::size_t count) noexcept { sodium_memzero(bytes, count); }

void erase(std::string& text) noexcept {
  // Its whole memory: it may have been longer.
  text.resize(text.capacity());
  erase(text.data(), text.size());
  text.clear();
}

std::string session_proof(Role role, std::string_view secret, const SessionId& session,
                          std::string_view challenge) {
  require_sodium();
  crypto_auth_hmacsha256_state state;
  crypto_auth_hmacsha256_init(&state, octets(secret), secret.size());
  update(state, role == Role::client ? "steward session 1 client" : "steward session 1 server");
  update(state, session.view());
  update(state, challenge);
  std::string proof(crypto_auth_hmacsha256_BYTES, '\0');
  crypto_auth_hmacsha256_final(&state, octets(proof));
  return proof;
}

bool equal_secrets(std::string_view a, std::string_view b) {
  require_sodium();
  return a.size() == b.size() && sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::uint64_t keyed_hash(const HashSeed& seed, std::string_view data) {
  static_assert(crypto_shorthash_KEYBYTES == sizeof seed.bytes);
  std::uint64_t hash = 0;
  static_assert(crypto_shorthash_BYTES == sizeof hash);
  crypto_shorthash(reinterpret_cast<unsigned char*>(&hash), octets(data), data.size(),
                   seed.bytes.data());
  return hash;
}

}  // namespace steward::detail::core
