#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <vector>

#include <steward/manager/server/classes/ordered_map.hpp>

#include <steward/tests/server/classes/fake_call.hpp>
#include <steward/tests/server/classes/random.hpp>

namespace steward::detail::server {
namespace {

using testing::Random;
using testing::seed_of;

std::uint32_t hash(const Value& value) { return hash_value(seed_of(7), value); }

Value proxy(std::uint64_t object, const char* type = "list") {
  core::Token token;
  token.object = core::ObjectId{object};
  token.type = type;
  return Value::of_reference(std::make_shared<const core::Reference>(token));
}

// Of every kind, with many that are equal without being alike.
std::vector<Value> specimens() {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  constexpr auto kMost = std::numeric_limits<std::int64_t>::max();
  constexpr auto kLargest = std::numeric_limits<std::uint64_t>::max();
  std::vector<Value> all{
      nullptr, true, false, 0, 0.0, -0.0, 1, 1.0, -1, -1.0, 1.5, 2, kMost, 0x1p63, -0x1p63,
      std::numeric_limits<std::int64_t>::min(), kLargest, 0x1p64, -0x1p64, 0x1.8p63,
      std::uint64_t{0xc000000000000000}, 9007199254740993, 9007199254740992.0, 1e300, 5e-324,
      kInfinity, -kInfinity, std::nan(""), -std::nan(""), std::nan("7"), "", "a", "1",
      std::string(100, 'x'), Value::of_bytes(""), Value::of_bytes("a"),
      Value::of_bytes(std::string(100, 'x')), proxy(1), proxy(1, "dict"), proxy(2),
      Value::of_reference(nullptr)};
  const Value one_two = Value::of_map({{1, "one"}, {"two", 2}});
  const Value two_one = Value::of_map({{"two", 2.0}, {1.0, "one"}});
  for (const Value& value : std::vector<Value>{
           Value::List{}, Value::List{1}, Value::List{1.0}, Value::List{1, 2}, Value::List{2, 1},
           Value::List{Value::List{1}}, Value::List{nullptr}, Value::of_map({}), one_two, two_one,
           Value::of_map({{1, 2}}), Value::of_map({{2, 1}}), Value::List{one_two},
           Value::List{two_one}, Value::of_map({{one_two, two_one}}),
           Value::of_map({{two_one, one_two}})}) {
    all.push_back(value);
  }
  return all;
}

TEST(ValueHash, AgreesWithEqualityAndOrder) {
  const auto all = specimens();
  for (const Value& a : all) {
    for (const Value& b : all) {
      // Different ones may collide, but with these few and this seed none does.
      EXPECT_EQ(a == b, hash(a) == hash(b)) << a << " and " << b;
      EXPECT_EQ(a == b, (a <=> b) == 0);
    }
  }
}

TEST(ValueHash, IsTheSameForEqualNumbers) {
  EXPECT_EQ(hash(1), hash(1.0));
  EXPECT_EQ(hash(0), hash(-0.0));
  EXPECT_EQ(hash(std::uint64_t{1} << 63U), hash(0x1p63));
  EXPECT_EQ(hash(std::nan("")), hash(std::nan("7")));
  EXPECT_NE(hash(1), hash(true));
}

TEST(ValueHash, IsTheSameForMapsInAnotherOrder) {
  EXPECT_EQ(hash(Value::of_map({{1, 2}, {"a", Value::of_map({{3, 4}, {5, 6}})}})),
            hash(Value::of_map({{"a", Value::of_map({{5.0, 6}, {3, 4.0}})}, {1.0, 2}})));
  EXPECT_NE(hash(Value::of_map({{1, 2}, {3, 4}})), hash(Value::of_map({{1, 4}, {3, 2}})));
}

TEST(ValueHash, DependsOnTheSeed) {
  EXPECT_NE(hash_value(seed_of(1), "key"), hash_value(seed_of(2), "key"));
}

std::vector<std::pair<Value, Value>> contents(const OrderedMap& map) {
  std::vector<std::pair<Value, Value>> entries;
  map.for_each([&](const Value& key, const Value& value) { entries.emplace_back(key, value); });
  return entries;
}

using Entries = std::vector<std::pair<Value, Value>>;

TEST(OrderedMap, KeepsTheOrderOfInsertion) {
  OrderedMap map(seed_of(1));
  map.set("b", 1);
  map.set("a", 2);
  map.set("c", 3);
  EXPECT_TRUE(map.take("a"));
  map.set("b", 4);
  map.set("a", 5);
  EXPECT_EQ(contents(map), (Entries{{"b", 4}, {"c", 3}, {"a", 5}}));
}

TEST(OrderedMap, KeepsTheKeyThatWasThereFirst) {
  OrderedMap map(seed_of(1));
  map.set(1, "integer");
  map.set(1.0, "real");
  EXPECT_EQ(map.size(), 1U);
  EXPECT_EQ(contents(map).front().first.kind(), ValueKind::integer);
  EXPECT_EQ(*map.find(1), Value("real"));
}

TEST(OrderedMap, FindsEverySpecimenAmongTheOthers) {
  OrderedMap map(seed_of(1));
  std::map<Value, int> model;
  int number = 0;
  for (const Value& key : specimens()) {
    map.set(key, ++number);
    model[key] = number;
  }
  EXPECT_EQ(map.size(), model.size());
  for (const auto& [key, value] : model) EXPECT_EQ(*map.find(key), Value(value)) << key;
}

TEST(OrderedMap, LetsGoOfWhatItErases) {
  OrderedMap map(seed_of(1));
  const auto held = std::make_shared<const core::Reference>(core::Token{});
  map.set("first", 1);
  map.set(Value::of_reference(held), Value::of_reference(held));
  map.set("last", 1);
  EXPECT_EQ(held.use_count(), 3);
  map.take(Value::of_reference(held));
  EXPECT_EQ(held.use_count(), 1);
}

// As few operations as possible that a wrong gap, a wrong shift in the index or a wrong compaction
// would show in, many times.
class Model {
 public:
  explicit Model(Random& random) : random_(random) {}

