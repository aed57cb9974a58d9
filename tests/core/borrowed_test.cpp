// What holds a pointer or a view is told from what owns its contents; all by the compiler.
#include <array>
#include <bitset>
#include <chrono>
#include <complex>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <variant>

#include <gtest/gtest.h>

#include <steward/core/codec.hpp>

namespace steward::detail::core {
namespace {

enum class Colour { red };
struct Empty {};
struct Base {
  int n;
};
struct Text {
  const char* text;
};

// --- what borrows
struct Nested {
  int n;
  Text text;
};
struct NestedAlone {
  Nested nested;
};
struct Derived : Text {
  int n;
};
struct InArray {
  Text texts[3];
};
struct Pointers {
  int* pointers[2];
  int n;
};
struct InArrays {
  int first[2][3];
  Nested last[1][2];
};
struct BehindAName {
  char name[64];
  void* p;
};
struct BehindBits {
  unsigned a : 3;
  unsigned b : 5;
  unsigned c : 1;
  int* p;
};
struct View {
  int n;
  std::string_view text;
};
struct Span {
  std::span<int> numbers;
};
struct Wrapped {
  std::reference_wrapper<int> number;
};
struct Function {
  void (*f)(int);
};
struct Member {
  int Base::*m;
};
struct Null {
  std::nullptr_t n;
};
struct Perhaps {
  std::optional<int*> p;
};
struct Pair {
  std::pair<int, const char*> p;
};
struct Array {
  std::array<Text, 2> texts;
};
struct Late {
  Empty empty;
  std::chrono::seconds time;
  Colour colour;
  std::complex<double> number;
  const int* p = nullptr;
};
struct Failure {
  int n;
  std::error_code code;
};
struct Runner {
  std::thread::id thread;
};
struct Referring {
  int n;
  int& r;
};
struct Unnamed {
  int a = 1;
  struct {
    int b;
    char* c;
  } inside;
};

template <class... T>
constexpr bool kAllBorrow = (borrows<T>() && ...) && (!Packable<T> && ...);
static_assert(kAllBorrow<Text, Nested, NestedAlone, Derived, InArray, Pointers, InArrays>);
static_assert(kAllBorrow<BehindAName, BehindBits, View, Span, Wrapped, Function, Member, Null>);
static_assert(kAllBorrow<Perhaps, Pair, Array, Late, Unnamed, Failure, Runner>);
static_assert(!Packable<Referring>);
static_assert(kAllBorrow<std::error_code, std::error_condition, std::thread::id>);
#ifdef __cpp_lib_coroutine
static_assert(kAllBorrow<std::coroutine_handle<>, std::coroutine_handle<int>>);
#endif
static_assert(kAllBorrow<int*, const char*, std::string_view, std::variant<int, int*>>);
static_assert(!Packable<std::vector<Nested>> && !Packable<std::optional<Text>>);

// --- what does not
struct Plain {
  int a;
  double b;
  char c;
};
struct Arrays {
  Plain a[3];
  Colour colour;
  bool b;
  std::array<int, 1000> c;
  std::array<std::array<char, 2>, 3> d;
};
struct Bits {
  unsigned a : 3;
  unsigned b : 30;
  long c : 60;
  bool d : 1;
};
union Union {
  int* p;
  long n;
};
struct WithUnion {
  Union inside;
  int n;
};
struct WithUnnamedUnion {
  union {
    int a;
    float* b;
  };
  int c;
};
struct WithBase : Base {
  int c;
};
struct WithEmptyBase : Empty {
  int c;
};
struct WithEmpty {
  Empty empty;
  [[no_unique_address]] Empty no_room;
  alignas(32) double b;
};
struct Standard {
  std::chrono::seconds time;
  std::chrono::system_clock::time_point at;
  std::optional<int> perhaps;
  std::complex<double> number;
  std::bitset<9> bits;
  std::byte byte;
  wchar_t wide;
};
struct Picture {
  float pixels[1000];
  int n;
};
struct Defaults {
  int a = 3;
  double b = 2;
};
class Private {
 public:
  int n = 0;

 private:
  [[maybe_unused]] int* hidden_ = nullptr;
};
struct WithPrivate {
  Private a;
  int n;
};
struct Made {
  Made() {}
  int n = 0;
};
struct Convertible {
  explicit operator int*() const { return nullptr; }
  int n;
};
struct Range {
  int numbers[2] = {1, 2};
  const int* begin() const { return numbers; }
  const int* end() const { return numbers + 2; }
};

// What is left out does not travel, whatever it is.
struct LeavesOut {
  int n = 0;
  std::error_code code;
  std::thread::id thread;
  int* p = nullptr;
  MSGPACK_DEFINE(n)
};
static_assert(Packable<LeavesOut>);

template <class... T>
constexpr bool kNoneBorrow = !(borrows<T>() || ...) && (TravelsRaw<T> && ...);
static_assert(kNoneBorrow<Plain, Arrays, Bits, WithUnion, WithUnnamedUnion, WithBase>);
static_assert(kNoneBorrow<WithEmptyBase, WithEmpty, Standard, Picture, Defaults, Private>);
static_assert(kNoneBorrow<WithPrivate, Made, Convertible, Range>);
static_assert(!borrows<Empty>() && !borrows<std::string>() && !borrows<std::unique_ptr<int>>());

TEST(Borrowed, IsSeenByTheCompiler) { SUCCEED(); }

}  // namespace
}  // namespace steward::detail::core
