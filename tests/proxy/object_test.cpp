// An Object does whatever the object does, and is careful since it does not know what that is.
#include <chrono>
#include <future>
#include <mutex>
#include <sstream>
#include <string>
#include <unordered_set>
#include <vector>

#include <gtest/gtest.h>

#include <steward/proxy/dict.hpp>
#include <steward/proxy/list.hpp>
#include <steward/proxy/lock.hpp>
#include <steward/proxy/object.hpp>
#include <steward/proxy/queue.hpp>
#include <steward/tests/proxy/house.hpp>

namespace steward::detail::test {
namespace {

using namespace std::chrono_literals;

template <class P>
concept IsProxy = core::ProxyType<P> && std::regular<P> && core::Packable<P> &&
                  std::convertible_to<P, Value>;
static_assert(IsProxy<Object>);
static_assert(!std::convertible_to<Object, bool>);

class ObjectTest : public testing::Test {
 protected:
  template <class P>
  static Object untyped(const P& proxy) {
    return open<Object>(proxy.handle());
  }

  House house;
  const List<> list = house.make<List<>>(proxy::Items<int>{1, 2});
  const Queue<> queue = house.make<Queue<>>();
  const Lock lock = house.make<Lock>();
};

TEST_F(ObjectTest, CallsMethodsByName) {
  const Object object = untyped(list);
  EXPECT_TRUE(object.call("append", Value(3)).is_nil());
  object.call("append", "four");
  EXPECT_EQ(object.call("at", -1), Value("four"));
  EXPECT_EQ(object.call("slice", 0, nullptr, 2).json(), "[1, 3]");
  EXPECT_EQ(object.call("index", 9), Value(Value::List{})) << "as the wire has it";
  EXPECT_EQ(object.apply("extend", {Value(Value::List{5, 6})}), Value());
  EXPECT_EQ(list.size(), 6U);
}

TEST_F(ObjectTest, ThrowsWhatTheMethodThrows) {
  const Object object = untyped(list);
  const auto text_of = [&](auto call) -> std::string {
    try {
      call();
    } catch (const Error& error) {
      return error.what();
    }
    return "nothing was thrown";
  };
  EXPECT_EQ(text_of([&] { object.call("fly"); }), "list#1.fly: a list has no such method");
  EXPECT_EQ(text_of([&] { object.call("pop", 7); }),
            "list#1.pop: pop index out of range");
  EXPECT_THROW(object.call("pop", 7), std::out_of_range);
  EXPECT_THROW(object.call("append"), BadCall);
  queue.close();
  EXPECT_THROW(untyped(queue).call("get"), Closed);
}

TEST_F(ObjectTest, IsAProxyAsAllOthers) {
  const Object object = untyped(list);
  EXPECT_EQ(object.typeid_name(), "list");
  EXPECT_EQ(object.id(), 1U);
  EXPECT_EQ(object, untyped(list));
  EXPECT_NE(object, untyped(queue));
  EXPECT_EQ((std::unordered_set<Object>{object, untyped(list)}).size(), 1U);
  EXPECT_EQ(repr(object), repr(list));
  std::ostringstream out;
  out << object;
  EXPECT_EQ(out.str(), "[1, 2]");
  EXPECT_EQ(open<Object>(object.handle().str()), object);
  EXPECT_EQ(open<List<>>(object.handle()), list);
  EXPECT_THROW(open<Lock>(object.handle()), BadCall);
}

TEST_F(ObjectTest, StandsForAnyTypeInsideOfValues) {
  const Value value(list);
  EXPECT_TRUE(value.is<Object>());
  EXPECT_FALSE(Value(1).is<Object>());
  EXPECT_EQ(value.as<Object>(), untyped(list));
  const auto all = house.make<List<Object>>();
  all.append(untyped(list));
  all.append(untyped(lock));
  EXPECT_EQ(all.at(1).typeid_name(), "lock");
  EXPECT_EQ(all.at(0).call("size"), Value(2));
  EXPECT_EQ(untyped(queue).call("put", untyped(list)), Value());
  EXPECT_EQ(queue.get().as<List<>>(), list);
}

TEST_F(ObjectTest, DescribesItselfInOneLine) {
  const Object object = untyped(list);
  EXPECT_EQ(object.describe(), "list#1: [1, 2]");
  EXPECT_EQ(object.contents(3), "[1,...");
  object.call("append", std::string(100'000, 'x') + "\n");
  const std::string line = object.describe();
  EXPECT_LT(line.size(), 80U);
  EXPECT_TRUE(line.starts_with("list#1: [1, 2, \"xxx")) << line;
  EXPECT_TRUE(line.ends_with("...")) << line;
  EXPECT_EQ(untyped(lock).describe(),
            R"(lock#3: {"state": "unlocked", "token": 0, "waiting": 0})");
}

TEST_F(ObjectTest, EmptyOneSaysSo) {
  const Object empty;
  EXPECT_FALSE(empty);
  EXPECT_EQ(empty.typeid_name(), "");
  EXPECT_EQ(empty.id(), 0U);
  EXPECT_EQ(empty.describe(), "<empty object proxy>");
  EXPECT_EQ(repr(empty), "<empty object proxy>");
  EXPECT_THROW(empty.handle(), StaleHandle);
  try {
    empty.call("append", 1);
    FAIL();
  } catch (const StaleHandle& error) {
    EXPECT_STREQ(error.what(), "object.append: the proxy is empty");
  }
}

// What a method hands over would go back if nobody said that it has arrived.
TEST_F(ObjectTest, ConfirmsWhatItWasHanded) {
  queue.put(1);
  EXPECT_EQ(untyped(queue).call("get"), Value(1));
  // Answered behind the confirmation, which has left before.
  const std::string info = house.debug_info();
  EXPECT_NE(info.find(" 0 unconfirmed"), std::string::npos) << info;
  EXPECT_TRUE(queue.empty());
}

TEST_F(ObjectTest, TakesNothingPastItsTimeout) {
  // Asks the manager, which hears of a call that was given up before it hears this one. (The proxy
  // looks into the shared memory, where nothing waits for the manager.)
  const auto size = [&] { return untyped(queue).call("size"); };
  const Object hurried = untyped(queue).with_timeout(5ms);
  EXPECT_THROW(hurried.call("get"), TimeoutError);
  EXPECT_EQ(size(), Value(0));
  queue.put(1);
  EXPECT_EQ(size(), Value(1)) << "nobody waits for it any more";
  {
    // The manager has the call and answers it too late: the item goes back.
    const House::Pause pause(house);
    EXPECT_THROW(hurried.call("get"), TimeoutError);
  }
  EXPECT_EQ(size(), Value(1));
  EXPECT_EQ(untyped(queue).with_timeout(10s).call("get"), Value(1));
}

TEST_F(ObjectTest, SaysThatALateChangeMayHaveHappened) {
  {
    const House::Pause pause(house);
    try {
      untyped(list).with_timeout(5ms).call("append", 3);
      FAIL();
    } catch (const TimeoutError& error) {
      EXPECT_STREQ(error.what(), "list#1.append: timed out; it may still have taken effect");
    }
  }
  EXPECT_EQ(list.size(), 3U) << "and so it has";
}

TEST_F(ObjectTest, LocksForItsThread) {
  const Object object = untyped(lock);
  object.call("lock");
  EXPECT_THROW(lock.lock(), BadCall) << "this thread has it";
  EXPECT_FALSE(on_another_thread([&] { return lock.try_lock(); }));
  lock.unlock();
  EXPECT_FALSE(lock.locked());
  EXPECT_THROW(object.call("unlock"), NotOwner);
}

// A typed proxy that thinks it holds the lock would unlock somebody else's.
TEST_F(ObjectTest, UnlocksForTypedProxiesToo) {
  lock.lock();
  untyped(lock).call("unlock");
  std::promise<void> locked;
  std::promise<void> checked;
  const auto other = std::async(std::launch::async, [&] {
    const std::scoped_lock hold(lock);
    locked.set_value();
    checked.get_future().wait();
  });
  locked.get_future().wait();
  EXPECT_THROW(lock.unlock(), NotOwner);
  EXPECT_TRUE(lock.locked());
  checked.set_value();
}

TEST_F(ObjectTest, UnlocksOneHoldOfAnRLock) {
  const RLock rlock = house.make<RLock>();
  rlock.lock();
  untyped(rlock).call("lock");
  rlock.lock();
  untyped(rlock).call("unlock");
  rlock.unlock();
  EXPECT_TRUE(rlock.locked());
  rlock.unlock();
  EXPECT_FALSE(rlock.locked());
  EXPECT_THROW(rlock.unlock(), NotOwner);
}

}  // namespace
}  // namespace steward::detail::test
