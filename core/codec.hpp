// Typed values as MessagePack: any T that msgpack-cxx can pack, plus ours.
//
// What can travel (Packable): arithmetic types, complex numbers, enums, strings, standard
// containers, optionals, tuples, times, structs with MSGPACK_DEFINE, Value, proxies, and trivially
// copyable structs without an adaptor, as raw bytes with their size checked. Pointers and views do
// not compile, nor do raw structs with one inside where that can be seen; where it cannot (private
// members, unions, past 256 members: see borrowed.hpp) it must not be there.
//
// Equal raw structs give equal bytes, whatever is in their padding, but where kClearsPadding is
// false. A struct with MSGPACK_DEFINE is read by msgpack-cxx, which takes missing members as they
// are and ignores further ones; it needs up to 24 bytes of memory for each byte of the struct.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <type_traits>

#include <steward/core/codec_adaptors.hpp>
#include <steward/core/codec_read.hpp>
#include <steward/core/codec_traits.hpp>
#include <steward/core/handle_codec.hpp>
#include <steward/core/reader.hpp>
#include <steward/core/value.hpp>
#include <steward/core/writer.hpp>

namespace steward::detail::core {

// Appends the encoded value to `out`. Handles inside go through current_handle_codec().
template <class T>
void pack(std::string& out, const T& value) {
  static_assert(Packable<T>,
                "this type cannot travel: give it MSGPACK_DEFINE(members...), or make it trivially "
                "copyable; pointers and views never travel, nor structs with one inside");
  if constexpr (std::same_as<T, Value>) {
    Writer writer(out);
    encode_value(writer, value, current_handle_codec());
  } else if constexpr (std::same_as<T, std::string>) {
    Writer(out).string(value);
  } else if constexpr (std::same_as<T, bool>) {
    Writer(out).boolean(value);
  } else if constexpr (Integer<T> && std::signed_integral<T>) {
    Writer(out).integer(value);
  } else if constexpr (Integer<T>) {
    Writer(out).natural(value);
  } else if constexpr (Packable<T>) {
    StringSink sink(out);
    msgpack::packer<StringSink> packer(sink);
    packer.pack(value);
  }
}

template <class T>
std::string packed(const T& value) {
  std::string out;
  pack(out, value);
  return out;
}

// Reads exactly one value. Handles inside go through current_handle_codec(). Throws BadCall if the
// bytes are malformed or of another type.
template <class T>
T unpack(std::string_view bytes) {
  static_assert(Packable<T>,
                "this type cannot travel: give it MSGPACK_DEFINE(members...), or make it trivially "
                "copyable; pointers and views never travel, nor structs with one inside");
  Reader reader(bytes);
  T value = read<T>(reader);
  reader.finish();
  return value;
}

// Converts by way of bytes: a Value can be read as any type that could be read from its encoding.
// Proxies inside keep their very references.
template <class T>
T cast_value(const Value& value) {
  SameReferences same(value);
  const HandleCodecScope scope(same);
  std::string bytes;
  Writer writer(bytes);
  encode_value(writer, value, same, kFrameDepth);
  return unpack<T>(bytes);
}

}  // namespace steward::detail::core
