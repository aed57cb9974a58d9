// Users' own types: MSGPACK_DEFINE, raw structs, adaptors of their own.
#include <steward/core/codec.hpp>

#include <cstring>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <steward/tests/core/support.hpp>

namespace steward::detail::core {
namespace {

using test::FakeList;
using test::hex;
using test::refusal;
using test::refuses;

struct Person {
  std::string name;
  int age = 0;
  std::vector<double> scores;
  MSGPACK_DEFINE(name, age, scores)
  friend bool operator==(const Person&, const Person&) = default;
};
struct Named {
  int x = 0;
  int y = 0;
  MSGPACK_DEFINE_MAP(x, y)
  friend bool operator==(const Named&, const Named&) = default;
};
struct Node {
  int number = 0;
  std::vector<Node> children;
  MSGPACK_DEFINE(number, children)
  friend bool operator==(const Node&, const Node&) = default;
};
struct Point {
  double x = 0;
  float y = 0;
  friend bool operator==(const Point&, const Point&) = default;
};
// Trivial, and written by its owner as text.
struct Spelled {
  int number = 0;
  friend bool operator==(const Spelled&, const Spelled&) = default;
};
// While it is read, somebody else changes the bytes that came.
struct Disturbed {
  static inline char* came = nullptr;
  std::string text;
  template <class Packer>
  void msgpack_pack(Packer& packer) const {
    packer.pack(text);
  }
  void msgpack_unpack(const msgpack::object& in) {
    *came = 'x';
    text = in.as<std::string>();
  }
};
enum class Day { monday, sunday };
struct Holder {
  Value any;
  FakeList list;
  std::map<std::string, FakeList> more;
  MSGPACK_DEFINE(any, list, more)
};
struct Fixed {
  int numbers[2] = {1, 2};
  const int* begin() const { return numbers; }
  const int* end() const { return numbers + 2; }
};

}  // namespace
}  // namespace steward::detail::core

namespace msgpack {
MSGPACK_API_VERSION_NAMESPACE(MSGPACK_DEFAULT_API_NS) {
  namespace adaptor {
  template <>
  struct pack<steward::detail::core::Spelled> {
    template <class Stream>
    packer<Stream>& operator()(packer<Stream>& out,
                               const steward::detail::core::Spelled& value) const {
      return out << std::string(static_cast<std::size_t>(value.number), 'i');
    }
  };
  template <>
  struct convert<steward::detail::core::Spelled> {
    const msgpack::object& operator()(const msgpack::object& in,
                                      steward::detail::core::Spelled& value) const {
      value.number = static_cast<int>(in.as<std::string>().size());
      return in;
    }
  };
  // A container whose owner writes all of it as one number.
  template <>
  struct pack<std::vector<steward::detail::core::Spelled>> {
    template <class Stream>
    packer<Stream>& operator()(packer<Stream>& out,
                               const std::vector<steward::detail::core::Spelled>& value) const {
      return out << static_cast<int>(value.size());
    }
  };
  template <>
  struct convert<std::vector<steward::detail::core::Spelled>> {
    const msgpack::object& operator()(const msgpack::object& in,
                                      std::vector<steward::detail::core::Spelled>& value) const {
      value.resize(in.as<std::size_t>());
      return in;
    }
  };
  }  // namespace adaptor
}
}  // namespace msgpack
MSGPACK_ADD_ENUM(steward::detail::core::Day);

