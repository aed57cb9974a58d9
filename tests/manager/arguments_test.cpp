// Proxies that travel to a process inside something else, which the process may never look at.
#include <sys/types.h>

#include <string>

#include <gtest/gtest.h>
#include <msgpack.hpp>

#include <steward/steward.hpp>

namespace steward {
namespace {

void look_away(const Value&) {}
void append_one(const Value& list) { list.as<List<int>>().append(1); }

// Travels, and arrives nowhere.
struct Unreadable {
  Value inside;
  template <class Packer>
  void msgpack_pack(Packer& out) const {
    out.pack(inside);
  }
  void msgpack_unpack(const msgpack::object&) { throw BadCall("unreadable as intended"); }
};
void read_it(const Unreadable&) {}

// The list and a process that has nothing else of it; the caller's own proxy is gone.
template <class F>
Process holder_of_a_list(const Manager& manager, F target) {
  return Process(target, Value(manager.list<int>()));
}

TEST(ProcessArguments, WhatAProcessDidNotLookAtGoesWhenItEnds) {
  const Manager manager;
  Process child = holder_of_a_list(manager, look_away);
  child.start();
  EXPECT_EQ(manager.number_of_objects(), 1U) << "the process might still claim it";
  child.join();
  EXPECT_EQ(manager.number_of_objects(), 0U);
}

TEST(ProcessArguments, AlsoWhenNobodyJoinsIt) {
  const Manager manager;
  {
    Process child = holder_of_a_list(manager, look_away);
    child.start();
  }
  EXPECT_EQ(manager.number_of_objects(), 0U);
}

TEST(ProcessArguments, WhatItDidLookAtStaysWithThoseWhoHaveIt) {
  const Manager manager;
  const List<int> mine = manager.list<int>();
  Process child(append_one, Value(mine));
  child.start();
  child.join();
  EXPECT_EQ(mine.copy(), std::vector<int>{1});
  EXPECT_EQ(manager.number_of_objects(), 1U);
}

TEST(ProcessArguments, WhatAProcessCouldNotReadGoesAtOnce) {
  const Manager manager;
  {
    Process child(read_it, Unreadable{Value(manager.list<int>())});
    EXPECT_THROW(child.start(), BadCall);
  }
  EXPECT_EQ(manager.number_of_objects(), 0U);
}

}  // namespace
}  // namespace steward
