#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <optional>
#include <vector>

#include <steward/tests/server/classes/fake_call.hpp>
#include <steward/tests/server/classes/random.hpp>

namespace steward::detail::server {
namespace {

using testing::Hosted;
using testing::list_of;
using testing::Random;

constexpr std::nullptr_t kNil = nullptr;

TEST(List, BeginsEmptyOrWithWhatItIsGiven) {
  EXPECT_EQ(Hosted("list").ask("copy"), list_of());
  EXPECT_EQ(Hosted("list", {list_of(1, "a")}).ask("copy"), list_of(1, "a"));
}

TEST(List, AppendsAndExtends) {
  Hosted list("list");
  EXPECT_EQ(list.ask("append", 1), Value());
  list.ask("extend", list_of(2, 3));
  list.ask("append", list_of(4));
  EXPECT_EQ(list.ask("copy"), list_of(1, 2, 3, list_of(4)));
  EXPECT_EQ(list.ask("size"), Value(4));
}

TEST(List, InsertClampsAsPython) {
  Hosted list("list", {list_of(1, 2)});
  list.ask("insert", 100, "end");
  list.ask("insert", -100, "begin");
  list.ask("insert", -1, "before last");
  list.ask("insert", 1, "second");
  EXPECT_EQ(list.ask("copy"), list_of("begin", "second", 1, 2, "before last", "end"));
}

TEST(List, PopsTheLastOrByIndex) {
  Hosted list("list", {list_of(0, 1, 2, 3)});
  EXPECT_EQ(list.ask("pop"), Value(3));
  EXPECT_EQ(list.ask("pop", 0), Value(0));
  EXPECT_EQ(list.ask("pop", -1), Value(2));
  EXPECT_EQ(list.refusal("pop", 1), "out_of_range: pop index out of range");
  EXPECT_EQ(list.refusal("pop", -2), "out_of_range: pop index out of range");
  list.ask("pop", -1);
  EXPECT_EQ(list.refusal("pop", -1), "out_of_range: pop from an empty list");
}

TEST(List, RefusesIndexesOutOfRange) {
  Hosted list("list", {list_of("a", "b")});
  EXPECT_EQ(list.ask("at", -2), Value("a"));
  EXPECT_EQ(list.refusal("at", 7), "out_of_range: index 7 is out of range (size 2)");
  EXPECT_EQ(list.refusal("at", -3), "out_of_range: index -3 is out of range (size 2)");
  EXPECT_EQ(list.refusal("set", 2, 0), "out_of_range: index 2 is out of range (size 2)");
  EXPECT_EQ(list.refusal("erase", 2), "out_of_range: index 2 is out of range (size 2)");
  EXPECT_EQ(list.refusal("add", 2, 1, kNil, kNil),
            "out_of_range: index 2 is out of range (size 2)");
  EXPECT_EQ(list.refusal("at", std::numeric_limits<std::int64_t>::min()),
            "out_of_range: index -9223372036854775808 is out of range (size 2)");
}

TEST(List, SetsAndErases) {
  Hosted list("list", {list_of(0, 1, 2)});
  list.ask("set", -1, "two");
  list.ask("erase", 0);
  EXPECT_EQ(list.ask("copy"), list_of(1, "two"));
  list.ask("clear");
  EXPECT_EQ(list.ask("size"), Value(0));
}

TEST(List, SearchesByValue) {
  Hosted list("list", {list_of(1, "1", 1.0, list_of(1))});
  EXPECT_EQ(list.ask("count", 1), Value(2)) << "1 equals 1.0";
  EXPECT_EQ(list.ask("index", "1"), list_of(1));
  EXPECT_EQ(list.ask("index", list_of(1.0)), list_of(3));
  EXPECT_EQ(list.ask("index", true), list_of());
  EXPECT_EQ(list.ask("contains", 1), Value(true));
  EXPECT_EQ(list.ask("contains", 2), Value(false));
  list.ask("remove", 1);
  EXPECT_EQ(list.ask("copy"), list_of("1", 1.0, list_of(1)));
  EXPECT_EQ(list.refusal("remove", "x"), "out_of_range: \"x\" is not in the list");
}

TEST(List, CutsLongValuesInErrorsBetweenCharacters) {
  Hosted list("list");
  std::string umlauts;
  for (int i = 0; i < 1000; ++i) umlauts += "\xc3\xa4";
  const std::string error = list.refusal("remove", umlauts);
  EXPECT_LT(error.size(), 300U);
  const std::size_t bytes = error.find("... is not in the list") - error.find('"') - 1;
  EXPECT_EQ(bytes % 2, 0U) << "each of the characters has two bytes";
}

// What sorts equal is told apart by kind.
TEST(List, SortIsStableInBothDirections) {
  Hosted list("list", {list_of(1.0, 2, 1, 2.0, "b", "a", nullptr)});
  list.ask("sort", false);
  EXPECT_EQ(list.ask("copy").json(), R"([null, 1.0, 1, 2, 2.0, "a", "b"])");
  list.ask("sort", true);
  EXPECT_EQ(list.ask("copy").json(), R"(["b", "a", 2, 2.0, 1.0, 1, null])");
  list.ask("reverse");
  EXPECT_EQ(list.ask("copy").json(), R"([null, 1, 1.0, 2.0, 2, "a", "b"])");
}

TEST(List, AddIsAtomicAndBounded) {
  Hosted list("list", {list_of(250, "a")});
  EXPECT_EQ(list.ask("add", 0, 5, 0, 255), Value(255));
  EXPECT_EQ(list.refusal("add", 0, 1, 0, 255),
            "bad_call: 255 + 1 is 256, which is not in [0, 255]");
  EXPECT_EQ(list.ask("at", 0), Value(255)) << "a refused add changes nothing";
  EXPECT_EQ(list.ask("add", -2, 0.5, kNil, kNil), Value(255.5));
  EXPECT_EQ(list.refusal("add", 1, 1, kNil, kNil), "bad_call: \"a\" is not a number");
}

TEST(List, PrintsAsSpacedJson) {
  EXPECT_EQ(Hosted("list").ask("str"), Value("[]"));
  EXPECT_EQ(Hosted("list", {list_of(0, "a\n", list_of(nullptr, 1.0))}).ask("str"),
            Value(R"([0, "a\n", [null, 1.0]])"));
}

TEST(List, SavesItsItemsOnly) {
  Hosted list("list", {list_of(1, "a")});
  const std::string before = list.save();
  list.ask("append", 2);
  EXPECT_NE(list.save(), before);
  list.ask("pop", -1);
  EXPECT_EQ(list.save(), before);
}

using Index = std::optional<std::int64_t>;

// What Python's reference says: bounds that are missing are the ends, negative ones count from the
// end, and the items are those at i, i + step, ... before (or above) the bound.
std::vector<int> python_slice(const std::vector<int>& items, Index begin, Index end,
                              std::int64_t step) {
  const auto size = static_cast<std::int64_t>(items.size());
  std::vector<int> out;
  if (step > 0) {
    const auto bound = [&](Index index, std::int64_t missing) {
      if (!index) return missing;
      return *index < 0 ? std::max<std::int64_t>(*index + size, 0) : std::min(*index, size);
    };
    const std::int64_t stop = bound(end, size);
    for (std::int64_t i = bound(begin, 0); i < stop; i += step) {
      out.push_back(items[static_cast<std::size_t>(i)]);
    }
  } else {
    const auto bound = [&](Index index, std::int64_t missing) {
      if (!index) return missing;
      return *index < 0 ? std::max<std::int64_t>(*index + size, -1) : std::min(*index, size - 1);
    };
    const std::int64_t stop = bound(end, -1);
    for (std::int64_t i = bound(begin, size - 1); i > stop; i += step) {
      out.push_back(items[static_cast<std::size_t>(i)]);
    }
  }
  return out;
}

std::vector<Index> some_indexes(std::int64_t size) {
  std::vector<Index> all{std::nullopt};
  for (std::int64_t i = -size - 2; i <= size + 2; ++i) all.emplace_back(i);
  return all;
}

TEST(List, SlicesAreThoseOfPython) {
  for (int size = 0; size <= 5; ++size) {
    std::vector<int> items(static_cast<std::size_t>(size));
    std::iota(items.begin(), items.end(), 10);
    Hosted list("list", {Value(items)});
    for (const Index begin : some_indexes(size)) {
      for (const Index end : some_indexes(size)) {
        for (const std::int64_t step : {-4, -3, -2, -1, 1, 2, 3, 4}) {
          ASSERT_EQ(list.ask("slice", begin, end, step),
                    Value(python_slice(items, begin, end, step)))
              << size << ": " << Value(begin) << ' ' << Value(end) << ' ' << step;
        }
      }
    }
  }
}

// Each line was printed by Python 3.
TEST(List, SlicesAtTheEndsOfAllNumbers) {
  constexpr auto kLeast = std::numeric_limits<std::int64_t>::min();
  constexpr auto kMost = std::numeric_limits<std::int64_t>::max();
  Hosted list("list", {list_of(0, 1, 2, 3, 4)});
  EXPECT_EQ(list.ask("slice", kLeast, kMost, 1), list_of(0, 1, 2, 3, 4));
  EXPECT_EQ(list.ask("slice", kMost, kLeast, -1), list_of(4, 3, 2, 1, 0));
  EXPECT_EQ(list.ask("slice", kNil, kNil, kMost), list_of(0));
  EXPECT_EQ(list.ask("slice", kNil, kNil, kLeast), list_of(4));
  EXPECT_EQ(list.ask("slice", 1, kNil, kMost), list_of(1));
  EXPECT_EQ(list.ask("slice", 3, kMost, kLeast), list_of());
  EXPECT_EQ(list.ask("slice", -2, -5, -2), list_of(3, 1));
  EXPECT_EQ(list.ask("slice"), list_of(0, 1, 2, 3, 4));
  EXPECT_EQ(list.refusal("slice", 0, 1, 0), "bad_call: the step of a slice cannot be 0");
}

// l[begin:end] = items in Python, by way of whole vectors.
std::vector<int> python_set_slice(const std::vector<int>& old, Index begin, Index end,
                                  const std::vector<int>& items) {
  const auto size = static_cast<std::int64_t>(old.size());
  const auto bound = [&](Index index, std::int64_t missing) {
    if (!index) return missing;
    return *index < 0 ? std::max<std::int64_t>(*index + size, 0) : std::min(*index, size);
  };
  const std::int64_t from = bound(begin, 0);
  const std::int64_t to = std::max(from, bound(end, size));
  std::vector<int> out(old.begin(), old.begin() + from);
  out.insert(out.end(), items.begin(), items.end());
  out.insert(out.end(), old.begin() + to, old.end());
  return out;
}

TEST(List, SettingASliceGrowsAndShrinksAsInPython) {
  for (int size = 0; size <= 4; ++size) {
    std::vector<int> items(static_cast<std::size_t>(size));
    std::iota(items.begin(), items.end(), 10);
    for (const Index begin : some_indexes(size)) {
      for (const Index end : some_indexes(size)) {
        for (int count = 0; count <= 6; count += 2) {
          std::vector<int> put(static_cast<std::size_t>(count));
          std::iota(put.begin(), put.end(), 50);
          Hosted list("list", {Value(items)});
          list.ask("set_slice", begin, end, put);
          ASSERT_EQ(list.ask("copy"), Value(python_set_slice(items, begin, end, put)));
        }
        Hosted list("list", {Value(items)});
        list.ask("erase_slice", begin, end);
        ASSERT_EQ(list.ask("copy"), Value(python_set_slice(items, begin, end, {})));
      }
    }
  }
}

// The same calls on the list and on a vector.
class ListModel {
 public:
  explicit ListModel(Random& random) : random_(random) {}

