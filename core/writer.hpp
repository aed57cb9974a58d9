// Writes MessagePack by hand, for envelopes and values: shortest forms, no intermediate tree.
// (User types go through msgpack-cxx, in codec.hpp.)
//
// Thread safety: none; one writer, one thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace steward::detail::core {

// Appends to a string that it does not own.
class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}

  void nil() { byte(0xc0); }
  void boolean(bool value) { byte(value ? 0xc3 : 0xc2); }
  void integer(std::int64_t value);
  void natural(std::uint64_t value) {
    if (value < 0x80) return byte(static_cast<unsigned>(value));
    longer_natural(value);
  }
  void real(double value);
  void real32(float value);
  void string(std::string_view text) {
    if (text.size() < 32) {
      byte(0xa0U | static_cast<unsigned>(text.size()));
    } else {
      sized(text.size(), 0xd9, 0xda, 0xdb);
    }
    out_.append(text);
  }
  void bytes(std::string_view data);
  void extension(std::int8_t type, std::string_view payload);
  // Headers: exactly `count` elements (for a map, keys and values alternating) must follow.
  void array(std::size_t count) {
    if (count < 16) return byte(0x90U | static_cast<unsigned>(count));
    sized(count, 0, 0xdc, 0xdd);
  }
  void map(std::size_t count) {
    if (count < 16) return byte(0x80U | static_cast<unsigned>(count));
    sized(count, 0, 0xde, 0xdf);
  }
  // Bytes that are MessagePack already.
  void raw(std::string_view encoded) { out_.append(encoded); }

  std::string& out() { return out_; }

 private:
  void byte(unsigned value) { out_.push_back(static_cast<char>(value)); }
  void longer_natural(std::uint64_t value);
  template <class Unsigned>
  void big_endian(unsigned tag, Unsigned value);
  void sized(std::size_t size, unsigned tag8, unsigned tag16, unsigned tag32);

  std::string& out_;
};

}  // namespace steward::detail::core
