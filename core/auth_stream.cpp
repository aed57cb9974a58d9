#include <steward/core/auth_stream.hpp>

#include <array>
#include <cstring>
#include <utility>

#include <sodium.h>

#include <steward/core/octets.hpp>

namespace steward::detail::core {
namespace {

using OneWay = crypto_secretstream_xchacha20poly1305_state;
using SessionKey = SecretBytes<crypto_kx_SESSIONKEYBYTES>;

static_assert(kPublicKeyBytes == crypto_kx_PUBLICKEYBYTES);
static_assert(crypto_kx_SECRETKEYBYTES == crypto_box_SECRETKEYBYTES);
static_assert(crypto_kx_SESSIONKEYBYTES == crypto_secretstream_xchacha20poly1305_KEYBYTES);
static_assert(sizeof(StreamSecret) == crypto_generichash_KEYBYTES_MAX);
static_assert(StreamCipher::kBeginBytes == crypto_secretstream_xchacha20poly1305_HEADERBYTES);
static_assert(StreamCipher::kSealBytes == crypto_secretstream_xchacha20poly1305_ABYTES);
static_assert(StreamCipher::kStateBytes == 2 * sizeof(OneWay));

constexpr std::string_view kKeysOfAConnection = "steward connection 1 keys";

// What crypto_kx makes of two key pairs, by the direction.
struct Exchanged {
  SessionKey to_listener;
  SessionKey to_caller;
};

std::optional<Exchanged> exchange(StreamSide side, const KeyPair& own,
                                  const unsigned char* others_public_key) {
  Exchanged keys;
  const bool calls = side == StreamSide::connects;
  const auto derive =
      calls ? crypto_kx_client_session_keys : crypto_kx_server_session_keys;
  unsigned char* const receive = calls ? keys.to_caller.data() : keys.to_listener.data();
  unsigned char* const send = calls ? keys.to_listener.data() : keys.to_caller.data();
  if (derive(receive, send, own.public_key.data(), own.secret_key.data(), others_public_key) != 0) {
    return std::nullopt;
  }
  return keys;
}

}  // namespace

StreamSecret stream_secret(const KeyPairs& pairs) {
  require_sodium();
  const auto keys = exchange(StreamSide::connects, pairs.client, pairs.server.public_key.data());
  StreamSecret secret;
  std::memcpy(secret.data(), keys.value().to_listener.data(), sizeof(SessionKey));
  std::memcpy(secret.data() + sizeof(SessionKey), keys.value().to_caller.data(),
              sizeof(SessionKey));
  return secret;
}

KeyPair fresh_key_pair() {
  require_sodium();
  KeyPair pair;
  crypto_kx_keypair(pair.public_key.data(), pair.secret_key.data());
  return pair;
}

std::string stream_proof(const StreamSecret& secret, std::string_view said) {
  std::string proof(kProofBytes, '\0');
  crypto_generichash(octets(proof), proof.size(), octets(said), said.size(), secret.data(),
                     secret.size());
  return proof;
}

struct StreamCipher::States {
  OneWay sealing{};
  OneWay opening{};
  SessionKey opening_key;  // until it has begun
  std::array<char, kBeginBytes> begin{};

  States() = default;
  States(const States&) = delete;
  States& operator=(const States&) = delete;
  ~States() {
    erase(&sealing, sizeof sealing);
    erase(&opening, sizeof opening);
  }
};

StreamCipher::StreamCipher(std::unique_ptr<States> states) : states_(std::move(states)) {}
StreamCipher::StreamCipher(StreamCipher&&) noexcept = default;
StreamCipher& StreamCipher::operator=(StreamCipher&&) noexcept = default;
StreamCipher::~StreamCipher() = default;

std::optional<StreamCipher> StreamCipher::agree(StreamSide side, const KeyPair& own,
                                                std::string_view others_public_key,
                                                const StreamSecret& secret,
                                                std::string_view said) {
  const auto exchanged = exchange(side, own, octets(others_public_key));
  if (!exchanged) return std::nullopt;
  SecretBytes<2 * sizeof(SessionKey)> keys;  // first the one to the listener
  crypto_generichash_state hash;
  crypto_generichash_init(&hash, secret.data(), secret.size(), keys.size());
  crypto_generichash_update(&hash, octets(kKeysOfAConnection), kKeysOfAConnection.size());
  crypto_generichash_update(&hash, exchanged->to_listener.data(), sizeof(SessionKey));
  crypto_generichash_update(&hash, exchanged->to_caller.data(), sizeof(SessionKey));
  crypto_generichash_update(&hash, octets(said), said.size());
  crypto_generichash_final(&hash, keys.data(), keys.size());
  erase(&hash, sizeof hash);

  const std::uint8_t* const to_listener = keys.data();
  const std::uint8_t* const to_caller = keys.data() + sizeof(SessionKey);
  const bool calls = side == StreamSide::connects;
  auto states = std::make_unique<States>();
  crypto_secretstream_xchacha20poly1305_init_push(
      &states->sealing, reinterpret_cast<unsigned char*>(states->begin.data()),
      calls ? to_listener : to_caller);
  std::memcpy(states->opening_key.data(), calls ? to_caller : to_listener, sizeof(SessionKey));
  return StreamCipher(std::move(states));
}

std::string_view StreamCipher::begin() const {
  return {states_->begin.data(), states_->begin.size()};
}

void StreamCipher::open_from(std::string_view begin) {
  crypto_secretstream_xchacha20poly1305_init_pull(&states_->opening, octets(begin),
                                                  states_->opening_key.data());
  states_->opening_key = {};
}

void StreamCipher::seal(std::string_view plain, std::string& to) {
  const std::size_t before = to.size();
  to.resize(before + plain.size() + kSealBytes);
  crypto_secretstream_xchacha20poly1305_push(
      &states_->sealing, octets(to) + before, nullptr, octets(plain), plain.size(), nullptr, 0,
      crypto_secretstream_xchacha20poly1305_TAG_MESSAGE);
}

bool StreamCipher::open(std::string_view sealed, std::string& to) {
  const std::size_t before = to.size();
  to.resize(before + sealed.size() - kSealBytes);
  unsigned char tag = 0;
  if (crypto_secretstream_xchacha20poly1305_pull(&states_->opening, octets(to) + before, nullptr,
                                                 &tag, octets(sealed), sealed.size(), nullptr,
                                                 0) == 0 &&
      tag == crypto_secretstream_xchacha20poly1305_TAG_MESSAGE) {
    return true;
  }
  to.resize(before);
  return false;
}

std::string StreamCipher::state() const {
  std::string state(kStateBytes, '\0');
  std::memcpy(state.data(), &states_->sealing, sizeof(OneWay));
  std::memcpy(state.data() + sizeof(OneWay), &states_->opening, sizeof(OneWay));
  return state;
}

std::optional<StreamCipher> StreamCipher::from_state(std::string_view state) {
  if (state.size() != kStateBytes) return std::nullopt;
  require_sodium();
  auto states = std::make_unique<States>();
  std::memcpy(&states->sealing, state.data(), sizeof(OneWay));
  std::memcpy(&states->opening, state.data() + sizeof(OneWay), sizeof(OneWay));
  return StreamCipher(std::move(states));
}

}  // namespace steward::detail::core
