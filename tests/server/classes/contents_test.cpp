// What objects show of their contents, whole or cut; and what counts as entries of a dict.
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <steward/tests/server/classes/fake_call.hpp>

namespace steward::detail::server {
namespace {

using namespace testing;

TEST(Contents, AreCutAtTheLimit) {
  Hosted list("list", {list_of(1, "two", list_of(3))});
  const std::string all = R"([1, "two", [3]])";
  EXPECT_EQ(list.ask("str"), Value(all));
  EXPECT_EQ(list.ask("str", nullptr), Value(all));
  EXPECT_EQ(list.ask("str", all.size()), Value(all)) << "at the limit";
  for (std::size_t limit = 0; limit < all.size(); ++limit) {
    EXPECT_EQ(list.ask("str", limit), Value(all.substr(0, limit) + "..."));
  }
}

TEST(Contents, OfEveryClassAreCut) {
  EXPECT_EQ(Hosted("dict", {list_of(list_of("a", 1), list_of("b", 2))}).ask("str", 8),
            Value(R"({"a": 1,...)"));
  Hosted queue("queue");
  queue.ask("put", "item");
  EXPECT_EQ(queue.ask("str", 3), Value("[\"i..."));
  EXPECT_EQ(Hosted("lock").ask("str", 9), Value(R"({"state":...)"));
  EXPECT_EQ(Hosted("rlock").ask("str", 9), Value(R"({"state":...)"));
}

TEST(Contents, AreNotCutWithinACharacter) {
  Hosted list("list", {list_of("\u65e5\u672c")});
  EXPECT_EQ(list.ask("str", 4), Value("[\"..."));
  EXPECT_EQ(list.ask("str", 5), Value("[\"\u65e5..."));
}

TEST(Entries, AreAMapOrAListOfPairs) {
  Hosted dict("dict", {Value::of_map({{"a", 1}, {2, "b"}})});
  EXPECT_EQ(dict.ask("str"), Value(R"({"a": 1, 2: "b"})"));
  dict.ask("update", Value::of_map({{"a", 7}}));
  dict.ask("update", list_of(list_of("c", 1), list_of("c", 2)));
  EXPECT_EQ(dict.ask("str"), Value(R"({"a": 7, 2: "b", "c": 2})"));
  EXPECT_TRUE(dict.refusal("update", 1).starts_with("bad_call: argument 1: "));
  EXPECT_TRUE(dict.refusal("update").starts_with("bad_call: too few arguments"));
}

// A map counts as one level of what a call may carry.
TEST(Entries, NestAsDeepAsACallMay) {
  Value deep;
  for (std::size_t i = 0; i + 1 < core::kValueDepth; ++i) deep = Value::List{deep};
  Hosted dict("dict", {Value::of_map({{"k", deep}})});
  EXPECT_EQ(dict.ask("at", "k"), deep);
}

}  // namespace
}  // namespace steward::detail::server
