#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <steward/proxy/dict.hpp>
#include <steward/proxy/list.hpp>
#include <steward/tests/proxy/house.hpp>

namespace steward::detail::test {
namespace {

using std::vector;

class Element : public testing::Test {
 protected:
  House house;
  const List<int> list = house.make<List<int>>(proxy::Items<int>{10, 20, 30});
  const Dict<std::string, int> dict = house.make<Dict<std::string, int>>();
};

TEST_F(Element, IsReadWhenItIsUsed) {
  int n = list[0];
  list.set(0, 11);
  EXPECT_EQ(n, 10);
  n = list[1];
  EXPECT_EQ(n, 20);
  EXPECT_EQ(list[0] + list[1] * 2, 51);
  EXPECT_THROW(n = list[9], std::out_of_range);
  EXPECT_THROW(n = dict["missing"], std::out_of_range);
  switch (list[2]) {
    case 30: break;
    default: FAIL();
  }
}

TEST_F(Element, OutlivesTheProxyThatGaveIt) {
  const auto first = [this] { return house.make<List<int>>(proxy::Items<int>{1})[0]; };
  EXPECT_EQ(first() += 1, 2);
}

TEST_F(Element, IsWrittenWhenAssigned) {
  list[0] = 1;
  list[-1] = list[0];  // the element, not the reference
  list[1] = list[2] = list[0];
  EXPECT_EQ(list.copy(), (vector{1, 1, 1}));
  dict["x"] = list[0];
  dict["y"] = dict["x"] = 7;
  EXPECT_EQ(dict.copy(), (std::map<std::string, int>{{"x", 7}, {"y", 7}}));
  const List<> any = house.make<List<>>(proxy::Items<Value>{nullptr, nullptr});
  any[0] = "text";
  any[1] = list[0];
  EXPECT_EQ(any.copy(), (vector<Value>{"text", 1}));
  const auto lists = house.make<Dict<std::string, vector<int>>>();
  lists["l"] = {1, 2};
  lists["m"] = lists["l"];
  lists["l"] = {};
  EXPECT_EQ(lists.values(), (vector<vector<int>>{{}, {1, 2}}));
}

TEST_F(Element, AddsToNumbersInOneStep) {
  EXPECT_EQ(list[0] += 5, 15);
  EXPECT_EQ(list[0] -= 1, 14);
  EXPECT_EQ(++list[0], 15);
  EXPECT_EQ(--list[0], 14);
  EXPECT_EQ(list[0]++, 14);
  EXPECT_EQ(list[0]--, 15);
  EXPECT_TRUE(list[0] == 14);
  const std::size_t by = 6;
  list[0] += by;
  list[0] += list[1];
  EXPECT_TRUE(list[0] == 40);
  dict["n"] += 2;
  ++dict["n"];
  EXPECT_TRUE(dict["n"] == 3);
  const auto reals = house.make<Dict<std::string, double>>();
  reals["x"] += 1;
  reals["x"] -= 0.25;
  EXPECT_EQ(reals["x"]++, 0.75);
  EXPECT_TRUE(reals["x"] == 1.75);
  const auto counts = house.make<List<std::size_t>>(proxy::Items<std::size_t>{3});
  counts[0] -= 2;
  EXPECT_EQ(counts[0]--, 1U);
  EXPECT_THROW(--counts[0], BadCall);
  const auto any = house.make<Dict<>>();
  any["n"] += 2;
  any["n"] -= 0.5;
  ++any["n"];
  EXPECT_TRUE(any["n"] == 2.5);
  any["s"] = "text";
  EXPECT_THROW(any["s"] += 1, BadCall);
  EXPECT_THROW(any["n"] -= "text", BadCall);
}

TEST_F(Element, IsAPartOfASumOfTexts) {
  const auto names = house.make<Dict<std::string, std::string>>();
  names.set("a", "one");
  names.set("b", "two");
  EXPECT_EQ("x: " + names["a"], "x: one");
  EXPECT_EQ(names["a"] + '!' + std::string("?"), "one!?");
  EXPECT_EQ("<" + names["a"] + names["b"], "<onetwo");
  EXPECT_EQ(names["a"] + names["b"], "onetwo");
}

TEST_F(Element, ComparesAsItsElement) {
  EXPECT_TRUE(list[0] == 10 && 10 == list[0] && list[0] == 10.0 && list[0] != 11);
  EXPECT_TRUE(list[0] < list[1] && list[1] > 10U && 20 <= list[1] && list[1] >= 19.5);
  EXPECT_TRUE(list[0] == list[-3]);
  list[0] = -1;
  const std::size_t one = 1;
  EXPECT_TRUE(list[0] < one);  // by value, whatever the signs
  const auto words = house.make<List<std::string>>(proxy::Items<std::string>{"a", "b"});
  EXPECT_TRUE(words[0] == "a" && std::string("a") == words[0] && words[0] < words[1]);
  EXPECT_TRUE(words[0] < std::string("b"));
  const std::string word = words[1];
  EXPECT_EQ(word + "c", "bc");
  const auto any = house.make<List<>>(proxy::Items<Value>{1, "a"});
  EXPECT_TRUE(any[0] == 1 && any[0] < any[1] && any[1] == "a");
  const auto flags = house.make<List<bool>>(proxy::Items<bool>{true});
  if (!flags[0]) FAIL();
  EXPECT_TRUE(flags[0] == true);
}

TEST_F(Element, PrintsAsItsElement) {
  const auto words = house.make<List<std::string>>(proxy::Items<std::string>{"a"});
  const auto lists = house.make<List<vector<int>>>(proxy::Items<vector<int>>{{1, 2}});
  const auto rows = house.make<List<List<int>>>(proxy::Items<List<int>>{list});
  std::ostringstream out;
  out << list[0] << words[0] << lists[0] << rows[0];
  EXPECT_EQ(out.str(), "10a[1, 2][10, 20, 30]");
}

TEST_F(Element, ShowsAConstSnapshot) {
  const auto rows = house.make<List<List<int>>>(proxy::Items<List<int>>{list});
  rows[0]->append(40);
  EXPECT_EQ(list.size(), 4U);
  const auto words = house.make<List<std::string>>(proxy::Items<std::string>{"abc"});
  EXPECT_EQ(words[0]->size(), 3U);
}

}  // namespace
}  // namespace steward::detail::test
