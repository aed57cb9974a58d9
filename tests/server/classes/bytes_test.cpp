// What objects say that they take: exactly the footprints of what is in them, whatever happened
// before. And no method that adds grows by more than it has asked for.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <string>

#include <steward/manager/server/class.hpp>
#include <steward/tests/server/classes/fake_call.hpp>
#include <steward/tests/server/classes/random.hpp>

namespace steward::detail::server {
namespace {

using testing::Answer;
using testing::Hosted;
using testing::Random;
using testing::list_of;

std::size_t sum_of(const Value& items) { return impl::footprint(items.list()); }

Value text_of(Random& random) { return std::string(random.below(200), 'x'); }

// Calls it; an adding one must have asked for the room that it took.
Answer checked(Hosted& object, std::string_view method, const Value::List& arguments) {
  const std::size_t before = object.bytes();
  Answer answer = object.call(object.client, method, arguments);
  if (object.bytes() > before) {
    EXPECT_LE(object.bytes() - before, object.last_room()) << method;
  }
  return answer;
}

std::string adding_of(const char* type) {
  const Registry registry = builtin_classes();
  std::string names;
  for (const Method& method : registry.find(type)->methods) {
    if (method.adds) names += std::string(method.name) + ' ';
  }
  return names;
}

TEST(Bytes, AddingMethodsAreMarked) {
  EXPECT_EQ(adding_of("list"), "append extend insert set set_slice ");
  EXPECT_EQ(adding_of("dict"), "set setdefault update add compare_exchange swap_if ");
  EXPECT_EQ(adding_of("queue"), "put try_put put_many ");
  EXPECT_EQ(adding_of("lock"), "");
  EXPECT_EQ(adding_of("rlock"), "");
}

TEST(Bytes, AreNoneInAnEmptyObject) {
  for (const char* type : {"list", "dict", "queue", "lock", "rlock"}) {
    EXPECT_EQ(Hosted(type).bytes(), 0U) << type;
  }
}

TEST(Bytes, OfAListAreThoseOfItsItems) {
  Random random;
  Hosted list("list", {list_of(1, "two")});
  for (int i = 0; i < 2000; ++i) {
    const auto index = static_cast<std::int64_t>(random.below(12)) - 6;
    const Value a = random.below(2) == 0 ? text_of(random) : Value(7);
    switch (random.below(14)) {
      case 0:
      case 1:
      case 2: checked(list, "append", {a}); break;
      case 3: checked(list, "extend", {list_of(a, 2, "three")}); break;
      case 4: checked(list, "insert", {index, a}); break;
      case 5: checked(list, "pop", {index}); break;
      case 6: checked(list, "remove", {7}); break;
      case 7: checked(list, "set", {index, a}); break;
      case 8: checked(list, "add", {index, 0.5}); break;
      case 9: checked(list, "set_slice", {index, index + 2, list_of(a, "b")}); break;
      case 10: checked(list, "erase", {index}); break;
      case 11: checked(list, "erase_slice", {index, index + 2}); break;
      case 12: checked(list, random.below(2) == 0 ? "sort" : "reverse", {}); break;
      default:
        if (random.below(20) == 0) checked(list, "clear", {});
    }
    ASSERT_EQ(list.bytes(), sum_of(list.ask("copy")));
  }
}

TEST(Bytes, OfADictAreThoseOfItsKeysAndValues) {
  Random random;
  Hosted dict("dict", {list_of(list_of(1, "two"))});
  for (int i = 0; i < 2000; ++i) {
    const Value key = random.below(2) == 0 ? Value(random.below(9))
                                           : Value(std::string(random.below(9), 'k'));
    const Value a = random.below(2) == 0 ? text_of(random) : Value(7);
    switch (random.below(12)) {
      case 0:
      case 1: checked(dict, "set", {key, a}); break;
      case 2: checked(dict, "setdefault", {key, a}); break;
      case 3: checked(dict, "pop", {key}); break;
      case 4: checked(dict, "try_pop", {key}); break;
      case 5: checked(dict, "popitem", {}); break;
      case 6: checked(dict, "update", {list_of(list_of(key, a), list_of(-3, a))}); break;
      case 7: checked(dict, "erase", {key}); break;
      case 8: checked(dict, "add", {key, 1}); break;
      case 9: checked(dict, "compare_exchange", {key, 7, a}); break;
      case 10:
        checked(dict, "swap_if", {key, random.below(2) == 0 ? list_of() : list_of(7), a});
        break;
      default:
        if (random.below(20) == 0) checked(dict, "clear", {});
    }
    ASSERT_EQ(dict.bytes(), sum_of(dict.ask("keys")) + sum_of(dict.ask("values")));
  }
}

// Items count from the call that brings them to the confirmation of the call that takes them.
TEST(Bytes, OfAQueueAreThoseOfItemsWhereverTheyAre) {
  const std::size_t each = Value("item").footprint();
  Hosted queue("queue", {2});
  checked(queue, "put", {"item"});
  EXPECT_EQ(queue.last_room(), each);
  checked(queue, "try_put", {"item"});
  EXPECT_EQ(queue.bytes(), 2 * each);
  checked(queue, "try_put", {"item"});
  EXPECT_EQ(queue.bytes(), 2 * each) << "it was not taken in";

  const Answer waiting = checked(queue, "put", {"item"});
  const Answer many = checked(queue, "put_many", {list_of("item", "item", "item")});
  EXPECT_EQ(queue.bytes(), 6 * each) << "they wait to enter";
  const Answer taken = checked(queue, "get", {});
  EXPECT_EQ(queue.bytes(), 6 * each) << "one is in flight";
  queue.confirm(taken);
  EXPECT_EQ(queue.bytes(), 5 * each);
  const Answer several = checked(queue, "get_many", {2});
  queue.cancel(several);
  EXPECT_EQ(queue.bytes(), 5 * each) << "they are back";
  queue.cancel(many);
  EXPECT_LT(queue.bytes(), 5 * each);
  EXPECT_TRUE(queue.now(waiting).value);
  while (!queue.ask("empty").boolean()) queue.confirm(checked(queue, "get", {}));
  EXPECT_EQ(queue.bytes(), 0U);

  checked(queue, "put_many", {list_of("item", "item", "item")});
  checked(queue, "close", {});
  EXPECT_EQ(queue.bytes(), 2 * each) << "the third never entered";
}

TEST(Bytes, OfAQueueFollowItsItems) {
  Random random;
  Hosted queue("queue", {4});
  std::vector<Answer> calls;
  for (int i = 0; i < 2000; ++i) {
    switch (random.below(8)) {
      case 0: calls.push_back(checked(queue, "put", {text_of(random)})); break;
      case 1: checked(queue, "try_put", {text_of(random)}); break;
      case 2: {
        const Value items = list_of(text_of(random), text_of(random));
        calls.push_back(checked(queue, "put_many", {items}));
        break;
      }
      case 3: calls.push_back(checked(queue, "get", {})); break;
      case 4: calls.push_back(checked(queue, "get_many", {3})); break;
      case 5: calls.push_back(checked(queue, "reserve", {1})); break;
      case 6: {
        const char* const word = random.below(2) == 0 ? "ack" : "nack";
        checked(queue, word, {random.below(static_cast<std::size_t>(i) / 6 + 1)});
        break;
      }
      default: queue.pass(std::chrono::milliseconds(random.below(2)));
    }
    if (calls.empty() || random.below(2) == 0) continue;
    const std::size_t which = random.below(calls.size());
    const Answer call = queue.now(calls[which]);
    if (random.below(2) == 0) {
      queue.confirm(call);
    } else {
      queue.cancel(call);
    }
  }
  // Everything out again: had anything been counted twice, or not given up, it would show.
  for (const Answer& call : calls) {
    queue.cancel(queue.now(call));
  }
  queue.end_session(1, Ending::orderly);
  while (!queue.ask("empty").boolean()) queue.confirm(checked(queue, "get", {}));
  EXPECT_EQ(queue.bytes(), 0U);
}

}  // namespace
}  // namespace steward::detail::server
