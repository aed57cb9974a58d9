// The language of fuzz_core's inputs: bytes that say what happens to a core. Every string of bytes
// is a script; a number that is too large is taken by its remainder, and missing bytes are zeros.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <string>
#include <string_view>

#include <steward/core/token.hpp>
#include <steward/core/writer.hpp>

namespace steward::fuzz {

// What a step begins with. New ones go to the end: the corpus keeps its meaning.
enum class Op : std::uint8_t {
  open,      // a session
  end,       // session, how
  pass,      // 2^n milliseconds
  raw,       // session, frame
  calls,     // session, first_incomplete, count, calls
  create,    // session, class, name, arguments
  ack,       // session, count, numbers
  cancel,    // the same
  resume,    // session, count, numbers
  compare,   // the two cores
  limits,    // which are made small
  count_     // none: how many there are
};

inline constexpr std::size_t kSessions = 4;
inline constexpr std::size_t kNames = 4;  // "a", "b", ...

class Script {
 public:
  explicit Script(std::string_view bytes) : rest_(bytes) {}

  bool done() const { return rest_.empty(); }
  std::uint8_t byte() {
    if (rest_.empty()) return 0;
    const auto first = static_cast<std::uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return first;
  }
  std::size_t below(std::size_t limit) { return byte() % limit; }
  std::uint64_t word() {
    std::uint64_t all = 0;
    for (int i = 0; i < 8; ++i) all = all << 8U | byte();
    return all;
  }
  // A length of two bytes, and so many.
  std::string_view bytes() {
    const std::size_t size = std::size_t{byte()} << 8U | byte();
    const std::string_view taken = rest_.substr(0, std::min(size, rest_.size()));
    rest_.remove_prefix(taken.size());
    return taken;
  }

 private:
  std::string_view rest_;
};

// What one argument of a call begins with.
enum class Arg : std::uint8_t {
  nil, no, yes, small, word, real, key, text, bytes, list, map, handle, extension, nonce, pairs,
  half, count_
};

// Writes the argument that comes next as MessagePack, well-formed but else as wild as can be.
inline void write_argument(detail::core::Writer& out, Script& script,
                           const detail::core::Incarnation& own, int depth = 0) {
  const auto nested = [&] { write_argument(out, script, own, depth + 1); };
  switch (static_cast<Arg>(script.below(static_cast<std::size_t>(Arg::count_)))) {
    case Arg::nil: return out.nil();
    case Arg::no: return out.boolean(false);
    case Arg::yes: return out.boolean(true);
    case Arg::small: return out.integer(static_cast<std::int8_t>(script.byte()));
    case Arg::word: return out.integer(static_cast<std::int64_t>(script.word()));
    case Arg::real: return out.real(std::bit_cast<double>(script.word()));
    case Arg::key: return out.string("key" + std::to_string(script.below(8)));
    case Arg::text: return out.string(script.bytes());
    case Arg::bytes: return out.bytes(script.bytes());
    case Arg::list: {
      const std::size_t count = depth < 6 ? script.below(4) : 0;
      out.array(count);
      for (std::size_t i = 0; i < count; ++i) nested();
      return;
    }
    case Arg::map: {
      const std::size_t count = depth < 6 ? script.below(3) : 0;
      out.map(count);
      for (std::size_t i = 0; i < count * 2; ++i) nested();
      return;
    }
    case Arg::handle: break;
    case Arg::extension:
      return out.extension(static_cast<std::int8_t>(script.byte()), script.bytes());
    case Arg::nonce: return out.bytes(std::string(16, static_cast<char>(script.below(4))));
    case Arg::pairs: {
      const std::size_t count = depth < 6 ? script.below(4) : 0;
      out.array(count);
      for (std::size_t i = 0; i < count; ++i) {
        out.array(2);
        nested();
        nested();
      }
      return;
    }
    case Arg::half: return out.real(static_cast<std::int8_t>(script.byte()) / 2.0);
    case Arg::count_: return;
  }
  const std::uint8_t which = script.byte();
  detail::core::Token token;
  token.incarnation = own;
  if (which >= 128) token.incarnation.bytes.fill(which);
  token.object = detail::core::ObjectId{which % 32U};
  token.type = which % 3 == 0 ? "list" : "dict";
  if (which % 5 == 0) token.addresses = {"ipc:///elsewhere"};
  detail::core::encode_token(out, token);
}

// Some arguments, or bytes as they are (which may be no array, and then the frame is malformed).
inline std::string take_arguments(Script& script, const detail::core::Incarnation& own) {
  const std::uint8_t count = script.byte();
  if (count >= 240) return std::string(script.bytes());
  std::string bytes;
  detail::core::Writer out(bytes);
  out.array(count % 5U);
  for (int i = 0; i < count % 5; ++i) write_argument(out, script, own);
  return bytes;
}

}  // namespace steward::fuzz
