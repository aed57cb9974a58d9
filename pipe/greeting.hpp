// The greeting: what the two sides of a connection over tcp say before its messages, byte for byte
// in docs/protocol.md, section 13. Bytes only; who sends and waits for them is elsewhere.
//
// Who connects says hello. With a key it proves there that it holds it, before the listener does
// anything that costs. The listener's reply says how to go on, or why not. With a key each side has
// made a key pair for this connection, and both know its cipher now; a recorded hello gets no
// further than this.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include <steward/core/auth_stream.hpp>

namespace steward::detail::pipe {

using Secret = std::optional<core::StreamSecret>;  // nullopt: there is no key
// The secret that follows from this key; nullopt for an empty key. Throws BadCall for a damaged
// one.
Secret secret_of(const std::string& key);

inline constexpr std::size_t kHelloBytes = 83;
inline constexpr std::size_t kReplyBytes = 75;

// Whether a hello, or a reply, may begin with these bytes.
bool may_be_hello(std::string_view begin);
bool may_be_reply(std::string_view begin);
// By which a hello differs from all others of those who have the key. REQUIRES: kHelloBytes.
std::string_view public_key_in(std::string_view hello);

struct Hello {
  core::KeyPair pair;  // with a key only
  std::string bytes;
};
Hello make_hello(const Secret& secret);

enum class Verdict : char {
  go_on_sealed = 'k',
  go_on_plain = 'n',
  wants_key = 'w',
  has_no_key = 'x',
  wrong_key = 'd',
  not_understood = '?',  // what was said is no hello
};

struct Reply {
  Verdict verdict = Verdict::not_understood;
  std::string bytes;
  // For go_on_sealed. The side that connects can use it at once; the listener must first call
  // open_from() with what the other sends.
  std::optional<core::StreamCipher> cipher;
};
// The listener's, to what may be anything.
Reply reply_to(std::string_view hello, const Secret& secret);
// Reads the reply, on the side that connects. A verdict that does not fit this side's key counts as
// a refusal.
Reply read_reply(std::string_view bytes, const Hello& hello, const Secret& secret);

// What a listener says in the first message of the stream: nothing, if it has let the other in.
inline constexpr std::string_view kWelcome;
inline constexpr std::string_view kTooMany = "too many wait to be accepted";

}  // namespace steward::detail::pipe
