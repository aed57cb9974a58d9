// What a Manager offers to those who do not know the types: a list of all objects, a search, and
// numbers about itself.
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <steward/steward.hpp>

namespace steward::detail::test {
namespace {

class Untyped : public testing::Test {
 protected:
  Manager manager;
  const List<int> list = manager.list<int>(named("scores"), {1, 2});
  const Queue<int> queue = manager.queue<int>();
};

TEST_F(Untyped, ListsAllObjects) {
  std::vector<std::string> lines;
  for (Object o : manager.objects()) lines.push_back(o.describe());
  EXPECT_EQ(lines, (std::vector<std::string>{"list#1: [1, 2]", "queue#2: []"}));
  EXPECT_EQ(manager.objects().at(0), open<Object>(list.handle()));
  const auto names = manager.names();
  ASSERT_EQ(names.size(), 1U);
  EXPECT_EQ(names.at("scores").id(), 1U);
}

TEST_F(Untyped, FindsObjects) {
  EXPECT_EQ(manager.find("scores").value().call("size"), Value(2));
  EXPECT_FALSE(manager.find("nothing"));
  EXPECT_EQ(manager.object(2).typeid_name(), "queue");
  EXPECT_THROW(manager.object(3), StaleHandle);
  EXPECT_THROW(manager.object(0), StaleHandle);
}

// Finding grants a reference, and the last one gone the object goes.
TEST_F(Untyped, WhatWasFoundIsKeptAndLetGo) {
  Object other = manager.create("list");
  EXPECT_EQ(manager.number_of_objects(), 3U);
  Object again = manager.object(other.id());
  std::vector<Object> all = manager.objects();
  other = {};
  again = {};
  EXPECT_EQ(manager.number_of_objects(), 3U);
  all.clear();
  EXPECT_EQ(manager.number_of_objects(), 2U);
}

TEST_F(Untyped, CreatesByTheNameOfTheClass) {
  EXPECT_EQ(manager.create("queue", {8}).call("maxsize"), Value(8));
  const Object dict = manager.create("dict", named("d"), {Value::of_map({{"a", 1}})});
  EXPECT_EQ(dict.describe(), R"(dict#4: {"a": 1})");
  EXPECT_EQ(manager.create("dict", named("d")), dict);
  EXPECT_EQ((manager.dict<std::string, int>(named("d")).at("a")), 1);
  EXPECT_THROW(manager.create("list", named("d")), BadCall);
  EXPECT_THROW(manager.create("carrier pigeon"), BadCall);
  EXPECT_THROW(manager.create("queue", {"many"}), BadCall);
}

TEST_F(Untyped, TellsStatistics) {
  list.append(3);
  const Value stat = manager.stat();
  const auto at = [](const Value& map, std::string_view key) {
    for (const auto& [name, value] : map.map()) {
      if (name == Value(key)) return value;
    }
    return Value();
  };
  EXPECT_EQ(at(stat, "pid"), Value(manager.pid()));
  EXPECT_EQ(at(stat, "sessions"), Value(1));
  EXPECT_EQ(at(at(stat, "objects"), "list"), Value(1));
  EXPECT_EQ(at(at(at(stat, "calls"), "list.append"), "calls"), Value(1));
  EXPECT_GT(at(at(stat, "received"), "bytes").natural(), 0U);
}

}  // namespace
}  // namespace steward::detail::test
