// What all proxies have in common: identity, handles, how they travel.
#include <array>
#include <map>
#include <sstream>
#include <string>
#include <unordered_set>
#include <vector>

#include <gtest/gtest.h>

#include <steward/proxy/dict.hpp>
#include <steward/proxy/list.hpp>
#include <steward/proxy/lock.hpp>
#include <steward/proxy/queue.hpp>
#include <steward/tests/proxy/house.hpp>

namespace steward::detail::test {
namespace {

using namespace std::chrono_literals;
using std::vector;

class HandleTest : public testing::Test {
 protected:
  House house;
  const List<int> list = house.make<List<int>>(proxy::Items<int>{1, 2});
};

TEST_F(HandleTest, ProxiesCompareAndHashByTheirObject) {
  const List<int> copy = list;
  const List<int> other = house.make<List<int>>(proxy::Items<int>(list));
  EXPECT_EQ(copy, list);
  EXPECT_NE(other, list);
  EXPECT_EQ(list.with_timeout(1s), list);
  EXPECT_EQ(std::hash<List<int>>()(copy.with_timeout(1s)), std::hash<List<int>>()(list));
  EXPECT_EQ((std::unordered_set<List<int>>{list, copy, other, {}, {}}).size(), 3U);
  EXPECT_EQ(List<int>(), List<int>());
  EXPECT_NE(List<int>(), list);
}

TEST_F(HandleTest, AnEmptyProxySaysSo) {
  const List<int> empty;
  EXPECT_FALSE(empty);
  EXPECT_TRUE(list);
  EXPECT_THROW(empty.size(), StaleHandle);
  EXPECT_THROW(empty.handle(), StaleHandle);
  EXPECT_THROW(core::packed(empty), StaleHandle);
  EXPECT_THROW(Lock().unlock(), StaleHandle);
  EXPECT_THROW(Lock().previous_owner_died(), StaleHandle);
  EXPECT_THROW(Queue<int>().begin(), StaleHandle);
  EXPECT_THROW((Dict<int, int>().update_with(1, [](int n) { return n; })), StaleHandle);
  EXPECT_EQ(repr(empty), "<empty list proxy>");
}

TEST_F(HandleTest, RepresentsItself) {
  EXPECT_EQ(repr(list).find("<ListProxy object, typeid 'list' at 0x"), 0U) << repr(list);
}

TEST_F(HandleTest, ATextOpensTheSameObject) {
  const std::string text = list.handle().str();
  EXPECT_EQ(text.find("steward:1:"), 0U);
  const List<int> again = open<List<int>>(text);
  EXPECT_EQ(again, list);
  again.append(3);
  EXPECT_EQ(list.size(), 3U);
  EXPECT_EQ(open<List<int>>(text, ConnectOptions{.timeout = 1s}), list);
}

TEST_F(HandleTest, OpenChecksTheType) {
  const std::string text = list.handle().str();
  try {
    open<Dict<int, int>>(text);
    FAIL();
  } catch (const BadCall& error) {
    EXPECT_NE(std::string(error.what()).find(" is a list, not a dict"), std::string::npos)
        << error.what();
  }
  // A text that lies about the type finds out what the object is.
  core::Token token = core::parse_token(text);
  token.type = "dict";
  EXPECT_THROW((open<Dict<int, int>>(core::token_text(token))), BadCall);
  EXPECT_THROW(open<Lock>(list.handle()), BadCall);
  EXPECT_THROW(open<List<int>>("nonsense"), BadCall);
  EXPECT_THROW(open<List<int>>(Handle()), StaleHandle);
}

TEST_F(HandleTest, ATextKeepsItsObjectUntilItIsClaimed) {
  const std::string text = house.make<List<int>>(proxy::Items<int>{7}).handle().str();
  EXPECT_EQ(house.number_of_objects(), 2U);
  EXPECT_EQ(open<List<int>>(text).at(0), 7);
  EXPECT_EQ(house.number_of_objects(), 1U);
  EXPECT_THROW(open<List<int>>(text), StaleHandle);
}

TEST_F(HandleTest, HandlesAreValuesThatTravel) {
  const Handle handle = list.handle();
  EXPECT_EQ(handle.typeid_name(), "list");
  EXPECT_EQ(handle, list.handle());
  EXPECT_NE(handle, Handle());
  EXPECT_LT(Handle(), handle);
  EXPECT_EQ(open<List<int>>(handle), list);
  const auto back = core::unpack<vector<Handle>>(core::packed(vector{handle, handle}));
  EXPECT_EQ(back.at(1), handle);
  EXPECT_EQ(open<List<int>>(back.at(0)), list);
  std::ostringstream out;
  out << handle;
  EXPECT_EQ(open<List<int>>(out.str()), list);
  EXPECT_THROW(Handle().str(), StaleHandle);
  const auto handles = house.make<Dict<std::string, Handle>>();
  handles.set("l", handle);
  EXPECT_EQ(handles.at("l"), handle);
}

struct Pair {
  List<int> numbers;
  std::map<std::string, Lock> locks;
  std::optional<Queue<int>> queue;
  MSGPACK_DEFINE(numbers, locks, queue)
};

TEST_F(HandleTest, ProxiesTravelInsideOfAnything) {
  const Lock lock = house.make<Lock>();
  const Pair pair{list, {{"a", lock}}, {}};
  // As an argument of a process would: packed here, unpacked there, claimed at once.
  const Pair copy = core::unpack<Pair>(core::packed(pair));
  EXPECT_EQ(copy.numbers, list);
  EXPECT_EQ(copy.locks.at("a"), lock);
  EXPECT_EQ(copy.numbers.size(), 2U);
  // And through the manager.
  const auto pairs = house.make<List<Pair>>();
  pairs.append(pair);
  EXPECT_EQ(pairs[0]->numbers, list);
  EXPECT_EQ(pairs.at(0).locks.at("a"), lock);
  const Value value(list);
  EXPECT_TRUE(value.is<List<int>>());
  EXPECT_FALSE(value.is<Lock>());
  EXPECT_EQ(value.as<List<int>>(), list);
  EXPECT_THROW(value.as<Lock>(), BadCall);
  const auto any = house.make<Dict<>>();
  any["list"] = list;
  any["all"] = Value::List{list, lock};
  EXPECT_EQ(any.at("list").as<List<int>>(), list);
  EXPECT_EQ(any.at("all").as<vector<Value>>().at(1).as<Lock>(), lock);
}

TEST_F(HandleTest, UnpackingClaims) {
  std::string bytes;
  {
    const auto gone = house.make<List<int>>(proxy::Items<int>{5});
    bytes = core::packed(gone);  // with a lease
  }
  EXPECT_EQ(house.number_of_objects(), 2U);
  {
    const auto back = core::unpack<List<int>>(bytes);
    EXPECT_EQ(back.at(0), 5);
  }
  EXPECT_EQ(house.number_of_objects(), 1U);
  EXPECT_THROW(core::unpack<List<int>>(bytes), StaleHandle);
}

TEST_F(HandleTest, WhatCannotBeUnpackedKeepsNothing) {
  const auto mixed = house.make<List<>>();
  for (int i = 0; i < 3; ++i) mixed.append(house.make<List<int>>());
  mixed.insert(1, "no list");
  const auto lists = open<List<List<int>>>(mixed.handle());
  EXPECT_THROW(lists.copy(), BadCall);
  EXPECT_EQ(house.number_of_objects(), 5U);
  mixed.clear();
  EXPECT_EQ(house.number_of_objects(), 2U);
}

TEST_F(HandleTest, TheObjectLivesAsLongAsAProxy) {
  {
    const auto mine = house.make<List<int>>();
    const auto copy = mine;
    const auto timed = mine.with_timeout(1s);
    EXPECT_EQ(house.number_of_objects(), 2U);
  }
  EXPECT_EQ(house.number_of_objects(), 1U);
}

TEST_F(HandleTest, ArgumentsMayComeFromAnotherManager) {
  House other;
  const auto foreign = other.make<List<int>>(proxy::Items<int>{9});
  const auto lists = house.make<List<List<int>>>();
  lists.append(foreign);
  EXPECT_EQ(lists[0]->at(0), 9);
  EXPECT_EQ(lists.at(0), foreign);
  EXPECT_NE(list, foreign);
}

TEST_F(HandleTest, ATimeoutHoldsForEveryCallAnew) {
  const auto timed = list.with_timeout(100ms);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(timed.size(), 2U);
  const House::Pause pause(house);
  EXPECT_THROW(timed.size(), TimeoutError);
  EXPECT_THROW(list.with_timeout(-1s).append(1), TimeoutError);
}

}  // namespace
}  // namespace steward::detail::test
