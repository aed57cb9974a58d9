#include <steward/core/auth_key.hpp>

#include <optional>
#include <stdexcept>

#include <sodium.h>

#include <steward/core/auth.hpp>
#include <steward/core/errors.hpp>
#include <steward/core/octets.hpp>

namespace steward {
namespace {

constexpr std::string_view kPrefix = "steward-key:";
constexpr std::size_t kKeyBytes = 32;
constexpr int kAlphabet = sodium_base64_VARIANT_ORIGINAL;

// Of the passphrase's hash: nothing else is known to both sides before they meet.
constexpr std::string_view kSalt = "steward key salt";
static_assert(kSalt.size() == crypto_pwhash_argon2id_SALTBYTES);
constexpr std::string_view kContext = "steward1";
static_assert(kContext.size() == crypto_kdf_CONTEXTBYTES);
enum class Part : std::uint64_t { server = 1, client = 2 };

using detail::core::SecretBytes;
using Master = SecretBytes<crypto_kdf_KEYBYTES>;

// nullopt: it does not begin as a key.
std::optional<SecretBytes<kKeyBytes>> decode(std::string_view key) {
  if (!key.starts_with(kPrefix)) return std::nullopt;
  key.remove_prefix(kPrefix.size());
  SecretBytes<kKeyBytes> bytes;
  std::size_t size = 0;
  const char* end = nullptr;
  const bool whole = sodium_base642bin(bytes.data(), bytes.size(), key.data(), key.size(), nullptr,
                                       &size, &end, kAlphabet) == 0;
  if (!whole || size != bytes.size() || end != key.data() + key.size()) {
    throw BadCall("the key is damaged: behind \"steward-key:\" stand 32 bytes in base64");
  }
  return bytes;
}

Master master_of(std::string_view key) {
  Master master;
  if (const auto bytes = decode(key)) {
    crypto_generichash(master.data(), master.size(), bytes->data(), bytes->size(), nullptr, 0);
    return master;
  }
  if (crypto_pwhash_argon2id(
          master.data(), master.size(), key.data(), key.size(), detail::core::octets(kSalt),
          crypto_pwhash_argon2id_OPSLIMIT_INTERACTIVE, crypto_pwhash_argon2id_MEMLIMIT_INTERACTIVE,
          crypto_pwhash_argon2id_ALG_ARGON2ID13) != 0) {
    throw Overloaded("no memory is left to derive keys from a passphrase");
  }
  return master;
}

detail::core::KeyPair pair_of(const Master& master, Part part) {
  SecretBytes<crypto_box_SEEDBYTES> seed;
  crypto_kdf_derive_from_key(seed.data(), seed.size(), static_cast<std::uint64_t>(part),
                             kContext.data(), master.data());
  detail::core::KeyPair pair;
  crypto_box_seed_keypair(pair.public_key.data(), pair.secret_key.data(), seed.data());
  return pair;
}

}  // namespace

std::string generate_key() {
  std::string bytes = detail::core::random_bytes(kKeyBytes);
  std::string text(kPrefix.size() + sodium_base64_ENCODED_LEN(kKeyBytes, kAlphabet), '\0');
  kPrefix.copy(text.data(), kPrefix.size());
  sodium_bin2base64(text.data() + kPrefix.size(), text.size() - kPrefix.size(),
                    detail::core::octets(bytes), bytes.size(), kAlphabet);
  text.pop_back();  // the final zero
  detail::core::erase(bytes);
  return text;
}

namespace detail::core {

KeyPairs derive_key_pairs(std::string_view key) {
  if (key.empty()) throw BadCall("the key is empty");
  require_sodium();
  const Master master = master_of(key);
  return {pair_of(master, Part::server), pair_of(master, Part::client)};
}

bool is_generated_key(std::string_view key) {
  require_sodium();
  return decode(key).has_value();
}

}  // namespace detail::core
}  // namespace steward