namespace steward::detail::core {
namespace {

static_assert(Packable<Person> && Packable<Node> && Packable<std::vector<Point>>);
static_assert(TravelsRaw<Point> && TravelsRaw<Fixed>);
static_assert(!TravelsRaw<Person> && !TravelsRaw<Spelled> && !TravelsRaw<FakeList>);
static_assert(!TravelsRaw<std::array<int, 3>> && !TravelsRaw<std::optional<int>>);
static_assert(!TravelsRaw<std::chrono::seconds> && !TravelsRaw<int>);
static_assert(Packable<Spelled> && Packable<Day> && Packable<Holder>);

template <class T>
T round_trip(const T& value) {
  return unpack<T>(packed(value));
}

TEST(Structs, WithDefinedMembersAreLists) {
  const Person person{"Ann", 30, {1, 2.5}};
  EXPECT_EQ(round_trip(person), person);
  EXPECT_EQ(unpack<Value>(packed(person)).json(), R"(["Ann", 30, [1.0, 2.5]])");
  const std::map<std::string, std::vector<Person>> people{{"a", {person, {}}}, {"b", {}}};
  EXPECT_EQ(round_trip(people), people);
  EXPECT_EQ(unpack<Value>(packed(Named{1, 2})).json(), R"({"x": 1, "y": 2})");
  EXPECT_EQ(round_trip(Named{1, 2}), (Named{1, 2}));
}

TEST(Structs, MayHoldThemselves) {
  const Node tree{1, {{2, {{3, {}}}}, {4, {}}}};
  EXPECT_EQ(round_trip(tree), tree);
  const std::string bomb = std::string(1'000'000, '\x92') + "\x01\x90";
  EXPECT_TRUE(refuses([&] { unpack<Node>(bomb); }));
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "\x92\x01\x91";
  EXPECT_EQ(refusal([&] { unpack<Node>(deep + "\x92\x01\x90"); }),
            "values are nested more than 72 deep");
}

TEST(Structs, AreReadFromBytesThatNobodyElseChanges) {
  std::string bytes = packed(Disturbed{"abc"});
  Disturbed::came = &bytes[1];
  EXPECT_EQ(unpack<Disturbed>(bytes).text, "abc");
  EXPECT_EQ(bytes[1], 'x');
}

TEST(Structs, OfAnotherShapeAreRefusedWithAHint) {
  EXPECT_EQ(refusal([] { unpack<Person>(packed(1)); }),
            "expected the members of a struct as it is defined here, got an integer");
  EXPECT_EQ(refusal([] { unpack<Person>(packed(std::vector<int>{1, 2, 3})); }),
            "expected the members of a struct as it is defined here, got a list of 3 items");
}

TEST(Structs, OfAnOlderOrNewerVersionAreReadAsFarAsTheyGo) {
  const Person older = unpack<Person>(packed(std::tuple<std::string, int>{"Ann", 30}));
  EXPECT_EQ(older, (Person{"Ann", 30, {}}));
  using Newer = std::tuple<std::string, int, std::vector<double>, bool>;
  EXPECT_EQ(unpack<Person>(packed(Newer{"Ann", 30, {1}, true})), (Person{"Ann", 30, {1}}));
}

TEST(RawStructs, TravelAsTheirBytes) {
  const Point point{1.5, 2.5F};
  EXPECT_EQ(round_trip(point), point);
  EXPECT_EQ(hex(packed(point)), "c4 10 00 00 00 00 00 00 f8 3f 00 00 20 40 00 00 00 00");
  const std::map<std::string, std::optional<Point>> points{{"a", point}, {"b", std::nullopt}};
  EXPECT_EQ(round_trip(points), points);
  EXPECT_EQ(unpack<Value>(packed(point)).kind(), ValueKind::bytes);
}

TEST(RawStructs, OfAnotherSizeAreRefused) {
  const std::string shorter = packed(Bytes(15));
  EXPECT_EQ(refusal([&] { unpack<Point>(shorter); }),
            "expected a raw struct of 16 bytes, got 15 bytes");
  EXPECT_EQ(refusal([] { unpack<Point>(packed(Bytes(17))); }),
            "expected a raw struct of 16 bytes, got 17 bytes");
  EXPECT_EQ(refusal([] { unpack<Point>(packed(std::string(16, 'x'))); }),
            "expected a raw struct of 16 bytes, got a string");
  EXPECT_EQ(refusal([] { unpack<std::vector<Point>>(packed(std::vector<int>{1})); }),
            "expected a raw struct of 16 bytes, got an integer");
}

TEST(RawStructs, WithEqualMembersHaveEqualBytes) {
  std::string first;
  for (const int garbage : {0x00, 0x77, 0xff}) {
    alignas(Point) unsigned char memory[sizeof(Point)];
    std::memset(memory, garbage, sizeof memory);
    auto* point = new (memory) Point;
    point->x = 1;
    point->y = 2;
    std::vector<Point> points(1);
    // As a copy within a container brings padding along.
    std::memcpy(static_cast<void*>(points.data()), memory, sizeof memory);
    const std::string bytes = packed(points);
    if (first.empty()) first = bytes;
    EXPECT_EQ(hex(bytes), hex(first));
  }
}

TEST(Adaptors, OfTheUserWinOverEveryOther) {
  EXPECT_EQ(packed(Spelled{3}), "\xa3iii");
  EXPECT_EQ(round_trip(Spelled{3}), Spelled{3});
  const std::map<int, Spelled> inside{{1, {2}}};
  EXPECT_EQ(round_trip(inside), inside);
  EXPECT_EQ(hex(packed(std::vector<Spelled>(5))), "05");
  EXPECT_EQ(round_trip(std::vector<Spelled>(5)).size(), 5U);
  EXPECT_EQ(round_trip(Day::sunday), Day::sunday);
  EXPECT_EQ(round_trip(std::vector{Day::sunday, Day::monday}),
            (std::vector{Day::sunday, Day::monday}));
  EXPECT_EQ(refusal([] { unpack<Spelled>(packed(1)); }), "expected another type, got an integer");
}

// ---- Proxies and Values inside of structs ----

FakeList list(std::uint64_t object) {
  return FakeList::from_reference(test::reference("list", object));
}

TEST(ProxiesInside, TravelAsHandles) {
  const Holder holder{Value(Value::List{list(1), 2.0}), list(2), {{"a", list(3)}}};
  const Holder back = round_trip(holder);
  EXPECT_EQ(back.any, holder.any);
  EXPECT_EQ(back.any.list()[1].kind(), ValueKind::real);
  EXPECT_EQ(back.list.reference()->token(), holder.list.reference()->token());
  EXPECT_EQ(back.more.at("a").reference()->token().object, ObjectId{3});
  EXPECT_EQ(unpack<Value>(packed(holder)).json(),
            "[[<ListProxy object, typeid 'list' at 0x1>, 2.0], "
            "<ListProxy object, typeid 'list' at 0x2>, "
            "{\"a\": <ListProxy object, typeid 'list' at 0x3>}]");
}

TEST(ProxiesInside, AreCheckedForTheirType) {
  const Value lock = Value::of_reference(test::reference("lock", 9));
  EXPECT_EQ(refusal([&] { unpack<FakeList>(packed(lock)); }),
            "expected a list proxy, got lock#9");
  EXPECT_EQ(refusal([&] { unpack<std::vector<FakeList>>(packed(Value(Value::List{1, lock}))); }),
            "expected a handle, got an integer");
  EXPECT_EQ(refusal([&] { unpack<Holder>(packed(Value(Value::List{1, lock}))); }),
            "expected a list proxy, got lock#9");
  EXPECT_EQ(refusal([&] { unpack<FakeList>(test::unhex("d4 05 00")); }),
            "extension type 5 is unknown");
  EXPECT_EQ(refusal([&] { unpack<Value>(test::unhex("d4 05 00")); }),
            "extension type 5 is unknown");
}

TEST(ProxiesInside, AnEmptyOneDoesNotTravel) {
  EXPECT_THROW(packed(FakeList()), StaleHandle);
  EXPECT_THROW(packed(Holder()), StaleHandle);
  EXPECT_EQ(round_trip(std::optional<FakeList>()).has_value(), false);
}

TEST(ProxiesInside, AValueReadAsATypeKeepsTheVeryReferences) {
  const ReferencePtr one = test::reference("list", 1);
  const ReferencePtr other_manager = test::reference("list", 1, 0xbb);
  const Value value(Value::List{Value::of_reference(one), Value::of_reference(other_manager)});
  const auto lists = value.as<std::vector<FakeList>>();
  EXPECT_EQ(lists.at(0).reference(), one);
  EXPECT_EQ(lists.at(1).reference(), other_manager);
  const Value in_struct(Value::List{value, Value::of_reference(one),
                                    Value::of_map({{"k", Value::of_reference(other_manager)}})});
  const auto holder = in_struct.as<Holder>();
  EXPECT_EQ(holder.list.reference(), one);
  EXPECT_EQ(holder.more.at("k").reference(), other_manager);
  EXPECT_EQ(holder.any.list().at(0).reference(), one);
  const Value keys = Value::of_map({{Value::of_reference(one), 1}});
  EXPECT_EQ((keys.as<std::map<Value, int>>().begin()->first.reference()), one);
}

TEST(ProxiesInside, ManyAreFoundAsQuicklyAsFew) {
  Value::List items;
  for (std::uint64_t i = 0; i < 20'000; ++i) {
    items.push_back(Value::of_reference(test::reference("list", i)));
  }
  const auto lists = Value(items).as<std::vector<FakeList>>();
  EXPECT_EQ(lists.at(19'999).reference(), items.at(19'999).reference());
}

TEST(ValuesAsTypes, AreReadFromAnyDepthThatAValueMayHave) {
  Value deep(1);
  for (std::size_t i = 0; i + 1 < kFrameDepth; ++i) deep = Value(std::vector<Value>{deep});
  const Value outer(std::vector<Value>{deep});
  EXPECT_EQ(outer.as<std::vector<Value>>().at(0), deep);
  EXPECT_EQ(Value(Value::List{"Ann", 3, Value(Value::List{})}).as<Person>(),
            (Person{"Ann", 3, {}}));
}

}  // namespace
}  // namespace steward::detail::core
