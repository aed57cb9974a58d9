#include <steward/pipe/greeting.hpp>

#include <utility>

namespace steward::detail::pipe {
namespace {

constexpr std::string_view kHelloText = "steward connect 1\n";
constexpr std::string_view kReplyText = "steward listens 1\n";
constexpr char kWithKey = 'k';
constexpr char kWithoutKey = 'n';

// Where things stand in both: the text, one letter, a public key. Then, of a hello, the proof; of a
// reply, what begins the cipher.
constexpr std::size_t kLetter = kHelloText.size();
constexpr std::size_t kPublicKey = kLetter + 1;
constexpr std::size_t kSaid = kPublicKey + core::kPublicKeyBytes;
static_assert(kReplyText.size() == kHelloText.size());
static_assert(kHelloBytes == kSaid + core::kProofBytes);
static_assert(kReplyBytes == kSaid + core::StreamCipher::kBeginBytes);

bool begins(std::string_view bytes, std::string_view text) {
  return bytes.substr(0, text.size()) == text.substr(0, bytes.size());
}

std::string begun(std::string_view text, char letter, const core::KeyPair& pair) {
  std::string bytes(text);
  bytes += letter;
  bytes.append(reinterpret_cast<const char*>(pair.public_key.data()), pair.public_key.size());
  return bytes;
}

// What both have said until there are keys.
std::string both(std::string_view hello, std::string_view reply) {
  return std::string(hello).append(reply.substr(0, kSaid));
}

Reply refusal(Verdict verdict) {
  Reply reply{verdict, begun(kReplyText, static_cast<char>(verdict), {}), std::nullopt};
  reply.bytes.resize(kReplyBytes);
  return reply;
}

Reply sealed_reply(std::string_view hello, const core::StreamSecret& secret) {
  const core::KeyPair pair = core::fresh_key_pair();
  Reply reply{Verdict::go_on_sealed, begun(kReplyText, kWithKey, pair), std::nullopt};
  reply.cipher = core::StreamCipher::agree(core::StreamSide::listens, pair, public_key_in(hello),
                                           secret, both(hello, reply.bytes));
  if (!reply.cipher) return refusal(Verdict::not_understood);
  reply.bytes += reply.cipher->begin();
  return reply;
}

bool is_proven(std::string_view hello, const core::StreamSecret& secret) {
  return core::equal_secrets(hello.substr(kSaid),
                             core::stream_proof(secret, hello.substr(0, kSaid)));
}

}  // namespace

Secret secret_of(const std::string& key) {
  if (key.empty()) return std::nullopt;
  return core::stream_secret(core::derive_key_pairs(key));
}

bool may_be_hello(std::string_view begin) { return begins(begin, kHelloText); }
bool may_be_reply(std::string_view begin) { return begins(begin, kReplyText); }

std::string_view public_key_in(std::string_view bytes) {
  return bytes.substr(kPublicKey, core::kPublicKeyBytes);
}

Hello make_hello(const Secret& secret) {
  Hello hello;
  if (secret) hello.pair = core::fresh_key_pair();
  hello.bytes = begun(kHelloText, secret ? kWithKey : kWithoutKey, hello.pair);
  if (secret) hello.bytes += core::stream_proof(*secret, hello.bytes);
  hello.bytes.resize(kHelloBytes);
  return hello;
}

Reply reply_to(std::string_view hello, const Secret& secret) {
  const char letter = hello.size() == kHelloBytes ? hello[kLetter] : '\0';
  if (!may_be_hello(hello) || (letter != kWithKey && letter != kWithoutKey)) {
    return refusal(Verdict::not_understood);
  }
  if (letter == kWithoutKey) return refusal(secret ? Verdict::wants_key : Verdict::go_on_plain);
  if (!secret) return refusal(Verdict::has_no_key);
  if (!is_proven(hello, *secret)) return refusal(Verdict::wrong_key);
  return sealed_reply(hello, *secret);
}

Reply read_reply(std::string_view bytes, const Hello& hello, const Secret& secret) {
  Reply reply{static_cast<Verdict>(bytes[kLetter]), {}, std::nullopt};
  if (secret && reply.verdict == Verdict::go_on_sealed) {
    reply.cipher = core::StreamCipher::agree(core::StreamSide::connects, hello.pair,
                                             public_key_in(bytes), *secret,
                                             both(hello.bytes, bytes));
    if (reply.cipher) reply.cipher->open_from(bytes.substr(kSaid));
    if (!reply.cipher) reply.verdict = Verdict::wrong_key;
  } else if (secret && reply.verdict == Verdict::go_on_plain) {
    reply.verdict = Verdict::has_no_key;
  } else if (!secret && reply.verdict == Verdict::go_on_sealed) {
    reply.verdict = Verdict::wants_key;
  }
  return reply;
}

}  // namespace steward::detail::pipe
