// The bytes of trivially copyable values without their padding, which carries old memory: equal
// members give equal bytes, and nothing leaks.
#pragma once

#include <array>
#include <cstddef>
#include <cstring>
#include <type_traits>

namespace steward::detail::core {

#if defined(__has_builtin)
#if __has_builtin(__builtin_clear_padding)
#define STEWARD_CLEARS_PADDING 1
#endif
#endif

// Past this size the search below takes a compiler too long.
inline constexpr std::size_t kPaddingSearchMax = 16'384;

template <class T>
struct PaddingMask {
  bool padding[sizeof(T)] = {};
};

// Finds padding where the compiler has no builtin for it: in constant evaluation a padding byte of
// a copied value has no value, and __builtin_constant_p says so.
template <class T>
constexpr PaddingMask<T> find_padding() {
  struct Bytes {
    unsigned char data[sizeof(T)];
  };
  PaddingMask<T> mask;
  const auto bytes = __builtin_bit_cast(Bytes, T{});
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    mask.padding[i] = !__builtin_constant_p(bytes.data[i]);
  }
  return mask;
}

// Not for classes without a constexpr constructor, with pointers, unions or bit-fields.
template <class T>
concept FindablePadding = sizeof(T) <= kPaddingSearchMax && requires {
  typename std::bool_constant<(find_padding<T>(), true)>;
};

// Whether clean_bytes<T> clears: with g++ always; with a clang that lacks the builtin it leaves the
// padding of what FindablePadding does not cover as it is.
#ifdef STEWARD_CLEARS_PADDING
inline constexpr bool kPaddingBuiltin = true;
#else
inline constexpr bool kPaddingBuiltin = false;
#endif
template <class T>
inline constexpr bool kClearsPadding =
    kPaddingBuiltin || std::has_unique_object_representations_v<T> || FindablePadding<T>;

template <class T>
std::array<char, sizeof(T)> clean_bytes(T value) {
  static_assert(std::is_trivially_copyable_v<T>);
  std::array<char, sizeof(T)> bytes;
#ifdef STEWARD_CLEARS_PADDING
  __builtin_clear_padding(&value);
  std::memcpy(bytes.data(), &value, sizeof(T));
#else
  std::memcpy(bytes.data(), &value, sizeof(T));
  if constexpr (!std::has_unique_object_representations_v<T> && FindablePadding<T>) {
    static constexpr PaddingMask<T> mask = find_padding<T>();
    for (std::size_t i = 0; i < sizeof(T); ++i) {
      if (mask.padding[i]) bytes[i] = 0;
    }
  }
#endif
  return bytes;
}

#undef STEWARD_CLEARS_PADDING

}  // namespace steward::detail::core
