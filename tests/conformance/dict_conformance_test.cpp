#include <cmath>
#include <map>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include <steward/tests/conformance/transports.hpp>

namespace steward::detail::test {
namespace {

template <class Transport>
class DictConformance : public ConformanceTest<Transport> {};
TYPED_TEST_SUITE(DictConformance, Transports, TransportNames);

using Ages = Dict<std::string, int>;

// The copy is a std::map, whose order a NaN would break.
TYPED_TEST(DictConformance, RefusesNaNAsAKeySoThatACopyHasThemAll) {
  auto numbers = this->manager().template dict<double, int>();
  EXPECT_THROW(numbers.set(std::nan(""), 1), BadCall);
  EXPECT_THROW(numbers[std::nan("")] = 1, BadCall);
  EXPECT_THROW(numbers.update({{1.5, 1}, {std::nan(""), 2}}), BadCall);
  EXPECT_THROW(numbers.update_with(std::nan(""), [](int n) { return n + 1; }), BadCall);
  EXPECT_THROW((this->manager().template dict<double, int>({{std::nan(""), 2}})), BadCall);
  numbers.update({{1, 1}, {-1, 2}, {INFINITY, 3}, {-0.0, 4}, {0.0, 5}});
  EXPECT_EQ(numbers.copy(),
            (std::map<double, int>{{1, 1}, {-1, 2}, {INFINITY, 3}, {0, 5}}));
}

TYPED_TEST(DictConformance, SetsAndGets) {
  Ages ages = this->manager().template dict<std::string, int>({{"ada", 36}});
  ages.set("bob", 20);
  ages["eve"] = 30;
  EXPECT_EQ(ages.at("ada"), 36);
  EXPECT_TRUE(ages["bob"] == 20);
  EXPECT_EQ(ages.get("eve"), std::optional(30));
  EXPECT_EQ(ages.get("nobody"), std::nullopt);
  EXPECT_EQ(ages.get("nobody", 7), 7);
  EXPECT_TRUE(ages.contains("ada"));
  EXPECT_EQ(ages.size(), 3U);
  EXPECT_EQ(ages.copy(), (std::map<std::string, int>{{"ada", 36}, {"bob", 20}, {"eve", 30}}));
}

TYPED_TEST(DictConformance, ThrowsOutOfRangeForAMissingKey) {
  Ages ages = this->manager().template dict<std::string, int>();
  EXPECT_THROW(ages.at("x"), std::out_of_range);
  EXPECT_THROW(ages.pop("x"), std::out_of_range);
  EXPECT_THROW(ages.popitem(), std::out_of_range);
  EXPECT_EQ(ages.pop("x", 3), 3);
  EXPECT_FALSE(ages.erase("x"));
}

TYPED_TEST(DictConformance, KeepsInsertionOrder) {
  Ages ages = this->manager().template dict<std::string, int>({{"z", 1}, {"a", 2}, {"m", 3}});
  ages.set("a", 5);
  ages.erase("z");
  ages.set("z", 9);
  EXPECT_EQ(ages.keys(), (std::vector<std::string>{"a", "m", "z"}));
  EXPECT_EQ(ages.values(), (std::vector<int>{5, 3, 9}));
  std::vector<std::string> seen;
  for (const auto& [key, value] : ages) seen.push_back(key + std::to_string(value));
  EXPECT_EQ(seen, (std::vector<std::string>{"a5", "m3", "z9"}));
  EXPECT_EQ(ages.popitem(), (std::pair<std::string, int>("z", 9)));
  std::ostringstream text;
  text << ages;
  EXPECT_EQ(text.str(), "{\"a\": 5, \"m\": 3}");
}

TYPED_TEST(DictConformance, UpdatesAndSetsDefaults) {
  Ages ages = this->manager().template dict<std::string, int>();
  ages.update({{"a", 1}, {"b", 2}});
  EXPECT_EQ(ages.setdefault("a", 9), 1);
  EXPECT_EQ(ages.setdefault("c", 3), 3);
  EXPECT_EQ(ages.pop("b"), 2);
  EXPECT_EQ(ages.items(), (std::vector<std::pair<std::string, int>>{{"a", 1}, {"c", 3}}));
  ages.clear();
  EXPECT_TRUE(ages.empty());
}

TYPED_TEST(DictConformance, ChangesInOneStep) {
  Ages ages = this->manager().template dict<std::string, int>();
  EXPECT_EQ(ages.add("n", 5), 5);
  ages["n"] += 2;
  ++ages["n"];
  EXPECT_EQ(ages.at("n"), 8);
  EXPECT_TRUE(ages.compare_exchange("n", 8, 10));
  EXPECT_FALSE(ages.compare_exchange("n", 8, 11));
  EXPECT_FALSE(ages.compare_exchange("missing", 0, 1));
  ages.update_with("n", [](int n) { return n * 2; });
  EXPECT_EQ(ages.at("n"), 20);
  ages.update_with("new", [](std::optional<int> n) { return n ? *n : 42; });
  EXPECT_EQ(ages.at("new"), 42);
}

TYPED_TEST(DictConformance, LosesNoUpdateBetweenThreads) {
  Ages ages = this->manager().template dict<std::string, int>({{"n", 0}});
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([ages, t] {
      for (int i = 0; i < 50; ++i) {
        if (t % 2 == 0) {
          ages.update_with("n", [](int n) { return n + 1; });
        } else {
          ages["n"] += 1;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(ages.at("n"), 200);
}

TYPED_TEST(DictConformance, TakesKeysAndValuesOfManyTypes) {
  auto by_number = this->manager().template dict<int, std::vector<double>>({{1, {1.5, 2.5}}});
  EXPECT_EQ(by_number.at(1), (std::vector<double>{1.5, 2.5}));
  auto anything = this->manager().dict();
  anything.set(1, "one");
  anything.set("one", 1);
  anything.set(Value::List{1, 2}, nullptr);
  EXPECT_EQ(anything.at(1).template as<std::string>(), "one");
  EXPECT_TRUE(anything.at(Value::List{1, 2}).is_nil());
  // 1 and 1.0 are one key, as in Python.
  anything.set(1.0, "uno");
  EXPECT_EQ(anything.size(), 3U);
}

}  // namespace
}  // namespace steward::detail::test