  void step(OrderedMap& map) {
    const Value key = draw_key();
    const auto at = std::ranges::find(entries_, key, &Entry::first);
    const bool there = at != entries_.end();
    switch (random_.below(erasing_ ? 8 : 5)) {
      case 0: {
        const Value* found = map.find(key);
        ASSERT_EQ(found != nullptr, there);
        ASSERT_TRUE(!there || *found == at->second);
        return;
      }
      case 1: {
        const Value kept = there ? at->second : Value(++number_);
        if (!there) entries_.emplace_back(key, kept);
        ASSERT_EQ(map.find_or_set(key, number_), kept);
        return;
      }
      case 2:
      case 3:
        map.set(key, ++number_);
        if (there) {
          at->second = number_;
        } else {
          entries_.emplace_back(key, number_);
        }
        return;
      case 4: {
        if (entries_.empty()) return;
        const OrderedMap::Entry last = map.take_last();
        ASSERT_EQ(Entry(last.key, last.value), entries_.back());
        entries_.pop_back();
        return;
      }
      default: {
        const auto taken = map.take(key);
        ASSERT_EQ(taken.has_value(), there);
        if (!there) return;
        ASSERT_EQ(*taken, at->second);
        entries_.erase(at);
      }
    }
  }

  // Times of growth and of shrinking.
  void turn() { erasing_ = !erasing_; }
  const Entries& entries() const { return entries_; }

 private:
  using Entry = std::pair<Value, Value>;

  Value draw_key() {
    const auto number = random_.between(-200, 200);
    switch (random_.below(4)) {
      case 0: return static_cast<double>(number);
      case 1: return std::to_string(number);
      case 2: return Value::List{number, Value::of_map({{number, 1}, {"x", 2}})};
      default: return number;
    }
  }

  Random& random_;
  Entries entries_;
  std::int64_t number_ = 0;
  bool erasing_ = false;
};

TEST(OrderedMap, BehavesAsAVectorOfEntries) {
  Random random;
  for (int round = 0; round < 20; ++round) {
    OrderedMap map(seed_of(static_cast<std::uint8_t>(round)));
    Model model(random);
    for (int i = 0; i < 2000; ++i) {
      if (random.once_in(300)) model.turn();
      ASSERT_NO_FATAL_FAILURE(model.step(map));
      ASSERT_EQ(map.size(), model.entries().size());
      ASSERT_TRUE(i % 50 != 0 || contents(map) == model.entries());
    }
    ASSERT_EQ(contents(map), model.entries());
    map.clear();
    ASSERT_TRUE(map.empty());
    ASSERT_EQ(map.find(1), nullptr);
  }
}

// A queue made of a dict: the gaps are at the front, and must not pile up.
TEST(OrderedMap, StaysSmallWhenTheOldestIsErasedForEver) {
  OrderedMap map(seed_of(1));
  for (int i = 0; i < 100'000; ++i) {
    map.set(i, i);
    ASSERT_TRUE(i < 10 || map.take(i - 10) == Value(i - 10));
  }
  EXPECT_EQ(map.size(), 10U);
  EXPECT_EQ(contents(map).front().first, Value(99'990));
}

}  // namespace
}  // namespace steward::detail::server
