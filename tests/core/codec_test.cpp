#include <steward/core/codec.hpp>

#include <chrono>
#include <cmath>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <numeric>
#include <set>
#include <span>
#include <tuple>
#include <unordered_map>
#include <unordered_set>

#include <gtest/gtest.h>

#include <steward/tests/core/support.hpp>

namespace steward::detail::core {
namespace {

using namespace std::chrono_literals;
using test::hex;
using test::refusal;
using test::refuses;
using test::unhex;

enum class Color : std::uint8_t { red = 1, blue = 200 };
enum Plain { kOne = 1 };
struct NoWay {
  std::string text;
};
struct NoWayInside {
  std::vector<NoWay> items;
};
struct Empty {};
union Either {
  int number;
  char letter;
};

// ---- What can travel ----

static_assert(Packable<bool> && Packable<char> && Packable<signed char> && Packable<wchar_t>);
static_assert(Packable<int> && Packable<std::uint64_t> && Packable<long long>);
static_assert(Packable<float> && Packable<double> && Packable<Color> && Packable<Plain>);
static_assert(Packable<std::string> && Packable<Bytes> && Packable<std::byte>);
static_assert(Packable<Value> && Packable<std::vector<Value>> && Packable<test::FakeList>);
static_assert(Packable<std::vector<int>> && Packable<std::vector<bool>>);
static_assert(Packable<std::deque<int>> && Packable<std::list<int>> && Packable<std::set<int>>);
static_assert(Packable<std::unordered_set<std::string>> && Packable<std::array<int, 3>>);
static_assert(Packable<std::map<std::string, std::vector<int>>>);
static_assert(Packable<std::unordered_map<int, std::optional<double>>>);
static_assert(Packable<std::pair<int, std::string>> && Packable<std::tuple<>>);
static_assert(Packable<std::tuple<int, std::tuple<bool, Color>>> && Packable<int[3]>);
static_assert(Packable<std::unique_ptr<int>> && Packable<std::shared_ptr<std::string>>);
static_assert(Packable<std::chrono::milliseconds>);
static_assert(Packable<std::chrono::system_clock::time_point>);

// What points elsewhere cannot, wherever it stands.
static_assert(!Packable<int*> && !Packable<const char*> && !Packable<char*> && !Packable<void*>);
static_assert(!Packable<std::string_view> && !Packable<std::span<int>>);
static_assert(!Packable<std::initializer_list<int>> && !Packable<std::reference_wrapper<int>>);
static_assert(!Packable<std::vector<int>::iterator> && !Packable<int&> && !Packable<void (*)()>);
static_assert(!Packable<std::vector<int*>> && !Packable<std::vector<std::string_view>>);
static_assert(!Packable<std::map<int, const char*>> && !Packable<std::map<std::string_view, int>>);
static_assert(!Packable<std::optional<int*>> && !Packable<std::array<int*, 2>>);
static_assert(!Packable<std::tuple<int, int*>> && !Packable<std::pair<int*, int>>);
static_assert(!Packable<std::vector<std::vector<std::tuple<int, std::optional<int*>>>>>);
static_assert(!Packable<std::shared_ptr<int*>> && !Packable<int* [2]>);

// A struct that packs itself may leave a pointer out; a view would be read as one of what is gone.
struct PacksAView {
  std::string_view text;
  MSGPACK_DEFINE(text)
};
struct PacksADeepView {
  int n;
  std::optional<PacksAView> inside;
  MSGPACK_DEFINE(n, inside)
};
struct LeavesAPointerOut {
  int n;
  int* cache;
  MSGPACK_DEFINE(n)
};
static_assert(!Packable<PacksAView> && !Packable<PacksADeepView> &&
              !Packable<std::vector<PacksAView>> && Packable<LeavesAPointerOut>);

// Nor what nobody knows how to write.
static_assert(!Packable<NoWay> && !Packable<NoWayInside> && !Packable<std::vector<NoWay>>);
static_assert(!Packable<Empty> && !Packable<Either> && !Packable<void> &&
              !Packable<std::nullptr_t>);
static_assert(!Packable<long double> && !Packable<char16_t> && !Packable<int NoWayInside::*>);

// ---- Round trips ----

template <class T>
T round_trip(const T& value) {
  return unpack<T>(packed(value));
}

TEST(Codec, ScalarsComeBackAsTheyWere) {
  for (const bool flag : {false, true}) EXPECT_EQ(round_trip(flag), flag);
  EXPECT_EQ(round_trip('x'), 'x');
  EXPECT_EQ(round_trip(static_cast<char>(-5)), static_cast<char>(-5));
  EXPECT_EQ(round_trip(L'\x20ac'), L'\x20ac');
  EXPECT_EQ(round_trip(Color::blue), Color::blue);
  EXPECT_EQ(round_trip(kOne), kOne);
  EXPECT_EQ(round_trip(1.5F), 1.5F);
  EXPECT_TRUE(std::signbit(round_trip(-0.0)));
  EXPECT_TRUE(std::isnan(round_trip(NAN)));
  EXPECT_TRUE(std::isinf(round_trip(static_cast<double>(INFINITY))));
  EXPECT_EQ(round_trip(std::byte{0xff}), std::byte{0xff});
}

template <class Int>
void expect_extremes() {
  using Range = std::numeric_limits<Int>;
  EXPECT_EQ(round_trip(Range::min()), Range::min());
  EXPECT_EQ(round_trip(Range::max()), Range::max());
  const std::vector<Int> both{Range::min(), 0, Range::max()};
  EXPECT_EQ(round_trip(both), both);
}

TEST(Codec, IntegersComeBackFromTheEndsOfTheirRanges) {
  expect_extremes<std::int8_t>();
  expect_extremes<std::uint8_t>();
  expect_extremes<std::int16_t>();
  expect_extremes<std::uint16_t>();
  expect_extremes<std::int32_t>();
  expect_extremes<std::uint32_t>();
  expect_extremes<std::int64_t>();
  expect_extremes<std::uint64_t>();
  expect_extremes<long long>();
}

TEST(Codec, ContainersComeBackAsTheyWere) {
  const std::vector<std::map<std::string, std::optional<std::tuple<int, double, Color>>>> deep{
      {{"a", std::tuple{1, 0.5, Color::red}}, {"b", std::nullopt}}, {}};
  EXPECT_EQ(round_trip(deep), deep);
  const std::vector<bool> flags{true, false, true};
  EXPECT_EQ(round_trip(flags), flags);
  EXPECT_EQ(round_trip(std::deque{1, 2}), (std::deque{1, 2}));
  EXPECT_EQ(round_trip(std::list{1, 2}), (std::list{1, 2}));
  EXPECT_EQ(round_trip(std::set<std::string>{"b", "a"}), (std::set<std::string>{"a", "b"}));
  const std::unordered_map<int, std::string> names{{1, "one"}, {2, "two"}};
  EXPECT_EQ(round_trip(names), names);
  EXPECT_EQ(round_trip(std::unordered_set{3, 4}), (std::unordered_set{3, 4}));
  EXPECT_EQ(round_trip(std::array{1, 2, 3}), (std::array{1, 2, 3}));
  EXPECT_EQ(round_trip(std::array<std::string, 0>()), (std::array<std::string, 0>()));
  EXPECT_EQ(round_trip(std::pair{1, std::string("x")}), (std::pair{1, std::string("x")}));
  EXPECT_EQ(round_trip(std::tuple<>()), std::tuple<>());
  EXPECT_EQ(*round_trip(std::make_shared<int>(5)), 5);
  EXPECT_EQ(round_trip(std::shared_ptr<int>()), nullptr);
  const std::multimap<int, int> twice{{1, 1}, {1, 2}};
  EXPECT_EQ(round_trip(twice), twice);
}

TEST(Codec, TextAndBytesAreDifferentThings) {
  EXPECT_EQ(hex(packed(std::string("ab"))), "a2 61 62");
  EXPECT_EQ(hex(packed(Bytes{std::byte{1}})), "c4 01 01");
  EXPECT_EQ(hex(packed(std::vector<char>{'a'})), "c4 01 61");
  EXPECT_EQ(hex(packed(std::vector<unsigned char>{1})), "c4 01 01");
  EXPECT_EQ(hex(packed(std::array<unsigned char, 2>{1, 2})), "c4 02 01 02");
  EXPECT_EQ(hex(packed("ab")), "a2 61 62");
  const std::vector<char> chars{'a', '\0', '\xff'};
  EXPECT_EQ(round_trip(chars), chars);
  EXPECT_EQ(refusal([] { unpack<std::string>(unhex("c4 01 61")); }),
            "expected a string, got bytes");
}

TEST(Codec, TimesTravelAsTheirCount) {
  EXPECT_EQ(hex(packed(5ms)), "05");
  EXPECT_EQ(round_trip(std::chrono::hours(-3)), -3h);
  EXPECT_EQ(round_trip(std::chrono::duration<double>(0.5)), std::chrono::duration<double>(0.5));
  const auto now = std::chrono::system_clock::now();
  EXPECT_EQ(round_trip(now), now);
  EXPECT_EQ(unpack<Value>(packed(now)), Value(now.time_since_epoch().count()));
  const std::map<std::string, std::chrono::steady_clock::time_point> by_name{
      {"start", std::chrono::steady_clock::now()}};
  EXPECT_EQ(round_trip(by_name), by_name);
}

TEST(Codec, ValuesMixWithTypes) {
  const std::map<std::string, std::vector<Value>> mixed{
      {"a", {Value(1), Value("x"), Value(), Value::of_bytes("b")}},
      {"b", {Value::of_map({{1, Value(Value::List{UINT64_MAX})}}), Value(-0.5)}}};
  EXPECT_EQ(round_trip(mixed), mixed);
  EXPECT_EQ(unpack<Value>(packed(std::vector<int>{1, 2})), Value(std::vector<int>{1, 2}));
  EXPECT_EQ(unpack<std::vector<int>>(packed(Value(Value::List{1, 2}))), (std::vector{1, 2}));
  const std::tuple<Value, int> pair{Value("x"), 3};
  EXPECT_EQ(round_trip(pair), pair);
}

TEST(Codec, AWholeRealStaysAReal) {
  EXPECT_EQ(hex(packed(3.0)), "cb 40 08 00 00 00 00 00 00");
  EXPECT_EQ(hex(packed(3.0F)), "ca 40 40 00 00");
  EXPECT_EQ(hex(packed(std::vector<double>{-0.0})), "91 cb 80 00 00 00 00 00 00 00");
  EXPECT_EQ(unpack<Value>(packed(std::vector<double>{1, 2})).json(), "[1.0, 2.0]");
  EXPECT_EQ(unpack<Value>(packed(0x1p64)).kind(), ValueKind::real);
}

TEST(Codec, AnIntegerIsARealWhereOneIsWanted) {
  EXPECT_EQ(unpack<double>(packed(3)), 3.0);
  EXPECT_EQ(unpack<double>(packed(UINT64_MAX)), 0x1p64);
  EXPECT_EQ(unpack<std::vector<float>>(packed(std::vector<int>{-1})), std::vector<float>{-1});
  EXPECT_EQ(refusal([] { unpack<int>(packed(3.0)); }), "expected an integer, got a real");
}

// ---- Refusals ----

TEST(CodecRefusal, OfAnIntegerOutOfRangeNamesTheRange) {
  EXPECT_EQ(refusal([] { unpack<std::int8_t>(packed(128)); }), "the number 128 does not fit int8");
  EXPECT_EQ(refusal([] { unpack<std::uint16_t>(packed(-1)); }),
            "the number -1 does not fit uint16");
  EXPECT_EQ(refusal([] { unpack<std::int64_t>(packed(UINT64_MAX)); }),
            "the number 18446744073709551615 does not fit int64");
  EXPECT_EQ(refusal([] { unpack<std::vector<std::uint8_t>>(packed(3)); }),
            "expected bytes, got an integer");
  EXPECT_EQ(refusal([] { unpack<std::vector<std::int8_t>>(packed(std::vector<int>{300})); }),
            "the number 300 does not fit int8");
  EXPECT_TRUE(refuses([] { unpack<float>(packed(1e300)); }));
  EXPECT_TRUE(refuses([] { unpack<Color>(packed(256)); }));
  EXPECT_TRUE(refuses([] { unpack<char>(packed(1'000)); }));
}

TEST(CodecRefusal, NamesWhatWasExpectedAndWhatCame) {
  EXPECT_EQ(refusal([] { unpack<bool>(packed(1)); }), "expected a boolean, got an integer");
  EXPECT_EQ(refusal([] { unpack<std::string>(packed(1)); }), "expected a string, got an integer");
  EXPECT_EQ(refusal([] { unpack<double>(packed(std::string())); }),
            "expected a real, got a string");
  EXPECT_EQ(refusal([] { unpack<std::vector<int>>(packed(1)); }),
            "expected a list, got an integer");
  EXPECT_EQ(refusal([] { unpack<std::vector<int>>(packed(std::vector<bool>{true})); }),
            "expected an integer, got a boolean");
  EXPECT_EQ((refusal([] { unpack<std::map<int, int>>(packed(std::vector<int>{})); })),
            "expected a map, got a list");
  EXPECT_EQ(refusal([] { unpack<Color>(packed(true)); }), "expected an enumerator, got a boolean");
  EXPECT_EQ(refusal([] { unpack<char>(packed(true)); }), "expected a character, got a boolean");
  EXPECT_EQ(refusal([] { unpack<std::optional<int>>(packed(true)); }),
            "expected an integer, got a boolean");
}

TEST(CodecRefusal, OfTuplesOfAnotherSize) {
  const std::string two = packed(std::vector<int>{1, 2});
  EXPECT_EQ((refusal([&] { unpack<std::tuple<int>>(two); })), "expected 1 elements, got 2");
  EXPECT_EQ((refusal([&] { unpack<std::tuple<int, int, int>>(two); })),
            "expected 3 elements, got 2");
  EXPECT_EQ((refusal([&] { unpack<std::array<int, 3>>(two); })), "expected 3 elements, got 2");
  EXPECT_EQ((refusal([&] { unpack<std::array<int, 1>>(two); })), "expected 1 elements, got 2");
  EXPECT_EQ((refusal([] { unpack<std::pair<int, int>>(packed(std::vector<int>{1})); })),
            "expected 2 elements, got 1");
  EXPECT_EQ((refusal([] {
              unpack<std::vector<std::pair<int, int>>>(packed(std::vector<std::tuple<int>>{{1}}));
            })), "expected 2 elements, got 1");
  EXPECT_TRUE((refuses([&] { unpack<std::array<unsigned char, 3>>(unhex("c4 04 01 02 03 04")); })));
}

TEST(CodecRefusal, OfAKeyThatComesTwice) {
  EXPECT_EQ((refusal([] { unpack<std::map<int, int>>(unhex("82 01 02 01 03")); })),
            "a map has one key twice");
  EXPECT_EQ((refusal([] { unpack<std::unordered_map<int, int>>(unhex("82 01 02 01 03")); })),
            "a map has one key twice");
}

// Counts how often keys are compared.
struct CountingEqual {
  static inline std::size_t calls = 0;
  bool operator()(std::uint64_t a, std::uint64_t b) const {
    ++calls;
    return a == b;
  }
};
struct OneHash {
  std::size_t operator()(std::uint64_t) const { return 7; }
};
template <class Hash>
using Set = std::unordered_set<std::uint64_t, Hash, CountingEqual>;
template <class Hash>
using Map = std::unordered_map<std::uint64_t, bool, Hash, CountingEqual>;

TEST(HashTables, OfKeysThatShareABucketByTheirStrideAreReadWithoutComparingAll) {
  constexpr std::size_t kKeys = 20'000;
  Set<std::hash<std::uint64_t>> plain;
  for (std::uint64_t i = 0; i < kKeys; ++i) plain.insert(i);
  std::vector<std::uint64_t> keys;
  std::map<std::uint64_t, bool> entries;
  for (const std::uint64_t i : plain) {
    keys.push_back(i * plain.bucket_count());
    entries.emplace(keys.back(), true);
  }
  CountingEqual::calls = 0;
  const auto set = unpack<Set<std::hash<std::uint64_t>>>(packed(keys));
  const auto map = unpack<Map<std::hash<std::uint64_t>>>(packed(entries));
  EXPECT_LT(CountingEqual::calls, 100 * kKeys);
  EXPECT_EQ(set.size(), kKeys);
  EXPECT_EQ(map.size(), kKeys);
  for (const std::uint64_t key : keys) ASSERT_TRUE(set.contains(key) && map.contains(key));
}

TEST(HashTables, OfKeysOfOneHashAreReadUpToABound) {
  std::vector<std::uint64_t> keys(2'000);
  std::iota(keys.begin(), keys.end(), 0);
  EXPECT_EQ(unpack<Set<OneHash>>(packed(keys)).size(), keys.size());
  keys.resize(15'000);
  std::iota(keys.begin(), keys.end(), 0);
  std::map<std::uint64_t, bool> entries;
  for (const std::uint64_t key : keys) entries.emplace(key, true);
  EXPECT_EQ(refusal([&] { unpack<Map<OneHash>>(packed(entries)); }),
            "too many keys of a map or a set have one hash");
  // Of several in one message together.
  keys.resize(9'000);
  EXPECT_EQ(refusal([&] { unpack<std::vector<Set<OneHash>>>(packed(std::vector{keys, keys})); }),
            "too many keys of a map or a set have one hash");
}

template <class T>
void expect_strict(const T& value) {
  const std::string bytes = packed(value);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const test::Exact part(bytes.substr(0, size));
    EXPECT_TRUE(refuses([&] { unpack<T>(part.view()); })) << size;
  }
  EXPECT_EQ(refusal([&] { unpack<T>(bytes + '\xc0'); }), "malformed message: bytes follow its end");
}

TEST(CodecRefusal, OfWhatIsTruncatedOrGoesOn) {
  expect_strict(5);
  expect_strict(true);
  expect_strict(0.5);
  expect_strict('x');
  expect_strict(Color::blue);
  expect_strict(std::string(40, 'x'));
  expect_strict(std::vector<std::vector<int>>{{1, 2}, {3}});
  expect_strict(std::map<std::string, std::optional<int>>{{"a", 1}, {"b", {}}});
  expect_strict(std::tuple<int, std::string, std::array<char, 3>>{1, "x", {}});
  expect_strict(std::make_shared<int>(1'000));
  expect_strict(Value(Value::List{1, "two", Value::of_map({{3, 4.0}})}));
}

TEST(CodecRefusal, OfAnnouncedLengthsTakesNoMemory) {
  EXPECT_TRUE(refuses([] { unpack<std::vector<int>>(unhex("dd ff ff ff ff")); }));
  EXPECT_TRUE(refuses([] { unpack<std::vector<std::string>>(unhex("91 db ff ff ff ff")); }));
  EXPECT_TRUE((refuses([] { unpack<std::map<int, int>>(unhex("df ff ff ff ff 01 01")); })));
  EXPECT_TRUE(refuses([] { unpack<std::shared_ptr<std::vector<int>>>(unhex("dd ff ff ff ff")); }));
  EXPECT_TRUE(refuses([] { unpack<Bytes>(unhex("c6 ff ff ff ff")); }));
}

TEST(CodecFuzz, ChangedBytesAreRefusedOrRead) {
  using Deep = std::map<std::string, std::vector<std::tuple<int, std::optional<double>, Value>>>;
  const std::string bytes =
      packed(Deep{{"a", {{1, 0.5, Value("x")}, {-1, {}, Value(Value::List{1, 2})}}}, {"b", {}}});
  test::Mutator mutator(test::seed_of_run());
  for (int round = 0; round < 3'000; ++round) {
    const test::Exact changed(mutator.mutate(bytes));
    refuses([&] {
      const Deep deep = unpack<Deep>(changed.view());
      EXPECT_EQ(packed(round_trip(deep)), packed(deep));
    });
    refuses([&] { unpack<std::shared_ptr<Deep>>(changed.view()); });
  }
}

}  // namespace
}  // namespace steward::detail::core
