// The order of values is total: tried on all pairs and triples of values that are hard to order.
#include <steward/core/value.hpp>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include <steward/tests/core/support.hpp>

namespace steward {
namespace {

constexpr std::int64_t kLargeInteger = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kSmallInteger = std::numeric_limits<std::int64_t>::min();

std::vector<Value> numbers() {
  std::vector<Value> all{Value(0), Value(1), Value(-1), Value(kLargeInteger), Value(kSmallInteger),
                         Value(kLargeInteger - 1), Value(kSmallInteger + 1),
                         Value(static_cast<std::uint64_t>(kLargeInteger) + 1), Value(UINT64_MAX),
                         Value(UINT64_MAX - 1)};
  for (const std::int64_t exact : {std::int64_t{1} << 53, -(std::int64_t{1} << 53)}) {
    for (const std::int64_t by : {-2, -1, 0, 1, 2}) {
      all.emplace_back(exact + by);
      all.emplace_back(static_cast<double>(exact) + static_cast<double>(by));
    }
  }
  for (const double real : {0.0, 0.5, 1.0, 0x1p63, 0x1p64, 1e300, 5e-324, 2.5}) {
    all.emplace_back(real);
    all.emplace_back(-real);
    all.emplace_back(std::nextafter(real, INFINITY));
    all.emplace_back(std::nextafter(real, -INFINITY));
  }
  for (const double real : {static_cast<double>(INFINITY), static_cast<double>(NAN)}) {
    all.emplace_back(real);
    all.emplace_back(-real);
  }
  return all;
}

// Tricky scalars, and containers of them in several shapes and orders.
std::vector<Value> tricky() {
  std::vector<Value> all{Value(), Value(false), Value(true), Value(""), Value("a"), Value("b"),
                         Value("aa"), Value("\xff"), Value(std::string("a\0", 2)),
                         Value::of_bytes(""), Value::of_bytes("a"), Value::of_bytes("\xff"),
                         Value(2), Value(2.0), Value(0.5), Value(NAN), Value(-0.0), Value(0),
                         Value(Value::List{}), Value(Value::List{Value()}), Value::of_map({}),
                         Value::of_reference(nullptr)};
  for (const std::uint64_t object : {1U, 2U}) {
    for (const std::uint8_t manager : {std::uint8_t{1}, std::uint8_t{2}}) {
      all.push_back(Value::of_reference(detail::test::reference("list", object, manager)));
    }
  }
  const std::vector<Value> inner{Value(1), Value(1.0), Value("a"), Value(NAN),
                                 Value(Value::List{})};
  for (const Value& a : inner) {
    all.emplace_back(Value::List{a});
    all.push_back(Value::of_map({{a, 1}}));
    all.push_back(Value::of_map({{"x", a}}));
    for (const Value& b : inner) {
      all.emplace_back(Value::List{a, b});
      all.push_back(Value::of_map({{"x", a}, {"y", b}}));
      all.push_back(Value::of_map({{"y", b}, {"x", a}}));
      if (a != b) all.push_back(Value::of_map({{a, b}, {b, a}}));
    }
  }
  return all;
}

int sign(std::strong_ordering order) { return order < 0 ? -1 : (order > 0 ? 1 : 0); }

void expect_total_order(const std::vector<Value>& values) {
  for (const Value& a : values) {
    EXPECT_EQ(sign(a <=> a), 0) << a;
    for (const Value& b : values) {
      const int order = sign(a <=> b);
      EXPECT_EQ(order, -sign(b <=> a)) << a << " and " << b;
      EXPECT_EQ(order == 0, a == b) << a << " and " << b;
      EXPECT_EQ(order < 0, a < b) << a << " and " << b;
    }
  }
  std::size_t broken = 0;
  for (const Value& a : values) {
    for (const Value& b : values) {
      const int ab = sign(a <=> b);
      if (ab > 0) continue;
      for (const Value& c : values) {
        const int bc = sign(b <=> c);
        if (bc > 0) continue;
        // a <= b <= c, and equal only if both are.
        if (sign(a <=> c) != std::min(ab, bc)) ++broken;
      }
    }
  }
  EXPECT_EQ(broken, 0U);
}

TEST(ValueOrder, OfNumbersIsTotal) { expect_total_order(numbers()); }

TEST(ValueOrder, OfAllKindsIsTotal) { expect_total_order(tricky()); }

TEST(ValueOrder, RanksTheKinds) {
  const std::vector<Value> ranked{Value(),
                                  Value(false),
                                  Value(true),
                                  Value(-INFINITY),
                                  Value(kSmallInteger),
                                  Value(UINT64_MAX),
                                  Value(INFINITY),
                                  Value(NAN),
                                  Value(""),
                                  Value::of_bytes(""),
                                  Value(Value::List{}),
                                  Value::of_map({}),
                                  Value::of_reference(nullptr)};
  EXPECT_TRUE(std::ranges::is_sorted(ranked));
}

TEST(ValueOrder, ComparesNumbersByTheirExactValue) {
  EXPECT_EQ(Value(1), Value(1.0));
  EXPECT_EQ(Value(0), Value(-0.0));
  EXPECT_EQ(Value(0.0), Value(-0.0));
  EXPECT_EQ(Value(NAN), Value(-NAN));
  EXPECT_NE(Value(0), Value(false));
  EXPECT_NE(Value(1), Value("1"));
  const std::int64_t exact = std::int64_t{1} << 53;
  EXPECT_EQ(Value(exact), Value(0x1p53));
  // As doubles these two would be equal.
  EXPECT_GT(Value(exact + 1), Value(0x1p53));
  EXPECT_LT(Value(kLargeInteger), Value(0x1p63));
  EXPECT_EQ(Value(kSmallInteger), Value(-0x1p63));
  EXPECT_EQ(Value(std::uint64_t{1} << 63U), Value(0x1p63));
  EXPECT_LT(Value(UINT64_MAX), Value(0x1p64));
  EXPECT_LT(Value(-0.5), Value(0));
  EXPECT_GT(Value(0.5), Value(0));
  EXPECT_GT(Value(5e-324), Value(0));
}

TEST(ValueOrder, ComparesTextAndBytesAsUnsigned) {
  EXPECT_LT(Value("z"), Value("\xc3\xa4"));
  EXPECT_LT(Value::of_bytes("\x7f"), Value::of_bytes("\x80"));
  EXPECT_LT(Value("a"), Value(std::string("a\0", 2)));
}

TEST(ValueOrder, ListsCompareItemByItem) {
  EXPECT_LT(Value(Value::List{1}), Value(Value::List{1, 0}));
  EXPECT_LT(Value(Value::List{1, 9, 9}), Value(Value::List{2}));
  EXPECT_EQ(Value(Value::List{1, 2}), Value(Value::List{1.0, 2.0}));
}

TEST(ValueOrder, MapsAreEqualInAnyOrderOfTheirEntries) {
  std::mt19937_64 random(detail::test::seed_of_run());
  Value::Map entries;
  for (int i = 0; i < 50; ++i) {
    entries.emplace_back(i % 2 == 0 ? Value(i) : Value("k" + std::to_string(i)), i);
  }
  const Value map = Value::of_map(entries);
  for (int round = 0; round < 20; ++round) {
    std::ranges::shuffle(entries, random);
    EXPECT_EQ(Value::of_map(entries), map);
    Value::Map changed = entries;
    changed[7].second = "changed";
    EXPECT_NE(Value::of_map(changed), map);
    changed.pop_back();
    EXPECT_NE(Value::of_map(changed), map);
  }
}

TEST(ValueOrder, ProxiesAreEqualIfTheyMeanOneObject) {
  const auto proxy = [](std::string type, std::uint64_t object, std::uint8_t manager) {
    return Value::of_reference(detail::test::reference(std::move(type), object, manager));
  };
  EXPECT_EQ(proxy("list", 1, 1), proxy("list", 1, 1));
  EXPECT_NE(proxy("list", 1, 1), proxy("list", 2, 1));
  EXPECT_NE(proxy("list", 1, 1), proxy("list", 1, 2));
  EXPECT_NE(proxy("list", 1, 1), Value::of_reference(nullptr));
}

// A tree of maps that are keys of maps: two keys a level, equal but for the last leaf.
Value key_tree(int levels, int last) {
  Value left(0);
  Value right(last);
  for (int level = 0; level < levels; ++level) {
    Value next_left = Value::of_map({{left, 1}, {right, 2}});
    right = Value::of_map({{left, 1}, {right, 3}});
    left = std::move(next_left);
  }
  return Value::of_map({{left, 1}, {right, 2}});
}

// Without sharing, so that no comparison can be cut short: as it comes from the wire.
Value rebuilt(const Value& value) {
  if (value.kind() != ValueKind::map) return value;
  Value::Map entries;
  for (const auto& [key, item] : value.map()) entries.emplace_back(rebuilt(key), rebuilt(item));
  return Value::of_map(std::move(entries));
}

TEST(ValueOrder, MapsAsKeysCostNoMoreThanTheirSize) {
  // A comparison that sorts again at each level would take 4^15 steps, minutes.
  const Value tree = key_tree(14, 1);
  const Value copy = rebuilt(tree);
  EXPECT_EQ(copy, tree);
  EXPECT_NE(key_tree(14, 2), copy);
}

}  // namespace
}  // namespace steward