  void step() {
    const auto size = static_cast<std::int64_t>(items_.size());
    const std::int64_t any = random_.between(-size - 2, size + 2);
    const Index other = random_.once_in(4) ? Index() : random_.between(-size - 2, size + 2);
    switch (random_.below(9)) {
      case 0:
      case 1: return append();
      case 2: return insert(any);
      case 3: return pop(any);
      case 4: return remove(static_cast<int>(random_.below(20)));
      case 5: return set_slice(any, other);
      case 6:
        ASSERT_EQ(list_.ask("slice", any, other, -1 - random_.between(0, 2)).kind(),
                  ValueKind::list);
        return;
      case 7: return sort();
      default:
        std::ranges::reverse(items_);
        list_.ask("reverse");
    }
  }
  void check() {
    ASSERT_EQ(list_.ask("copy"), Value(items_));
    ASSERT_EQ(list_.ask("size"), Value(items_.size()));
  }

 private:
  void append() {
    const int item = static_cast<int>(random_.below(20));
    items_.push_back(item);
    list_.ask("append", item);
  }
  void insert(std::int64_t at) {
    const auto size = static_cast<std::int64_t>(items_.size());
    items_.insert(items_.begin() + std::clamp<std::int64_t>(at < 0 ? at + size : at, 0, size), 99);
    list_.ask("insert", at, 99);
  }
  void pop(std::int64_t at) {
    const auto size = static_cast<std::int64_t>(items_.size());
    if (at < -size || at >= size) {
      list_.refusal("pop", at);
      return;
    }
    const auto place = items_.begin() + (at < 0 ? at + size : at);
    ASSERT_EQ(list_.ask("pop", at), Value(*place));
    items_.erase(place);
  }
  void remove(int item) {
    const auto place = std::ranges::find(items_, item);
    if (place == items_.end()) {
      list_.refusal("remove", item);
      return;
    }
    list_.ask("remove", item);
    items_.erase(place);
  }
  void set_slice(Index begin, Index end) {
    std::vector<int> put(random_.below(6), 77);
    items_ = python_set_slice(items_, begin, end, put);
    list_.ask("set_slice", begin, end, put);
  }
  void sort() {
    const bool reverse = random_.once_in(2);
    std::ranges::sort(items_);
    if (reverse) std::ranges::reverse(items_);
    list_.ask("sort", reverse);
  }

  Random& random_;
  Hosted list_{"list"};
  std::vector<int> items_;
};

TEST(List, BehavesAsAVector) {
  Random random;
  for (int round = 0; round < 10; ++round) {
    ListModel model(random);
    for (int i = 0; i < 500; ++i) {
      ASSERT_NO_FATAL_FAILURE(model.step());
      ASSERT_NO_FATAL_FAILURE(model.check());
    }
  }
}

}  // namespace
}  // namespace steward::detail::server
