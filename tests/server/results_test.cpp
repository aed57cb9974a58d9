// What a call gives is decided before it is given: a result that no message carries is an error,
// and nothing was taken, granted or confirmed for it.
#include <algorithm>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <steward/tests/server/core_driver.hpp>

namespace steward::detail::test {
namespace {

using core::ErrorCode;
using core::kManagerObject;

class Results : public testing::Test {
 protected:
  // Its messages have so many bytes.
  void start(std::size_t message_bytes) {
    core::Limits limits;
    limits.message_bytes = message_bytes;
    driver.emplace(registry, limits);
    ann = driver->open();
    bob = driver->open();
  }
  core::ObjectId make(std::string_view type) { return driver->create(ann, type, arguments()); }
  // For another session, whose references are its own.
  core::ObjectId claim(CoreDriver::Client& client, core::ObjectId object) {
    const std::string args = arguments(core::number(object));
    EXPECT_EQ(driver->call(client, kManagerObject, "claim", args).code, ErrorCode::ok);
    return object;
  }
  void drop(CoreDriver::Client& client, core::ObjectId object) {
    const Value pair(std::vector<std::uint64_t>{core::number(object), 1});
    driver->send(client, kManagerObject, "drop", arguments(Value(Value::List{pair})), {}, true);
  }
  Value handle_of(core::ObjectId object) {
    core::Token token;
    token.incarnation = driver->core.identity().incarnation;
    token.object = object;
    token.type = "list";
    return Value::of_reference(std::make_shared<const core::Reference>(token));
  }
  // Everything that get_many gives until there is nothing, call by call.
  std::vector<std::size_t> drain(core::ObjectId queue) {
    std::vector<std::size_t> counts;
    while (driver->call(ann, queue, "size", arguments()).result.integer() > 0) {
      const core::Seq seq = driver->send(ann, queue, "get_many", arguments(1'000));
      const Answer got = driver->answer(ann, seq);
      if (got.code != ErrorCode::ok) {
        ADD_FAILURE() << got.text;
        break;
      }
      driver->acknowledge(ann, seq);
      counts.push_back(got.result.list().size());
    }
    return counts;
  }

  const server::Registry registry = server::builtin_classes();
  std::optional<CoreDriver> driver;
  CoreDriver::Client ann;
  CoreDriver::Client bob;
};

TEST_F(Results, GetManyTakesNoMoreThanOneMessageCarries) {
  start(64U << 10U);
  const auto queue = make("queue");
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(driver->call(ann, queue, "put", arguments(std::string(1'000, 'x'))).code,
              ErrorCode::ok);
  }
  const std::vector<std::size_t> counts = drain(queue);
  EXPECT_EQ(std::accumulate(counts.begin(), counts.end(), std::size_t{0}), 100U);
  EXPECT_GE(counts.front(), 50U) << "a message is filled";
}

TEST_F(Results, GetManyThatWaitedTakesNoMoreThanOneMessageCarries) {
  start(64U << 10U);
  const auto queue = make("queue");
  const core::Seq waits = driver->send(bob, claim(bob, queue), "get_many", arguments(1'000));
  std::vector<std::string> items(60, std::string(1'000, 'x'));
  ASSERT_EQ(driver->call(ann, queue, "put_many", arguments(items)).code, ErrorCode::ok);
  const Answer got = driver->answer(bob, waits);
  ASSERT_EQ(got.code, ErrorCode::ok) << got.text;
  driver->acknowledge(bob, waits);
  const std::vector<std::size_t> rest = drain(queue);
  EXPECT_EQ(std::accumulate(rest.begin(), rest.end(), got.result.list().size()), 60U);
}

TEST_F(Results, ItemsOfEverySizeComeOutWholeAndInOrder) {
  start(20'000);
  const auto queue = make("queue");
  const std::size_t sizes[] = {1, 19'000, 1, 10'000, 9'000, 9'000, 30, 19'700, 19'700, 2};
  for (const std::size_t size : sizes) {
    ASSERT_EQ(driver->call(ann, queue, "put", arguments(std::string(size, 'x'))).code,
              ErrorCode::ok);
  }
  std::vector<std::size_t> got;
  while (got.size() < std::size(sizes)) {
    const core::Seq seq = driver->send(ann, queue, "get_many", arguments(1'000));
    const Answer answer = driver->answer(ann, seq);
    ASSERT_EQ(answer.code, ErrorCode::ok) << answer.text;
    driver->acknowledge(ann, seq);
    for (const Value& item : answer.result.list()) got.push_back(item.string().size());
  }
  EXPECT_TRUE(std::ranges::equal(got, sizes));
}

TEST_F(Results, ReferencesInAResultThatIsTooLongAreNotGranted) {
  start(8'192);
  const auto all = make("list");
  for (int i = 0; i < 500; ++i) {
    const auto each = make("list");
    ASSERT_EQ(driver->call(ann, all, "append", arguments(handle_of(each))).code, ErrorCode::ok);
    drop(ann, each);
  }
  ASSERT_EQ(driver->core.number_of_objects(), 501U);
  const Answer copy = driver->call(bob, claim(bob, all), "copy", arguments());
  EXPECT_EQ(copy.code, ErrorCode::overloaded);
  EXPECT_NE(copy.text.find("a message at most 8192"), std::string::npos) << copy.text;
  EXPECT_EQ(driver->call(bob, kManagerObject, "objects", arguments()).code, ErrorCode::overloaded);
  EXPECT_EQ(driver->call(ann, all, "clear", arguments()).code, ErrorCode::ok);
  EXPECT_EQ(driver->core.number_of_objects(), 1U);
}

TEST_F(Results, WhatWasWrittenCanBeReadWhateverItsSize) {
  start(8'192);
  const auto list = make("list");
  const auto dict = make("dict");
  int taken = 0;
  for (std::size_t size = 7'800; size < 8'192; ++size) {
    const Value value(std::string(size, 'x'));
    const Answer append = driver->call(ann, list, "append", arguments(value));
    EXPECT_EQ(driver->call(ann, dict, "set", arguments("k", value)).code, append.code);
    if (append.code == ErrorCode::overloaded) {
      EXPECT_NE(append.text.find("more than the"), std::string::npos) << append.text;
      continue;
    }
    ++taken;
    EXPECT_EQ(driver->call(ann, list, "at", arguments(0)).code, ErrorCode::ok);
    EXPECT_EQ(driver->call(ann, list, "pop", arguments()).code, ErrorCode::ok);
    EXPECT_EQ(driver->call(ann, dict, "get", arguments("k")).code, ErrorCode::ok);
    EXPECT_EQ(driver->call(ann, dict, "try_pop", arguments("k")).code, ErrorCode::ok);
  }
  EXPECT_GT(taken, 100);
  EXPECT_LT(taken, 392);
}

// Equal keys of different lengths: 1.0 has nine bytes, 1 has one.
TEST_F(Results, APairThatCameInTwoMessagesIsNotTakenIfOneCannotCarryIt) {
  start(8'192);
  const auto dict = make("dict");
  const Value reals(std::vector<double>(700, 1.0));
  const Value integers(std::vector<int>(700, 1));
  ASSERT_EQ(driver->call(ann, dict, "set", arguments(reals, 0)).code, ErrorCode::ok);
  ASSERT_EQ(driver->call(ann, dict, "set", arguments(integers, std::string(7'000, 'x'))).code,
            ErrorCode::ok);
  EXPECT_EQ(driver->call(ann, dict, "popitem", arguments()).code, ErrorCode::overloaded);
  EXPECT_EQ(driver->call(ann, dict, "size", arguments()).result, Value(1));
  EXPECT_EQ(driver->call(ann, dict, "pop", arguments(integers)).result.string().size(), 7'000U);
}

// The limit may fall below what is there already.
TEST_F(Results, AnItemThatNoMessageCarriesAnyMoreStaysInItsQueue) {
  start(8'192);
  const auto queue = make("queue");
  for (int i = 0; i < 3; ++i) {
    driver->call(ann, queue, "put", arguments(std::string(4'000, 'x')));
  }
  core::Limits less;
  less.message_bytes = 2'048;
  driver->apply(server::input::LimitsChanged{less});
  for (const char* method : {"get", "try_get", "reserve", "get_many"}) {
    const std::string args = std::string_view(method) == "get_many" ? arguments(2) : arguments();
    EXPECT_EQ(driver->call(ann, queue, method, args).code, ErrorCode::overloaded) << method;
    EXPECT_EQ(driver->call(ann, queue, "size", arguments()).result, Value(3)) << method;
  }
  driver->apply(server::input::LimitsChanged{});
  EXPECT_EQ(driver->call(ann, queue, "get", arguments()).result.string().size(), 4'000U);
}

TEST_F(Results, WaitersForAnItemThatNoMessageCarriesAllGetTheirError) {
  start(1U << 20U);
  const auto queue = claim(bob, make("queue"));
  driver->call(bob, queue, "put", arguments(std::string(4'000, 'x')));
  const Value lease = driver->call(bob, queue, "reserve", arguments()).result;
  std::vector<core::Seq> waiting;
  for (int i = 0; i < 200; ++i) waiting.push_back(driver->send(ann, queue, "get", arguments()));
  core::Limits less;
  less.message_bytes = 2'048;
  driver->apply(server::input::LimitsChanged{less});
  EXPECT_EQ(driver->call(bob, queue, "nack", arguments(lease.list().at(0))).code, ErrorCode::ok);
  for (const core::Seq seq : waiting) {
    EXPECT_EQ(driver->answer(ann, seq).code, ErrorCode::overloaded);
  }
  EXPECT_EQ(driver->call(bob, queue, "size", arguments()).result, Value(1));
  EXPECT_EQ(driver->core.number_parked(), 0U);
}

TEST_F(Results, WhatAClientHasWhenItComesBackIsConfirmed) {
  start(1U << 20U);
  const auto queue = make("queue");
  for (int i = 0; i < 2; ++i) driver->call(ann, queue, "put", arguments(i));
  claim(bob, queue);
  driver->call(bob, queue, "get", arguments());
  const core::Seq has = bob.next_seq;
  driver->call(bob, queue, "get", arguments());
  driver->apply(server::input::SessionResumed{bob.session, {}, has});
  driver->end(bob);
  EXPECT_EQ(driver->call(ann, queue, "size", arguments()).result, Value(1))
      << "the first is bob's; the second was never confirmed";
  EXPECT_EQ(driver->call(ann, queue, "get", arguments()).result, Value(1));
}

}  // namespace
}  // namespace steward::detail::test
