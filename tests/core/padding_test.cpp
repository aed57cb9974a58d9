#include <steward/core/padding.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <new>
#include <string_view>

#include <gtest/gtest.h>

namespace steward::detail::core {
namespace {

struct Holes {
  char letter = 'a';
  std::int32_t number = 1;
  std::int16_t tail = 2;
};
struct Inherits : Holes {
  bool flag = true;
  double real = 0.5;
};
struct Nests {
  Holes holes[3];
  char letter = 'z';
  long double wide = 1.0L;
};
class Hides {
 public:
  explicit Hides(std::int64_t value) : value_(value) {}
  Hides() = default;
  std::int64_t sum() const { return letter_ + value_; }

 private:
  char letter_ = 'h';
  std::int64_t value_ = 0;
};
struct Dense {
  std::int32_t a = 1;
  std::int32_t b = 2;
};
// Nothing in it can be a constant, so that only a compiler's builtin can clear it.
struct NoConstant {
  NoConstant() : letter('n'), number(3) {}
  char letter;
  std::int32_t number;
};

static_assert(kClearsPadding<Holes> && kClearsPadding<Inherits> && kClearsPadding<Nests> &&
              kClearsPadding<Hides> && kClearsPadding<Dense>);
#if !defined(__clang__)
static_assert(kClearsPadding<NoConstant>);
#endif

// The clean bytes of a T that was made in memory full of `garbage`.
template <class T>
std::string_view bytes_made_in(unsigned char garbage, std::array<char, sizeof(T)>& out) {
  alignas(T) unsigned char memory[sizeof(T)];
  std::memset(memory, garbage, sizeof memory);
  const T* made = new (memory) T;
  // The compiler must not look through this to values that it knows.
  const volatile unsigned char* seen = memory;
  static_cast<void>(*seen);
  out = clean_bytes(*made);
  return {out.data(), out.size()};
}

template <class T>
void expect_clean() {
  std::array<char, sizeof(T)> first;
  std::array<char, sizeof(T)> second;
  EXPECT_EQ(bytes_made_in<T>(0xaa, first), bytes_made_in<T>(0x55, second));
  T back;
  std::memcpy(static_cast<void*>(&back), first.data(), sizeof(T));
  EXPECT_EQ(clean_bytes(back), first);
}

TEST(Padding, IsClearedWhateverWasInMemory) {
  expect_clean<Holes>();
  expect_clean<Inherits>();
  expect_clean<Nests>();
  expect_clean<Hides>();
  expect_clean<Dense>();
  if constexpr (kClearsPadding<NoConstant>) expect_clean<NoConstant>();
}

TEST(Padding, IsClearedOfGarbageThatACopyBringsAlong) {
  unsigned char memory[sizeof(Holes)];
  for (const int garbage : {0x00, 0x55, 0xff}) {
    std::memset(memory, garbage, sizeof memory);
    Holes holes;
    // Bytes 1 to 3 and the last two are padding.
    std::memcpy(memory + offsetof(Holes, letter), &holes.letter, sizeof holes.letter);
    std::memcpy(memory + offsetof(Holes, number), &holes.number, sizeof holes.number);
    std::memcpy(memory + offsetof(Holes, tail), &holes.tail, sizeof holes.tail);
    std::memcpy(static_cast<void*>(&holes), memory, sizeof memory);
    const std::array<char, sizeof(Holes)> bytes = clean_bytes(holes);
    EXPECT_EQ(std::string_view(bytes.data(), bytes.size()),
              std::string_view("a\0\0\0\1\0\0\0\2\0\0\0", 12)) << garbage;
  }
}

#if defined(__clang__)
TEST(Padding, TheSearchFindsTheBytesThatNoMemberHas) {
  constexpr PaddingMask<Holes> mask = find_padding<Holes>();
  constexpr bool expected[] = {false, true,  true,  true,  false, false,
                               false, false, false, false, true,  true};
  EXPECT_TRUE(std::equal(std::begin(expected), std::end(expected), mask.padding));
  static_assert(FindablePadding<Holes> && !FindablePadding<NoConstant>);
}
#endif

}  // namespace
}  // namespace steward::detail::core
