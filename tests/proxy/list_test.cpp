#include <deque>
#include <limits>
#include <list>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <steward/proxy/dict.hpp>
#include <steward/proxy/list.hpp>
#include <steward/tests/proxy/house.hpp>

namespace steward::detail::test {
namespace {

using std::vector;

class ListProxy : public testing::Test {
 protected:
  template <class T>
  List<T> list(const proxy::Items<T>& items = {}) {
    return house.make<List<T>>(items);
  }
  House house;
};

TEST_F(ListProxy, ForwardsEveryMethod) {
  const List<int> l = list<int>({3, 1, 2});
  l.append(5);
  l.extend({6, 7});
  l.insert(0, 9);
  l.insert(-1, 8);
  EXPECT_EQ(l.copy(), (vector{9, 3, 1, 2, 5, 6, 8, 7}));
  EXPECT_EQ(l.pop(), 7);
  EXPECT_EQ(l.pop(0), 9);
  l.remove(8);
  EXPECT_EQ(l.index(2), std::optional<std::size_t>(2));
  EXPECT_EQ(l.index(99), std::nullopt);
  EXPECT_EQ(l.count(3), 1U);
  EXPECT_TRUE(l.contains(5));
  EXPECT_FALSE(l.contains(99));
  l.sort(true);
  EXPECT_EQ(l.copy(), (vector{6, 5, 3, 2, 1}));
  l.reverse();
  l.sort();
  EXPECT_EQ(l.size(), 5U);
  EXPECT_FALSE(l.empty());
  EXPECT_EQ(l.at(-1), 6);
  l.set(-1, 60);
  EXPECT_EQ(l.add(4, -10), 50);
  EXPECT_EQ(l.slice(1, 3), (vector{2, 3}));
  EXPECT_EQ(l.slice(std::nullopt, std::nullopt, -2), (vector{50, 3, 1}));
  EXPECT_EQ(l.slice(-2, std::nullopt), (vector{5, 50}));
  l.set_slice(0, 2, {7});
  l.erase(0);
  EXPECT_EQ(l.copy(), (vector{3, 5, 50}));
  l.erase(1, 2);
  l.erase(std::nullopt, 1);
  EXPECT_EQ(l.copy(), (vector{50}));
  l.clear();
  EXPECT_TRUE(l.empty());
}

TEST_F(ListProxy, ErrorsNameObjectAndMethod) {
  const List<int> l = list<int>();
  const std::string object = "list#" + std::to_string(core::number(l.reference()->token().object));
  const auto text_of = [](auto call) {
    try {
      call();
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("nothing was thrown");
  };
  EXPECT_EQ(text_of([&] { l.pop(); }), object + ".pop: pop from an empty list");
  EXPECT_EQ(text_of([&] { List<int>().append(1); }), "list.append: the proxy is empty");
  const List<std::string> lies = open<List<std::string>>(l.handle());
  l.append(1);
  EXPECT_EQ(text_of([&] { lies.at(0); }).find(object + ".at: expected "), 0U);
  const List<> any = house.make<List<>>();
  EXPECT_NE(text_of([&] { any.append(List<int>()); }).find(".append: an empty proxy"),
            std::string::npos);
  EXPECT_THROW(l.at(5), std::out_of_range);
  EXPECT_THROW(l.remove(5), std::out_of_range);
  EXPECT_THROW(l.slice(0, 1, 0), BadCall);
}

TEST_F(ListProxy, TakesBracesOrAnyRange) {
  const List<std::string> words = list<std::string>({"a", "b"});  // not a string's iterator pair
  EXPECT_EQ(words.copy(), (vector<std::string>{"a", "b"}));
  EXPECT_EQ(list<int>({}).size(), 0U);
  words.extend({"c"});
  words += {"d", "e"};
  words += std::list<const char*>{"f"};
  words += vector<std::string>{"g"};
  EXPECT_EQ(words.copy(), (vector<std::string>{"a", "b", "c", "d", "e", "f", "g"}));
  const List<int> numbers = list<int>({1, 2});
  EXPECT_EQ(list<int>(numbers).copy(), (vector{1, 2}));
  numbers.extend(numbers);
  numbers.extend(std::deque<long>{3, 4});
  EXPECT_EQ(numbers.copy(), (vector{1, 2, 1, 2, 3, 4}));
  EXPECT_THROW(numbers.extend(vector{1L << 40U}), BadCall);
  const List<bool> flags = list<bool>({true, false});
  flags.extend(vector<bool>{true});
  EXPECT_EQ(flags.copy(), (vector<bool>{true, false, true}));
  const List<> any = list<Value>({1, "two", nullptr, Value::List{}});
  any.extend(vector<int>{4});
  any.extend({vector<int>{5, 6}});
  any += {7.5};
  EXPECT_EQ(any.size(), 7U);
  EXPECT_EQ(any.at(5), Value(vector<int>{5, 6}));
}

TEST_F(ListProxy, IndexesAreOfAnyIntegerType) {
  const List<int> l = list<int>({10, 20, 30});
  const std::size_t first = 0;
  const short last = -1;
  EXPECT_TRUE(l[first] == 10);
  EXPECT_TRUE(l[last] == 30);
  EXPECT_EQ(l.at(std::uint8_t{1}), 20);
  // Beyond 63 bits it is no negative index.
  EXPECT_THROW(l.at(std::numeric_limits<std::size_t>::max()), std::out_of_range);
  const List<int> indexes = list<int>({2});
  EXPECT_TRUE(l[indexes[0]] == 30);
  EXPECT_EQ(l.slice(indexes[0], std::nullopt), vector<int>{30});
  EXPECT_EQ(l.add(0, indexes[0]), 12);
}

TEST_F(ListProxy, IteratesOverASnapshot) {
  const List<int> l = list<int>({1, 2, 3});
  int sum = 0;
  for (const int n : l) {
    l.append(n);
    sum += n;
  }
  EXPECT_EQ(sum, 6);
  EXPECT_EQ(l.size(), 6U);
  vector<std::string> words;
  for (auto& word : list<std::string>({"a", "b"})) words.push_back(word);
  EXPECT_EQ(words, (vector<std::string>{"a", "b"}));
  for (const bool flag : list<bool>({true})) EXPECT_TRUE(flag);
  for ([[maybe_unused]] const int n : list<int>()) FAIL();
}

struct Point {
  int x = 0;
  std::string name;
  MSGPACK_DEFINE(x, name)
  bool operator==(const Point&) const = default;
};
struct Pixel {
  std::uint8_t red, green;
  float alpha;
  bool operator==(const Pixel&) const = default;
};
enum class Color : std::uint8_t { red = 1, blue = 7 };

TEST_F(ListProxy, CarriesElementsOfManyTypes) {
  const List<Point> points = list<Point>({{2, "b"}, {1, "a"}});
  EXPECT_TRUE(points.contains({1, "a"}));
  points.sort();
  EXPECT_EQ(points.copy(), (vector<Point>{{1, "a"}, {2, "b"}}));
  EXPECT_EQ(points[1]->name, "b");
  const List<Pixel> pixels = list<Pixel>({{1, 2, 0.5F}});
  EXPECT_EQ(pixels.at(0), (Pixel{1, 2, 0.5F}));
  EXPECT_EQ(list<Color>({Color::blue}).pop(), Color::blue);
  EXPECT_EQ(list<char>({'x', 'y'}).copy(), (vector<char>{'x', 'y'}));
  EXPECT_EQ(list<unsigned char>({200}).copy(), (vector<unsigned char>{200}));
  EXPECT_EQ(list<float>({0.1F}).at(0), 0.1F);
  EXPECT_EQ(list<std::byte>({std::byte{9}}).copy(), (vector<std::byte>{std::byte{9}}));
  const std::uint64_t large = std::numeric_limits<std::uint64_t>::max();
  EXPECT_EQ(list<std::uint64_t>({large}).at(0), large);
  using Maybe = std::optional<vector<int>>;
  const List<Maybe> maybes = list<Maybe>({vector{1}, std::nullopt, vector<int>{}});
  EXPECT_EQ(maybes.copy(), (vector<Maybe>{vector{1}, std::nullopt, vector<int>{}}));
  EXPECT_EQ(maybes.at(1), std::nullopt);
  const List<core::Bytes> blobs = list<core::Bytes>({core::Bytes(3, std::byte{1})});
  EXPECT_EQ(blobs.at(0), core::Bytes(3, std::byte{1}));
  const List<vector<char>> chars = list<vector<char>>({{'a', 'b'}});
  EXPECT_EQ(chars.at(0), (vector<char>{'a', 'b'}));
}

TEST_F(ListProxy, AddsWithinTheElementsType) {
  const List<std::uint8_t> bytes = list<std::uint8_t>({250});
  EXPECT_EQ(bytes.add(0, 5), 255);
  EXPECT_THROW(bytes.add(0, 1), BadCall);
  EXPECT_EQ(bytes.add(0, -255), 0);
  EXPECT_THROW(bytes.add(0, -1), BadCall);
  EXPECT_EQ(bytes.at(0), 0);
  const List<std::int64_t> longs = list<std::int64_t>({std::numeric_limits<std::int64_t>::max()});
  EXPECT_THROW(longs.add(0, 1), BadCall);
  EXPECT_EQ(longs.add(0, std::numeric_limits<std::int64_t>::min()), -1);
  const List<std::uint64_t> wide = list<std::uint64_t>({0});
  const std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
  EXPECT_EQ(wide.add(0, most), most);
  EXPECT_THROW(wide[0] -= most, BadCall);  // no step of a call goes that far
  EXPECT_EQ(wide[0] -= (std::uint64_t{1} << 63U), most >> 1U);
  const List<double> reals = list<double>({1});
  EXPECT_EQ(reals.add(0, 0.5), 1.5);
  EXPECT_EQ(reals.add(0, 2), 3.5);
  const List<> any = list<Value>({1, 2.5, "x"});
  EXPECT_EQ(any.add(0, 2), Value(3));
  EXPECT_EQ(any.add(1, 2), Value(4.5));
  EXPECT_THROW(any.add(2, 2), BadCall);
}

TEST_F(ListProxy, PrintsItsContents) {
  std::ostringstream out;
  out << list<int>({0, 1, 4}) << list<std::string>({"a\""}) << list<int>() << List<int>();
  EXPECT_EQ(out.str(), R"([0, 1, 4]["a\""][]<empty list proxy>)");
}

TEST_F(ListProxy, HoldsItself) {
  const List<> l = house.make<List<>>();
  l.append(l);
  const auto inner = l.at(0).as<List<>>();
  EXPECT_EQ(inner, l);
  inner.append(5);
  EXPECT_EQ(l.size(), 2U);
  for (const Value& value : l) {
    if (value.is<List<>>()) {
      EXPECT_EQ(value.as<List<>>(), l);
    }
  }
  l.clear();
}

TEST_F(ListProxy, HoldsDicts) {
  using Row = Dict<std::string, int>;
  const List<Row> rows = house.make<List<Row>>();
  rows.append(house.make<Row>());
  rows.append(house.make<Row>());
  rows[0]->set("seen", 1);
  rows[-1] = rows[0];
  EXPECT_EQ(rows.at(1).at("seen"), 1);
  EXPECT_EQ(rows.at(0), rows.at(1));
  EXPECT_EQ(house.number_of_objects(), 2U);
  int seen = 0;
  for (const Row& row : rows) seen += row["seen"];
  EXPECT_EQ(seen, 2);
  EXPECT_EQ(rows.index(rows.at(1)), std::optional<std::size_t>(0));
}

}  // namespace
}  // namespace steward::detail::test
