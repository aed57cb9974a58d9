#include <steward/core/value.hpp>

#include <array>
#include <cmath>
#include <deque>
#include <filesystem>
#include <map>
#include <set>
#include <sstream>
#include <type_traits>
#include <unordered_map>

#include <gtest/gtest.h>

#include <steward/core/codec.hpp>

#include <steward/tests/core/support.hpp>

namespace steward {
namespace {

using detail::core::Bytes;

using detail::test::FakeList;
using detail::test::reference;
using detail::test::refusal;
using IntByName = std::map<std::string, int>;
using Limits64 = std::numeric_limits<std::int64_t>;

// ---- What a Value is made of ----

// Every kind of character is refused: is it a letter or a number?
static_assert(!std::is_constructible_v<Value, char>);
static_assert(!std::is_constructible_v<Value, wchar_t>);
static_assert(!std::is_constructible_v<Value, char8_t>);
static_assert(!std::is_constructible_v<Value, char16_t>);
static_assert(!std::is_constructible_v<Value, char32_t>);
// And what is no value at all, or only looks at one.
static_assert(!std::is_constructible_v<Value, void*>);
static_assert(!std::is_constructible_v<Value, int*>);
static_assert(!std::is_constructible_v<Value, std::byte>);
static_assert(!std::is_constructible_v<Value, ValueKind>);
static_assert(!std::is_constructible_v<Value, std::pair<int, int>>);
static_assert(!std::is_constructible_v<Value, std::optional<char>>);
static_assert(!std::is_constructible_v<Value, std::vector<char32_t>>);
static_assert(!std::is_constructible_v<Value, std::array<std::byte, 4>>);
static_assert(!std::is_constructible_v<Value, int, int>);
static_assert(!std::is_constructible_v<Value, Value::Map>);  // a list of pairs? see of_map

// Anything else becomes a Value by itself.
static_assert(std::is_convertible_v<bool, Value> && std::is_convertible_v<int, Value>);
static_assert(std::is_convertible_v<signed char, Value> && std::is_convertible_v<float, Value>);
static_assert(std::is_convertible_v<const char*, Value> && std::is_convertible_v<char*, Value>);
static_assert(std::is_convertible_v<std::string, Value>);
static_assert(std::is_convertible_v<std::vector<std::vector<int>>, Value>);
static_assert(std::is_convertible_v<std::map<std::string, int>, Value>);
static_assert(std::is_convertible_v<FakeList, Value>);
static_assert(std::is_nothrow_move_constructible_v<Value>);
static_assert(std::is_nothrow_move_assignable_v<Value>);
static_assert(std::is_nothrow_default_constructible_v<Value>);

TEST(ValueMaking, ChoosesTheKindByTheType) {
  EXPECT_EQ(Value().kind(), ValueKind::nil);
  EXPECT_EQ(Value(nullptr).kind(), ValueKind::nil);
  EXPECT_EQ(Value(true).kind(), ValueKind::boolean);
  EXPECT_EQ(Value(0).kind(), ValueKind::integer);
  EXPECT_EQ(Value(std::uint8_t{7}).kind(), ValueKind::integer);
  EXPECT_EQ(Value(1.0F).kind(), ValueKind::real);
  EXPECT_EQ(Value(1.0L).kind(), ValueKind::real);
  EXPECT_EQ(Value("text").kind(), ValueKind::string);
  EXPECT_EQ(Value(std::string_view("text")).kind(), ValueKind::string);
  EXPECT_EQ(Value(Bytes{}).kind(), ValueKind::bytes);
  EXPECT_EQ(Value(std::vector<char>{}).kind(), ValueKind::bytes);
  EXPECT_EQ(Value(std::vector<unsigned char>{}).kind(), ValueKind::bytes);
  EXPECT_EQ(Value(std::vector<int>{}).kind(), ValueKind::list);
  EXPECT_EQ(Value(std::set<std::string>{}).kind(), ValueKind::list);
  EXPECT_EQ(Value(std::map<int, int>{}).kind(), ValueKind::map);
  EXPECT_EQ(Value(std::unordered_map<std::string, Value>{}).kind(), ValueKind::map);
  EXPECT_EQ(Value(FakeList::from_reference(reference("list", 1))).kind(), ValueKind::proxy);
}

TEST(ValueMaking, ATextIsNotABoolean) {
  const char* pointer = "yes";
  char array[] = "yes";
  char* writable = array;
  EXPECT_EQ(Value(pointer).string(), "yes");
  EXPECT_EQ(Value(array).string(), "yes");
  EXPECT_EQ(Value(writable).string(), "yes");
  EXPECT_EQ(Value("").string(), "");
  EXPECT_EQ(Value(std::string("a\0b", 3)).string().size(), 3U);
  EXPECT_EQ(Value(std::filesystem::path("/a/b")).string(), "/a/b");
}

TEST(ValueMaking, ANullPointerIsNoText) {
  const char* nothing = nullptr;
  EXPECT_EQ(refusal([&] { Value value(nothing); }), "a null pointer is no text");
}

TEST(ValueMaking, BracesAroundAValueDoNotWrapIt) {
  const Value one(1);
  EXPECT_EQ(Value{one}.kind(), ValueKind::integer);
  EXPECT_EQ(Value{Value{one}}.kind(), ValueKind::integer);
  const Value copied = {one};
  EXPECT_EQ(copied.kind(), ValueKind::integer);
  EXPECT_EQ(Value{Value::List{one}}.list().size(), 1U);
  EXPECT_TRUE(Value{}.is_nil());
}

TEST(ValueMaking, KeepsWhatContainersHold) {
  EXPECT_EQ(Value(std::vector<int>{1, 2}), Value(Value::List{1, 2}));
  EXPECT_EQ(Value(std::deque<std::string>{"a"}), Value(Value::List{"a"}));
  EXPECT_EQ(Value(std::vector<bool>{true, false}), Value(Value::List{true, false}));
  EXPECT_EQ(Value(std::vector<std::optional<int>>{1, std::nullopt}), Value(Value::List{1, {}}));
  EXPECT_EQ(Value(std::vector<std::vector<int>>{{1}, {}}),
            Value(Value::List{Value::List{1}, Value::List{}}));
  EXPECT_EQ(Value(std::array<double, 2>{1, 2}), Value(Value::List{1.0, 2.0}));
  const Value map(std::map<std::string, int>{{"a", 1}, {"b", 2}});
  EXPECT_EQ(map, Value::of_map({{"b", 2}, {"a", 1}}));
  EXPECT_EQ(Value(std::vector<char>{'a', 'b'}).bytes(), "ab");
  EXPECT_EQ(Value(Bytes{std::byte{'a'}}).bytes(), "a");
}

TEST(ValueMaking, AnEmptyOptionalIsNil) {
  EXPECT_TRUE(Value(std::optional<int>()).is_nil());
  EXPECT_EQ(Value(std::optional<int>(3)), Value(3));
  EXPECT_EQ(Value(std::optional<std::string>("x")), Value("x"));
}

TEST(ValueMaking, AMapHasEachKeyOnce) {
  EXPECT_EQ(refusal([] { Value::of_map({{"a", 1}, {"b", 2}, {"a", 3}}); }),
            "a map has the key \"a\" twice");
  EXPECT_TRUE(detail::test::refuses([] { Value::of_map({{1, 1}, {1.0, 2}}); }));
  EXPECT_EQ(refusal([] { Value::of_map({{NAN, 1}, {NAN, 2}}); }), "a map has the key NaN twice");
  const std::multimap<int, int> twice{{1, 1}, {1, 2}};
  EXPECT_EQ(refusal([&] { Value value(twice); }), "a map has the key 1 twice");
  EXPECT_EQ(Value::of_map({{1, 1}, {"1", 2}, {true, 3}}).map().size(), 3U);
}

TEST(ValueMaking, AMapKeepsTheOrderOfInsertion) {
  const Value map = Value::of_map({{"z", 1}, {"a", 2}, {"m", 3}});
  EXPECT_EQ(map.json(), R"({"z": 1, "a": 2, "m": 3})");
}

TEST(ValueMaking, WhatWasMovedFromIsNil) {
  for (const Value& original :
       {Value(1), Value("a text that is long enough for the heap"), Value(Value::List{1}),
        Value::of_map({{1, 2}}), Value::of_bytes("b"), Value::of_reference(reference("list", 1))}) {
    Value from = original;
    Value to = std::move(from);
    EXPECT_EQ(to, original);
    EXPECT_TRUE(from.is_nil());  // NOLINT(bugprone-use-after-move)
    from = std::move(to);
    EXPECT_EQ(from, original);
    EXPECT_TRUE(to.is_nil());  // NOLINT(bugprone-use-after-move)
  }
}

// ---- What it is read as ----

TEST(ValueReading, IsTellsWhetherAsWouldReadItUnchanged) {
  EXPECT_TRUE(Value(1).is<int>());
  EXPECT_FALSE(Value(1).is<double>());
  EXPECT_FALSE(Value(1).is<bool>());
  EXPECT_FALSE(Value(1.0).is<int>());
  EXPECT_TRUE(Value(1.0).is<float>());
  EXPECT_TRUE(Value(true).is<bool>());
  EXPECT_FALSE(Value(true).is<int>());
  EXPECT_TRUE(Value("a").is<std::string>());
  EXPECT_TRUE(Value("a").is<std::string_view>());
  EXPECT_TRUE(Value().is<std::nullptr_t>());
  EXPECT_FALSE(Value(0).is<std::nullptr_t>());
  EXPECT_TRUE(Value(Bytes{}).is<Bytes>());
  EXPECT_FALSE(Value("a").is<Bytes>());
  EXPECT_TRUE(Value(Value::List{}).is<std::vector<int>>());
  EXPECT_TRUE((Value::of_map({}).is<std::map<int, int>>()));
  EXPECT_FALSE(Value::of_map({}).is<std::vector<int>>());
  EXPECT_TRUE(Value().is<Value>());
}

TEST(ValueReading, IsRespectsTheRangeOfIntegers) {
  EXPECT_TRUE(Value(127).is<std::int8_t>());
  EXPECT_FALSE(Value(128).is<std::int8_t>());
  EXPECT_TRUE(Value(255).is<std::uint8_t>());
  EXPECT_FALSE(Value(256).is<std::uint8_t>());
  EXPECT_FALSE(Value(-1).is<std::uint64_t>());
  EXPECT_TRUE(Value(Limits64::max()).is<std::int64_t>());
  const Value large(std::uint64_t{1} << 63U);
  EXPECT_FALSE(large.is<std::int64_t>());
  EXPECT_TRUE(large.is<std::uint64_t>());
}

TEST(ValueReading, AsGivesWhatFits) {
  EXPECT_EQ(Value(-128).as<std::int8_t>(), -128);
  EXPECT_EQ(Value(Limits64::min()).as<std::int64_t>(), Limits64::min());
  EXPECT_EQ(Value(UINT64_MAX).as<std::uint64_t>(), UINT64_MAX);
  EXPECT_EQ(Value(3).as<double>(), 3.0);
  EXPECT_EQ(Value(UINT64_MAX).as<double>(), 0x1p64);
  EXPECT_EQ(Value(1.5).as<float>(), 1.5F);
  EXPECT_TRUE(std::isinf(Value(INFINITY).as<float>()));
  EXPECT_TRUE(std::isnan(Value(NAN).as<float>()));
  EXPECT_EQ(Value("a").as<std::string>(), "a");
  EXPECT_EQ(Value::of_bytes("ab").as<Bytes>(), (Bytes{std::byte{'a'}, std::byte{'b'}}));
  EXPECT_EQ(Value::of_bytes("ab").as<std::vector<char>>(), (std::vector<char>{'a', 'b'}));
  EXPECT_EQ(Value(1).as<Value>(), Value(1));
  EXPECT_EQ(Value(Value::List{1, 2}).as<std::vector<int>>(), (std::vector<int>{1, 2}));
  EXPECT_EQ(Value::of_map({{"a", 1}}).as<IntByName>().at("a"), 1);
  EXPECT_EQ(Value().as<std::optional<int>>(), std::nullopt);
  EXPECT_EQ(Value(7).as<std::optional<int>>(), 7);
}

TEST(ValueReading, ARefusalNamesWhatWasWantedAndWhatIsThere) {
  EXPECT_EQ(refusal([] { Value(128).as<std::int8_t>(); }), "the number 128 does not fit int8");
  EXPECT_EQ(refusal([] { Value(-1).as<std::uint32_t>(); }), "the number -1 does not fit uint32");
  EXPECT_EQ(refusal([] { Value(UINT64_MAX).as<std::int64_t>(); }),
            "the number 18446744073709551615 does not fit int64");
  EXPECT_EQ(refusal([] { Value(UINT64_MAX).integer(); }),
            "the number 18446744073709551615 does not fit int64");
  EXPECT_EQ(refusal([] { Value(-1).natural(); }), "the number -1 does not fit uint64");
  EXPECT_EQ(refusal([] { Value("x").as<int>(); }), "expected an integer, got string \"x\"");
  EXPECT_EQ(refusal([] { Value(1.0).as<int>(); }), "expected an integer, got real 1.0");
  EXPECT_EQ(refusal([] { Value(1.0).as<unsigned>(); }), "expected an integer, got real 1.0");
  EXPECT_EQ(refusal([] { Value().as<std::string>(); }), "expected a string, got nil");
  EXPECT_EQ(refusal([] { Value(1).as<bool>(); }), "expected a bool, got integer 1");
  EXPECT_EQ(refusal([] { Value("1").as<double>(); }), "expected a real, got string \"1\"");
  EXPECT_EQ(refusal([] { Value("1").as<Bytes>(); }), "expected bytes, got string \"1\"");
  EXPECT_EQ(refusal([] { Value(1).list(); }), "expected a list, got integer 1");
  EXPECT_EQ(refusal([] { Value(1).map(); }), "expected a map, got integer 1");
  EXPECT_EQ(refusal([] { Value(1).reference(); }), "expected a proxy, got integer 1");
  EXPECT_EQ(refusal([] { Value(1).as<std::vector<int>>(); }), "expected a list, got an integer");
  EXPECT_TRUE(detail::test::refuses([] { Value(1e300).as<float>(); }));
}

TEST(ValueReading, ARefusalShowsNoMoreThanTheBeginningOfALargeValue) {
  const Value large(std::vector<int>(1'000'000, 7));
  EXPECT_LT(refusal([&] { large.string(); }).size(), 150U);
  const Value text(std::string(1'000'000, '\n'));
  EXPECT_LT(refusal([&] { text.integer(); }).size(), 150U);
  EXPECT_TRUE(refusal([&] { text.integer(); }).ends_with("\\n\\..."));
  const Value letters(std::string(78, 'x') + "\xe2\x82\xac\xe2\x82\xac");
  EXPECT_TRUE(refusal([&] { letters.integer(); }).ends_with("xx..."));
}

TEST(ValueReading, AProxyIsCheckedForItsType) {
  const detail::core::ReferencePtr list = reference("list", 3);
  const Value value = Value::of_reference(list);
  EXPECT_TRUE(value.is<FakeList>());
  EXPECT_EQ(value.as<FakeList>().reference(), list);
  const Value lock = Value::of_reference(reference("lock", 4));
  EXPECT_FALSE(lock.is<FakeList>());
  EXPECT_EQ(refusal([&] { lock.as<FakeList>(); }), "expected a list proxy, got lock#4");
  EXPECT_EQ(refusal([] { Value(1).as<FakeList>(); }), "expected a proxy, got integer 1");
}

// ---- Nesting ----

Value nested(std::size_t depth) {
  Value value(1);
  for (std::size_t i = 0; i < depth; ++i) {
    value = i % 2 == 0 ? Value(Value::List{value}) : Value::of_map({{"k", value}});
  }
  return value;
}

TEST(ValueNesting, IsKnownWithoutLooking) {
  EXPECT_EQ(Value(1).depth(), 0U);
  EXPECT_EQ(Value("x").depth(), 0U);
  EXPECT_EQ(Value(Value::List{}).depth(), 1U);
  EXPECT_EQ(Value::of_map({}).depth(), 1U);
  EXPECT_EQ(Value(Value::List{1, Value::List{2}, 3}).depth(), 2U);
  EXPECT_EQ(Value::of_map({{Value(Value::List{1, Value::List{}}), 1}}).depth(), 3U);
  EXPECT_EQ(nested(17).depth(), 17U);
}

TEST(ValueNesting, IsBoundedSoThatNoWalkOverflowsTheStack) {
  EXPECT_EQ(nested(detail::core::kFrameDepth).depth(), detail::core::kFrameDepth);
  EXPECT_EQ(refusal([] { nested(detail::core::kFrameDepth + 1); }),
            "a value is nested more than 72 deep");
  const Value deep = nested(detail::core::kFrameDepth);
  EXPECT_TRUE(detail::test::refuses([&] { Value list(std::vector<Value>{deep}); }));
  EXPECT_TRUE(detail::test::refuses([&] { Value::of_map({{"k", deep}}); }));
  EXPECT_TRUE(detail::test::refuses([&] { Value::of_map({{deep, 1}}); }));
}

TEST(ValueNesting, ProxiesInsideAreKnownWithoutLooking) {
  const Value proxy = Value::of_reference(reference("list", 1));
  EXPECT_TRUE(proxy.has_proxies());
  EXPECT_FALSE(Value(1).has_proxies());
  EXPECT_FALSE(Value(Value::List{1, 2}).has_proxies());
  EXPECT_TRUE(Value(Value::List{1, Value::List{proxy}}).has_proxies());
  EXPECT_TRUE(Value::of_map({{"k", proxy}}).has_proxies());
  EXPECT_TRUE(Value::of_map({{proxy, "v"}}).has_proxies());
}

TEST(ValueNesting, AFootprintFollowsFromTheContents) {
  for (const Value& scalar : {Value(), Value(true), Value(1), Value(0.5), Value(""),
                              Value::of_reference(reference("list", 7))}) {
    EXPECT_EQ(scalar.footprint(), 64U) << scalar;
  }
  EXPECT_EQ(Value(std::string(1000, 'x')).footprint(), 64U + 1000);
  EXPECT_EQ(Value::of_bytes(std::string(1000, 'x')).footprint(), 64U + 64 + 1000);
  EXPECT_EQ(Value(Value::List{}).footprint(), 64U + 64);
  EXPECT_EQ(Value(Value::List{1, "abc"}).footprint(), 64U + 64 + 64 + 67);
  EXPECT_EQ(Value::of_map({{"abc", Value(Value::List{})}}).footprint(), 64U + 64 + 67 + 128);
  // The same whatever was allocated for it.
  std::string roomy;
  roomy.reserve(10'000);
  EXPECT_EQ(Value(std::move(roomy)).footprint(), 64U);
}

TEST(ValueNesting, AFootprintDoesNotOverflow) {
  Value twice(1);
  std::size_t before = 0;
  for (std::size_t i = 0; i < detail::core::kFrameDepth; ++i) {
    twice = Value(Value::List{twice, twice});
    EXPECT_GE(twice.footprint(), before);
    before = twice.footprint();
  }
}

// ---- Printing ----

TEST(ValuePrinting, IsSpacedJson) {
  EXPECT_EQ(Value().json(), "null");
  EXPECT_EQ(Value(true).json(), "true");
  EXPECT_EQ(Value(false).json(), "false");
  EXPECT_EQ(Value(-5).json(), "-5");
  EXPECT_EQ(Value(UINT64_MAX).json(), "18446744073709551615");
  EXPECT_EQ(Value(Value::List{}).json(), "[]");
  EXPECT_EQ(Value::of_map({}).json(), "{}");
  EXPECT_EQ(Value(Value::List{1, "a", Value::of_map({{"k", Value()}})}).json(),
            R"([1, "a", {"k": null}])");
  EXPECT_EQ(Value::of_bytes(std::string("\x00\xff", 2)).json(), R"("0x00ff")");
  std::ostringstream out;
  out << Value(Value::List{1, 2});
  EXPECT_EQ(out.str(), "[1, 2]");
}

TEST(ValuePrinting, ARealIsNeverTakenForAnInteger) {
  EXPECT_EQ(Value(1.0).json(), "1.0");
  EXPECT_EQ(Value(-0.0).json(), "-0.0");
  EXPECT_EQ(Value(0.1).json(), "0.1");
  EXPECT_EQ(Value(1e300).json(), "1e+300");
  EXPECT_EQ(Value(1e15).json(), "1000000000000000.0");
  EXPECT_EQ(Value(NAN).json(), "NaN");
  EXPECT_EQ(Value(INFINITY).json(), "Infinity");
  EXPECT_EQ(Value(-INFINITY).json(), "-Infinity");
}

TEST(ValuePrinting, EscapesWhatJsonCannotHold) {
  EXPECT_EQ(Value("\"\\/\n\r\t").json(), R"("\"\\/\n\r\t")");
  EXPECT_EQ(Value(std::string("\0\x01\x1f\x7f", 4)).json(), "\"\\u0000\\u0001\\u001f\x7f\"");
  EXPECT_EQ(Value("\xc3\xa4 \xf0\x9d\x84\x9e").json(), "\"\xc3\xa4 \xf0\x9d\x84\x9e\"");
  EXPECT_EQ(Value::of_map({{"\n", 1}}).json(), R"({"\n": 1})");
}

TEST(ValuePrinting, AProxyRepresentsItself) {
  EXPECT_EQ(Value::of_reference(reference("list", 0x1f)).json(),
            "<ListProxy object, typeid 'list' at 0x1f>");
  EXPECT_EQ(Value::of_reference(nullptr).json(), "<empty proxy>");
  EXPECT_EQ(detail::core::representation(detail::core::Token{}),
            "<Proxy object, typeid '' at 0x0>");
}

TEST(ValuePrinting, APrefixStopsEarly) {
  EXPECT_EQ(detail::core::json_prefix(Value(Value::List{1, 2}), 6), "[1, 2]");
  EXPECT_EQ(detail::core::json_prefix(Value(Value::List{1, 2, 3}), 6), "[1, 2,...");
  // Eighty levels of two times the same: printed in full it would never end.
  Value twice(1);
  for (std::size_t i = 0; i < detail::core::kFrameDepth; ++i)
    twice = Value(Value::List{twice, twice});
  EXPECT_LT(detail::core::json_prefix(twice, 100).size(), 110U);
}

TEST(ValuePrinting, KindsHaveNames) {
  EXPECT_EQ(to_string(ValueKind::nil), "nil");
  EXPECT_EQ(to_string(ValueKind::boolean), "bool");
  EXPECT_EQ(to_string(ValueKind::integer), "integer");
  EXPECT_EQ(to_string(ValueKind::real), "real");
  EXPECT_EQ(to_string(ValueKind::string), "string");
  EXPECT_EQ(to_string(ValueKind::bytes), "bytes");
  EXPECT_EQ(to_string(ValueKind::list), "list");
  EXPECT_EQ(to_string(ValueKind::map), "map");
  EXPECT_EQ(to_string(ValueKind::proxy), "proxy");
}

}  // namespace
}  // namespace steward
