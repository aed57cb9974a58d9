#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <steward/proxy/dict.hpp>
#include <steward/proxy/list.hpp>
#include <steward/tests/proxy/house.hpp>

namespace steward::detail::test {
namespace {

using std::vector;
using Ages = Dict<std::string, int>;

class DictProxy : public testing::Test {
 protected:
  template <class K, class V>
  Dict<K, V> dict(const proxy::Items<std::pair<K, V>>& items = {}) {
    return house.make<Dict<K, V>>(proxy::entries(items));
  }
  House house;
};

TEST_F(DictProxy, ForwardsEveryMethod) {
  const Ages d = dict<std::string, int>({{"z", 1}, {"a", 2}});
  EXPECT_EQ(d.at("z"), 1);
  EXPECT_EQ(d.get("a"), std::optional(2));
  EXPECT_EQ(d.get("x"), std::nullopt);
  EXPECT_EQ(d.get("x", 7), 7);
  EXPECT_EQ(d.get("a", 7), 2);
  d.set("m", 3);
  EXPECT_EQ(d.setdefault("m", 9), 3);
  EXPECT_EQ(d.setdefault("n", 4), 4);
  EXPECT_EQ(d.keys(), (vector<std::string>{"z", "a", "m", "n"}));
  EXPECT_EQ(d.values(), (vector{1, 2, 3, 4}));
  EXPECT_EQ(d.pop("z"), 1);
  EXPECT_EQ(d.pop("z", 8), 8);
  EXPECT_EQ(d.pop("a", 8), 2);
  EXPECT_EQ(d.popitem(), (std::pair<std::string, int>("n", 4)));
  d.update({{"b", 5}, {"m", 6}});
  d.update(std::map<std::string, int>{{"c", 7}});
  d.update(d);
  d.update(vector<std::pair<const char*, short>>{{"c", short{7}}});
  EXPECT_EQ(d.items(), (vector<std::pair<std::string, int>>{{"m", 6}, {"b", 5}, {"c", 7}}));
  EXPECT_EQ(d.copy(), (std::map<std::string, int>{{"b", 5}, {"c", 7}, {"m", 6}}));
  EXPECT_TRUE(d.erase("b"));
  EXPECT_FALSE(d.erase("b"));
  EXPECT_TRUE(d.contains("c"));
  EXPECT_EQ(d.size(), 2U);
  EXPECT_EQ(d.add("c", -10), -3);
  EXPECT_EQ(d.add("new", 3), 3);
  EXPECT_TRUE(d.compare_exchange("new", 3, 30));
  EXPECT_FALSE(d.compare_exchange("new", 3, 31));
  EXPECT_FALSE(d.compare_exchange("missing", 0, 1));
  EXPECT_FALSE(d.empty());
  d.clear();
  EXPECT_TRUE(d.empty());
  EXPECT_THROW(d.at("x"), std::out_of_range);
  EXPECT_THROW(d.pop("x"), std::out_of_range);
  EXPECT_THROW(d.popitem(), std::out_of_range);
}

TEST_F(DictProxy, TakesBracesOrAnyRangeOfPairs) {
  const Dict<std::string, std::string> one = dict<std::string, std::string>({{"a", "b"}});
  EXPECT_EQ(one.copy(), (std::map<std::string, std::string>{{"a", "b"}}));
  EXPECT_EQ((dict<int, int>({}).size()), 0U);
  EXPECT_EQ((dict<int, int>(std::map<int, int>{{1, 2}}).at(1)), 2);
  const Dict<int, int> numbers = dict<int, int>({{1, 2}, {3, 4}});
  EXPECT_EQ((dict<int, int>(numbers).copy()), numbers.copy());
  const Dict<> any = dict<Value, Value>({{"a", 1}, {2, "b"}, {3.5, nullptr}});
  EXPECT_EQ(any.at(2), Value("b"));
}

TEST_F(DictProxy, IteratesOverASnapshotInOrderOfInsertion) {
  const Ages d = dict<std::string, int>({{"z", 1}, {"a", 2}});
  vector<std::string> seen;
  for (const auto& [key, value] : d) {
    seen.push_back(key + std::to_string(value));
    d.clear();
  }
  EXPECT_EQ(seen, (vector<std::string>{"z1", "a2"}));
}

TEST_F(DictProxy, UpdatesWithWhateverAFunctionTakes) {
  const Ages d = dict<std::string, int>({{"n", 1}});
  EXPECT_EQ(d.update_with("n", [](int n) { return n + 1; }), 2);
  EXPECT_EQ(d.update_with("n", [](auto n) { return n * 10; }), 20);
  EXPECT_EQ(d.update_with("n", [](const int& n) { return n + 0.9; }), 20);  // converted to V
  EXPECT_EQ(d.update_with("n", [](int& n) { ++n; }), 21);
  EXPECT_EQ(d.update_with("missing", [](int n) { return n + 5; }), 5);
  const auto optional = [](std::optional<int> n) { return n ? *n : 42; };
  EXPECT_EQ(d.update_with("absent", optional), 42);
  EXPECT_EQ(d.update_with("absent", [](const std::optional<int>& n) { return n.value() + 1; }), 43);
  int (*const function)(int) = [](int n) { return -n; };
  EXPECT_EQ(d.update_with("n", function), -21);
  int calls = 0;
  EXPECT_EQ(d.update_with("n", [calls](int n) mutable noexcept { return n + ++calls; }), -20);
  EXPECT_THROW(d.update_with("n", [](int) -> int { throw std::logic_error("no"); }),
               std::logic_error);
  EXPECT_EQ(d.at("n"), -20);
  const Dict<std::string, vector<int>> lists = dict<std::string, vector<int>>();
  lists.update_with("l", [](auto& l) { l.push_back(1); });
  EXPECT_EQ(lists.at("l"), vector{1});
}

TEST_F(DictProxy, UpdatesAgainIfSomebodyElseWroteMeanwhile) {
  const Ages d = dict<std::string, int>({{"n", 1}});
  int calls = 0;
  const int result = d.update_with("n", [&](int n) {
    if (++calls < 3) d.set("n", n + 10);
    return n + 1;
  });
  EXPECT_EQ(calls, 3);
  EXPECT_EQ(result, 22);
  calls = 0;
  d.update_with("n", [&](std::optional<int> n) {
    if (++calls == 1) d.erase("n");
    return n.value_or(100);
  });
  EXPECT_EQ(d.at("n"), 100);
  const auto always = [&](int n) {
    d.set("n", n + 1);
    return n;
  };
  EXPECT_THROW(d.with_timeout(std::chrono::milliseconds(50)).update_with("n", always),
               TimeoutError);
}

TEST_F(DictProxy, LosesNoUpdateBetweenThreads) {
  const Ages d = dict<std::string, int>();
  vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) {
        d.update_with("with", [](int n) { return n + 1; });
        ++d["add"];
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(d.at("with"), 200);
  EXPECT_EQ(d.at("add"), 200);
}

struct Pixel {
  std::uint8_t red;
  double alpha;
};
struct Place {
  int row = 0, column = 0;
  MSGPACK_DEFINE(row, column)
  auto operator<=>(const Place&) const = default;
};

TEST_F(DictProxy, UpdatesWhatTheServerCannotReadByItsBytes) {
  const Dict<Place, Pixel> d = dict<Place, Pixel>();
  d.set({1, 2}, {7, 0.5});
  d.update_with({1, 2}, [](Pixel pixel) {
    pixel.alpha += 0.25;
    return pixel;
  });
  EXPECT_EQ((d.at({1, 2}).alpha), 0.75);
  EXPECT_EQ((d[{1, 2}]->red), 7);
  EXPECT_EQ(d.keys(), (vector<Place>{{1, 2}}));
}

TEST_F(DictProxy, UpdatesNestedProxies) {
  const Dict<std::string, List<int>> d = dict<std::string, List<int>>();
  d.set("old", house.make<List<int>>(proxy::Items<int>{1}));
  const List<int> fresh = house.make<List<int>>();
  d.update_with("old", [&](List<int> old) {
    fresh.extend(old);
    return fresh;
  });
  EXPECT_EQ(d.at("old"), fresh);
  EXPECT_EQ(fresh.copy(), vector{1});
  EXPECT_EQ(house.number_of_objects(), 2U);
}

TEST_F(DictProxy, PrintsItsContents) {
  std::ostringstream out;
  out << dict<std::string, int>({{"x", 1}, {"y", 2}}) << dict<Value, Value>({{1, "a"}});
  EXPECT_EQ(out.str(), R"({"x": 1, "y": 2}{1: "a"})");
}

}  // namespace
}  // namespace steward::detail::test
