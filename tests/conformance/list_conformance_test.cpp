#include <gtest/gtest.h>

#include <steward/tests/conformance/transports.hpp>

namespace steward::detail::test {
namespace {

template <class Transport>
class ListConformance : public ConformanceTest<Transport> {};
TYPED_TEST_SUITE(ListConformance, Transports, TransportNames);

TYPED_TEST(ListConformance, StartsWithWhatItIsGiven) {
  auto numbers = this->manager().template list<int>({1, 2, 3});
  EXPECT_EQ(numbers.copy(), (std::vector<int>{1, 2, 3}));
  EXPECT_EQ(numbers.size(), 3U);
  EXPECT_TRUE(this->manager().template list<int>().empty());
  EXPECT_EQ(this->manager().template list<int>(numbers).copy(), numbers.copy());
}

TYPED_TEST(ListConformance, GrowsAndShrinksAtEitherEnd) {
  auto words = this->manager().template list<std::string>();
  words.append("b");
  words.insert(0, "a");
  words.extend({"c", "d"});
  words += {"e"};
  EXPECT_EQ(words.copy(), (std::vector<std::string>{"a", "b", "c", "d", "e"}));
  EXPECT_EQ(words.pop(), "e");
  EXPECT_EQ(words.pop(0), "a");
  words.remove("c");
  EXPECT_EQ(words.copy(), (std::vector<std::string>{"b", "d"}));
  words.clear();
  EXPECT_TRUE(words.empty());
}

TYPED_TEST(ListConformance, CountsFromTheEndForNegativeIndexes) {
  auto numbers = this->manager().template list<int>({10, 20, 30});
  EXPECT_EQ(numbers.at(-1), 30);
  EXPECT_TRUE(numbers[-2] == 20);
  numbers[-3] = 11;
  EXPECT_EQ(numbers.at(0), 11);
  EXPECT_EQ(numbers.pop(-2), 20);
}

TYPED_TEST(ListConformance, ThrowsOutOfRangeForWhatIsNotThere) {
  auto numbers = this->manager().template list<int>({1, 2});
  EXPECT_THROW(numbers.at(2), std::out_of_range);
  EXPECT_THROW(numbers.at(-3), std::out_of_range);
  EXPECT_THROW(numbers.set(5, 1), std::out_of_range);
  EXPECT_THROW(numbers.remove(9), std::out_of_range);
  EXPECT_THROW(numbers.erase(2), std::out_of_range);
  numbers.clear();
  EXPECT_THROW(numbers.pop(), std::out_of_range);
  try {
    numbers.at(7);
    FAIL() << "at(7) of an empty list did not throw";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("list#"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find(".at"), std::string::npos) << error.what();
  }
}

TYPED_TEST(ListConformance, SlicesAsPythonDoes) {
  auto numbers = this->manager().template list<int>({0, 1, 2, 3, 4, 5});
  EXPECT_EQ(numbers.slice(2, 5), (std::vector<int>{2, 3, 4}));
  EXPECT_EQ(numbers.slice(-2, 100), (std::vector<int>{4, 5}));
  EXPECT_EQ(numbers.slice(0, 6, 2), (std::vector<int>{0, 2, 4}));
  EXPECT_EQ(numbers.slice(4, 0, -2), (std::vector<int>{4, 2}));
  EXPECT_THROW(numbers.slice(0, 1, 0), BadCall);
  numbers.set_slice(1, 3, {7, 8, 9});
  EXPECT_EQ(numbers.copy(), (std::vector<int>{0, 7, 8, 9, 3, 4, 5}));
  numbers.erase(1, 4);
  EXPECT_EQ(numbers.copy(), (std::vector<int>{0, 3, 4, 5}));
}

TYPED_TEST(ListConformance, SearchesSortsAndReverses) {
  auto numbers = this->manager().template list<int>({3, 1, 2, 3});
  EXPECT_EQ(numbers.index(3), std::optional<std::size_t>(0));
  EXPECT_EQ(numbers.index(9), std::nullopt);
  EXPECT_EQ(numbers.count(3), 2U);
  EXPECT_TRUE(numbers.contains(2));
  EXPECT_FALSE(numbers.contains(9));
  numbers.sort();
  EXPECT_EQ(numbers.copy(), (std::vector<int>{1, 2, 3, 3}));
  numbers.sort(true);
  EXPECT_EQ(numbers.copy(), (std::vector<int>{3, 3, 2, 1}));
  numbers.reverse();
  EXPECT_EQ(numbers.copy(), (std::vector<int>{1, 2, 3, 3}));
}

TYPED_TEST(ListConformance, AddsInOneStep) {
  auto numbers = this->manager().template list<int>({1});
  numbers[0] += 4;
  ++numbers[0];
  numbers[0] -= 2;
  EXPECT_EQ(numbers.at(0), 4);
  EXPECT_EQ(numbers.add(0, 6), 10);
  EXPECT_THROW(numbers.add(0, 2147483647), BadCall);
  EXPECT_EQ(numbers.at(0), 10);
}

TYPED_TEST(ListConformance, HoldsAnythingWithoutAType) {
  auto things = this->manager().list();
  things.append(1);
  things.append("two");
  things.append(3.5);
  things.append(nullptr);
  things.append(std::vector<int>{4, 5});
  EXPECT_EQ(things.at(1).template as<std::string>(), "two");
  EXPECT_TRUE(things.at(3).is_nil());
  EXPECT_THROW(things.at(0).template as<std::string>(), BadCall);
  std::ostringstream text;
  text << things;
  EXPECT_EQ(text.str(), "[1, \"two\", 3.5, null, [4, 5]]");
}

TYPED_TEST(ListConformance, IteratesOverASnapshot) {
  auto numbers = this->manager().template list<int>({1, 2, 3});
  int sum = 0;
  for (const int n : numbers) {
    numbers.append(n);
    sum += n;
  }
  EXPECT_EQ(sum, 6);
  EXPECT_EQ(numbers.size(), 6U);
}

TYPED_TEST(ListConformance, NestsProxiesAndSharesThem) {
  auto rows = this->manager().template list<Dict<std::string, Value>>();
  {
    auto row = this->manager().template dict<std::string, Value>({{"name", "ada"}});
    rows.append(row);
  }
  rows[0]->set("seen", 1);
  Dict<std::string, Value> again = rows.at(0);
  EXPECT_EQ(again.at("seen").template as<int>(), 1);
  EXPECT_EQ(again.at("name").template as<std::string>(), "ada");
}

TYPED_TEST(ListConformance, MayHoldItself) {
  auto list = this->manager().list();
  list.append(list);
  auto inner = list.at(0).template as<List<Value>>();
  EXPECT_EQ(inner, list);
  inner.append(5);
  EXPECT_EQ(list.size(), 2U);
  list.clear();  // a list that holds itself is never freed by counting
}

TYPED_TEST(ListConformance, RefusesValuesNestedTooDeep) {
  auto list = this->manager().list();
  Value deep;
  for (std::size_t i = 0; i < core::kValueDepth; ++i) deep = Value(Value::List{deep});
  list.append(deep);
  EXPECT_EQ(list.at(0), deep);
  EXPECT_EQ(list.copy().size(), 1U);
  EXPECT_THROW(list.append(Value(Value::List{deep})), BadCall);
  EXPECT_EQ(list.size(), 1U);
}

TYPED_TEST(ListConformance, CarriesLargeValues) {
  auto list = this->manager().template list<std::string>();
  const std::string large(5'000'000, 'x');
  list.append(large);
  EXPECT_EQ(list.at(0), large);
  EXPECT_EQ(list.pop(), large);
}

}  // namespace
}  // namespace steward::detail::test
