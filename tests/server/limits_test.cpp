// Every limit that the core keeps, at it and one past it. Past a limit nothing is done, and what
// does not need it goes on.
//
// The limits that others keep, and where they are tried:
//   message, sent by a client    tests/client/session_test.cpp
//   message, at the server       tests/server/loop/limits_test.cpp
//   calls in flight              tests/client/session_test.cpp
//   unread replies, bytes, time  tests/server/loop/outbox_test.cpp, limits_test.cpp
//   sessions, by number          tests/server/loop/control_socket_test.cpp
//   sessions, by descriptors     tests/server/loop/limits_test.cpp
//   peers, number and time    tests/server/loop/control_socket_test.cpp
//   challenges, time             tests/server/loop/limits_test.cpp
//   connections                  tests/server/loop/accept_test.cpp
//   nesting, names of methods    tests/core/value_codec_test.cpp, wire_test.cpp
//   what users see of them       tests/manager/limits_test.cpp
#include <gtest/gtest.h>

#include <steward/manager/server/sessions.hpp>
#include <steward/tests/server/core_driver.hpp>
#include <steward/tests/server/slot_class.hpp>

namespace steward::detail::test {
namespace {

using namespace std::chrono_literals;
using core::ErrorCode;
using core::kManagerObject;
using core::Limits;

class CoreLimits : public testing::Test {
 protected:
  // Slots, for what all objects have in common, and the built-in classes.
  static server::Registry registry_of_test() {
    server::Registry registry = slot_registry();
    const server::Registry builtin = server::builtin_classes();
    for (const auto& type : builtin.classes()) registry.add(*type);
    return registry;
  }
  void start(const Limits& limits) {
    driver.emplace(registry, limits);
    client = driver->open();
  }
  Answer call(core::ObjectId object, std::string_view method, const std::string& args) {
    return driver->call(client, object, method, args);
  }
  ErrorCode code(core::ObjectId object, std::string_view method, const std::string& args) {
    return call(object, method, args).code;
  }
  core::ObjectId make(std::string_view type, const std::string& init = arguments(),
                      const Value& name = {}) {
    return driver->create(client, type, init, name);
  }
  void drop(core::ObjectId object) {
    const Value pair(std::vector<std::uint64_t>{core::number(object), 1});
    driver->send(client, kManagerObject, "drop", arguments(Value(Value::List{pair})));
  }
  std::size_t objects() const { return driver->core.number_of_objects(); }
  ErrorCode lease(core::ObjectId object, char nonce) {
    return code(kManagerObject, "lease",
                arguments(core::number(object), Value::of_bytes(std::string(16, nonce))));
  }

  const server::Registry registry = registry_of_test();
  std::optional<CoreDriver> driver;
  CoreDriver::Client client;
};

TEST_F(CoreLimits, Objects) {
  start({.objects = 2});
  make("slot");
  const auto second = make("slot");
  const Answer past = call(kManagerObject, "create", arguments("slot", Value(), Value::List{}));
  EXPECT_EQ(past.code, ErrorCode::overloaded);
  EXPECT_EQ(past.text, "manager.create: 2 objects exist, the limit");
  EXPECT_EQ(objects(), 2U);
  drop(second);
  make("slot");
}

TEST_F(CoreLimits, ANamedObjectThatExistsIsOpenedPastTheLimitOfObjects) {
  start({.objects = 1});
  const auto named = make("slot", arguments(), "it");
  EXPECT_EQ(make("slot", arguments(), "it"), named);
  EXPECT_THROW(make("slot", arguments(), "other"), Overloaded);
}

TEST_F(CoreLimits, ParkedCallsOfAllSessions) {
  start({.parked_calls = 2});
  const auto object = make("slot");
  CoreDriver::Client other = driver->open();
  const core::Seq first = driver->send(client, object, "take", arguments());
  const core::Seq second = driver->send(other, object, "take", arguments());
  EXPECT_FALSE(driver->answered(client, first) || driver->answered(other, second));
  const Answer past = call(object, "take", arguments());
  EXPECT_EQ(past.code, ErrorCode::overloaded);
  EXPECT_EQ(past.text, "slot#1.take: 2 calls wait already, the limit");
  EXPECT_EQ(driver->core.number_parked(), 2U);
  // What need not wait goes on, and makes room.
  EXPECT_EQ(code(object, "put", arguments(1)), ErrorCode::ok);
  EXPECT_TRUE(driver->answered(client, first));
  const core::Seq third = driver->send(client, object, "take", arguments());
  EXPECT_FALSE(driver->answered(client, third));
}

TEST_F(CoreLimits, APutOfManyThatMayNotWaitPutsNothing) {
  start({.parked_calls = 0});
  const auto queue = make("queue", arguments(3));
  EXPECT_EQ(code(queue, "put_many", arguments(Value(Value::List{1, 2}))), ErrorCode::ok);
  EXPECT_EQ(code(queue, "put_many", arguments(Value(Value::List{3, 4}))), ErrorCode::overloaded);
  EXPECT_EQ(call(queue, "size", arguments()).result, Value(2));
  EXPECT_EQ(code(queue, "put", arguments(3)), ErrorCode::ok);
  EXPECT_EQ(code(queue, "put", arguments(4)), ErrorCode::overloaded);
}

TEST_F(CoreLimits, ManyParkedCallsOfOneSessionKeepNobodyElseFromWaiting) {
  start({.parked_calls = 4});
  const auto object = make("slot");
  for (int i = 0; i < 4; ++i) driver->send(client, object, "take", arguments());
  EXPECT_EQ(code(object, "take", arguments()), ErrorCode::overloaded);
  CoreDriver::Client other = driver->open();
  const core::Seq first = driver->send(other, object, "take", arguments());
  const core::Seq second = driver->send(other, object, "take", arguments());
  EXPECT_FALSE(driver->answered(other, first) || driver->answered(other, second));
  const core::Seq past_its_share = driver->send(other, object, "take", arguments());
  EXPECT_EQ(driver->answer(other, past_its_share).code, ErrorCode::overloaded);
  EXPECT_EQ(driver->core.number_parked(), 6U);
}

TEST_F(CoreLimits, KeptRepliesOfManySessionsLeaveEachItsShare) {
  constexpr std::size_t kEach = 4 + server::kStoredReplyCost;
  start({.reply_store_bytes = 4 * kEach});
  const auto object = make("slot");
  std::vector<CoreDriver::Client> others;
  for (int i = 0; i < 31; ++i) others.push_back(driver->open());
  const auto kept_for = [&](CoreDriver::Client& who) {
    int kept = 0;
    while (driver->call(who, object, "own", arguments()).code == ErrorCode::ok) ++kept;
    return kept;
  };
  int all = 0;
  for (CoreDriver::Client& other : others) all += kept_for(other);
  // Those who come early have as much as anybody may, until all have sixteen times that.
  EXPECT_LE(all, 64 + 3 * 31);
  CoreDriver::Client last = driver->open();
  EXPECT_GE(kept_for(last), 2);
  driver->end(others.front());
  others.front() = last;
  for (CoreDriver::Client& other : others) {
    other.first_incomplete = other.next_seq;
    EXPECT_EQ(driver->call(other, object, "own", arguments()).code, ErrorCode::ok);
  }
}

TEST_F(CoreLimits, KeptRepliesOfASession) {
  // [seq, code, nil] has four bytes.
  constexpr std::size_t kEach = 4 + server::kStoredReplyCost;
  start({.reply_store_bytes = 2 * kEach});
  const auto object = make("slot");
  CoreDriver::Client other = driver->open();
  client.first_incomplete = client.next_seq;  // the handle has arrived
  for (int i = 0; i < 2; ++i) EXPECT_EQ(code(object, "own", arguments()), ErrorCode::ok);
  EXPECT_EQ(code(object, "own", arguments()), ErrorCode::ok) << "at the limit";
  const Answer past = call(object, "own", arguments());
  EXPECT_EQ(past.code, ErrorCode::overloaded);
  EXPECT_EQ(past.text, "slot#1.own: 396 bytes of replies wait for this client, the limit is 264");
  // Reads are not kept, also those in one message with changes. What is posted gives back.
  EXPECT_EQ(code(object, "peek", arguments()), ErrorCode::ok);
  std::vector<std::string> calls(2);
  const std::string none = arguments();
  core::append_call(calls[0], {client.next_seq++, 1, std::nullopt, object, "own", none, false});
  core::append_call(calls[1], {client.next_seq++, 1, std::nullopt, object, "peek", none, false});
  driver->request(client,
                  core::encode_calls(client.first_incomplete, {calls.begin(), calls.end()}));
  EXPECT_EQ(driver->answer(client, client.next_seq - 2).code, ErrorCode::overloaded);
  EXPECT_EQ(driver->answer(client, client.next_seq - 1).code, ErrorCode::ok);
  driver->send(client, object, "put", arguments(5), {}, true);
  EXPECT_EQ(call(object, "peek", arguments()).result, Value(Value::List{5}));
  // Other sessions have budgets of their own.
  EXPECT_EQ(driver->call(other, object, "own", arguments()).code, ErrorCode::ok);
  client.first_incomplete = client.next_seq;
  EXPECT_EQ(code(object, "own", arguments()), ErrorCode::ok);
}

// One call waits, others go on: `first_incomplete` stands still, and acks keep the budget free.
TEST_F(CoreLimits, KeptRepliesAreForgottenOneByOneWhenAcknowledged) {
  start({.reply_store_bytes = 2 * (4 + server::kStoredReplyCost)});
  const auto object = make("slot");
  client.first_incomplete = client.next_seq;
  driver->send(client, object, "take", arguments());
  for (int i = 0; i < 100; ++i) {
    const core::Seq seq = driver->send(client, object, "own", arguments());
    ASSERT_EQ(driver->answer(client, seq).code, ErrorCode::ok) << i;
    driver->acknowledge(client, seq);
  }
  EXPECT_EQ(driver->core.number_parked(), 1U);
}

TEST_F(CoreLimits, ARefusalForKeptRepliesCanBeTriedAgain) {
  start({.reply_store_bytes = 8});
  const auto object = make("slot");
  // That reply alone is too much.
  const core::Seq refused = driver->send(client, object, "put", arguments(5));
  EXPECT_EQ(driver->answer(client, refused).code, ErrorCode::overloaded);
  client.first_incomplete = refused;
  driver->request(client, driver->frame(client, refused, object, "put", arguments(5)));
  EXPECT_EQ(driver->answer(client, refused).code, ErrorCode::ok);
  EXPECT_EQ(call(object, "peek", arguments()).result, Value(Value::List{5}));
}

TEST_F(CoreLimits, LeasesOfASession) {
  start({.claim_leases = 2});
  const auto object = make("slot");
  CoreDriver::Client other = driver->open();
  EXPECT_EQ(lease(object, 'a'), ErrorCode::ok);
  EXPECT_EQ(lease(object, 'b'), ErrorCode::ok);
  EXPECT_EQ(lease(object, 'c'), ErrorCode::overloaded);
  const std::string claim =
      arguments(core::number(object), Value::of_bytes(std::string(16, 'a')));
  EXPECT_EQ(driver->call(other, kManagerObject, "claim", claim).code, ErrorCode::ok);
  EXPECT_EQ(lease(object, 'c'), ErrorCode::ok) << "one was claimed";
  driver->cancel(other, other.next_seq - 1);
  driver->call(client, kManagerObject, "revoke", arguments(Value::of_bytes(std::string(16, 'b'))));
  EXPECT_EQ(lease(object, 'a'), ErrorCode::ok) << "it has not come back beside the others";
}

TEST_F(CoreLimits, TimeOfALease) {
  start({.claim_lease = 60s});
  const auto object = make("slot");
  EXPECT_EQ(lease(object, 'a'), ErrorCode::ok);
  driver->pass(1s);
  const auto later = make("slot");
  EXPECT_EQ(lease(later, 'b'), ErrorCode::ok);
  drop(object);
  drop(later);
  driver->pass(59s - 1ms);
  EXPECT_EQ(objects(), 2U);
  driver->pass(1ms);
  EXPECT_EQ(objects(), 1U) << "the older one ends, and with it the object";
  driver->pass(1s);
  EXPECT_EQ(objects(), 0U);
}

TEST_F(CoreLimits, NameOfAnObject) {
  start({});
  const auto named = make("slot", arguments(), std::string(255, 'n'));
  EXPECT_EQ(make("slot", arguments(), std::string(255, 'n')), named);
  try {
    make("slot", arguments(), std::string(256, 'n'));
    ADD_FAILURE() << "it was taken";
  } catch (const BadCall& error) {
    EXPECT_STREQ(error.what(), "manager.create: an object's name has 1 to 255 bytes, not 256");
  }
  EXPECT_THROW(make("slot", arguments(), ""), BadCall);
}

TEST_F(CoreLimits, NameOfAMethod) {
  start({});
  const auto object = make("slot");
  EXPECT_EQ(code(object, std::string(255, 'm'), arguments()), ErrorCode::bad_call);
  EXPECT_TRUE(driver->violations.empty());
  driver->send(client, object, std::string(256, 'm'), arguments());
  EXPECT_EQ(driver->violations.size(), 1U) << "no such frame is a call";
}

// `depth` lists in each other.
std::string nested(std::size_t depth) {
  return std::string(depth - 1, '\x91') + '\x90';
}

TEST_F(CoreLimits, NestingOfValues) {
  start({});
  const auto list = make("list");
  const auto one = [](const std::string& value) { return '\x91' + value; };
  EXPECT_EQ(code(list, "append", one(nested(64))), ErrorCode::ok);
  const Answer past = call(list, "append", one(nested(65)));
  EXPECT_EQ(past.code, ErrorCode::bad_call);
  EXPECT_EQ(past.text, "list#1.append: argument 1: values are nested more than 64 deep");
  EXPECT_EQ(code(list, "extend", one(one(nested(64)))), ErrorCode::ok);
  EXPECT_EQ(code(list, "extend", one(one(nested(65)))), ErrorCode::bad_call);
  // What is in there can be read, also as a whole.
  EXPECT_EQ(call(list, "copy", arguments()).result.depth(), 65U);
}

TEST_F(CoreLimits, TextOfAnError) {
  start({});
  const auto list = make("list");
  const std::string prefix = "list#1.";
  const std::string name(200, 'm');
  const Answer answer = call(list, name, arguments());
  EXPECT_EQ(answer.text, prefix + name + ": a list has no such method");
  std::string bytes;
  core::append_error(bytes, 1, ErrorCode::bad_call, std::string(4096, 'x'));
  core::append_error(bytes, 1, ErrorCode::bad_call, std::string(4097, 'x'));
  core::Reader reader(bytes);
  for (int i = 0; i < 2; ++i) {
    reader.array_of(3);
    reader.natural();
    reader.natural();
    EXPECT_EQ(core::decode_error(reader.skip(8)).text.size(), 4096U);
  }
}

// ---- Limits::memory. An object takes 1,024 bytes, a number in it 64.

class Memory : public CoreLimits {
 protected:
  std::size_t bytes() const { return driver->core.bytes_of_objects(); }
  void fill(core::ObjectId list, int numbers) {
    for (int i = 0; i < numbers; ++i) {
      EXPECT_EQ(code(list, "append", arguments(i)), ErrorCode::ok);
    }
  }
};

TEST_F(Memory, IsCountedForAllObjects) {
  start({});
  EXPECT_EQ(bytes(), 0U);
  const auto list = make("list", arguments(Value(Value::List{1, 2})));
  const auto lock = make("lock");
  EXPECT_EQ(bytes(), 2 * 1024U + 2 * 64);
  fill(list, 3);
  EXPECT_EQ(bytes(), 2 * 1024U + 5 * 64);
  drop(lock);
  EXPECT_EQ(bytes(), 1024U + 5 * 64);
  drop(list);
  EXPECT_EQ(bytes(), 0U);
}

TEST_F(Memory, AtTheLimitAllIsTakenAndOnePastItNothing) {
  start({.memory = 1024 + 2 * 64});
  const auto list = make("list");
  fill(list, 2);
  const Answer past = call(list, "append", arguments(2));
  EXPECT_EQ(past.code, ErrorCode::overloaded);
  EXPECT_EQ(past.text,
            "list#1.append: the objects take 1152 of 1152 bytes, and this would add 64");
  EXPECT_EQ(call(list, "copy", arguments()).result, Value(std::vector<int>{0, 1}));
  EXPECT_EQ(bytes(), 1152U);
}

TEST_F(Memory, PastTheLimitReadsAndRemovalsGoOn) {
  start({.memory = 1024 + 2 * 64});
  const auto list = make("list");
  fill(list, 2);
  EXPECT_EQ(code(list, "append", arguments(2)), ErrorCode::overloaded);
  EXPECT_EQ(call(list, "at", arguments(1)).result, Value(1));
  EXPECT_EQ(call(list, "add", arguments(0, 5)).result, Value(5));
  EXPECT_EQ(code(list, "sort", arguments()), ErrorCode::ok);
  EXPECT_EQ(call(list, "pop", arguments()).result, Value(5));
  EXPECT_EQ(code(list, "append", arguments(2)), ErrorCode::ok) << "there is room again";
  EXPECT_EQ(code(list, "clear", arguments()), ErrorCode::ok);
  fill(list, 2);
}

TEST_F(Memory, BoundsNewObjectsWithTheirContents) {
  start({.memory = 2 * 1024 + 64});
  const auto list = make("list");
  EXPECT_THROW(make("list", arguments(Value(Value::List{1, 2}))), Overloaded);
  EXPECT_EQ(objects(), 1U);
  const auto second = make("list", arguments(Value(Value::List{1})));
  EXPECT_THROW(make("lock"), Overloaded);
  drop(second);
  make("lock");
  EXPECT_EQ(code(list, "append", arguments(1)), ErrorCode::ok);
}

TEST_F(Memory, BoundsEveryCallOfOneMessage) {
  start({.memory = 1024 + 2 * 64});
  const auto list = make("list");
  std::vector<std::string> calls;
  for (int i = 0; i < 3; ++i) {
    const std::string args = arguments(i);
    core::append_call(calls.emplace_back(),
                      {client.next_seq++, 1, std::nullopt, list, "append", args, false});
  }
  driver->request(client,
                  core::encode_calls(1, {calls.begin(), calls.end()}));
  EXPECT_EQ(driver->answer(client, client.next_seq - 2).code, ErrorCode::ok);
  EXPECT_EQ(driver->answer(client, client.next_seq - 1).code, ErrorCode::overloaded);
}

TEST_F(Memory, CountsWhatWaitsToEnterAQueueAndWhatIsInFlight) {
  start({.memory = 1024 + 2 * 64});
  const auto queue = make("queue", arguments(1));
  EXPECT_EQ(code(queue, "put", arguments(1)), ErrorCode::ok);
  const core::Seq waiting = driver->send(client, queue, "put", arguments(2));
  EXPECT_FALSE(driver->answered(client, waiting));
  EXPECT_EQ(code(queue, "try_put", arguments(3)), ErrorCode::overloaded);

  const core::Seq taken = driver->send(client, queue, "get", arguments());
  EXPECT_EQ(driver->answer(client, taken).code, ErrorCode::ok);
  EXPECT_TRUE(driver->answered(client, waiting));
  EXPECT_EQ(code(queue, "put", arguments(3)), ErrorCode::overloaded) << "one is in flight";
  driver->acknowledge(client, taken);
  const core::Seq third = driver->send(client, queue, "put", arguments(3));
  EXPECT_FALSE(driver->answered(client, third)) << "it waits for a place, not for memory";
}

TEST_F(Memory, ALimitThatIsLoweredTakesNothingAway) {
  start({});
  const auto list = make("list");
  fill(list, 5);
  driver->apply(server::input::LimitsChanged{{.memory = 1024}});
  EXPECT_EQ(code(list, "append", arguments(5)), ErrorCode::overloaded);
  EXPECT_EQ(call(list, "size", arguments()).result, Value(5));
  EXPECT_EQ(code(list, "pop", arguments()), ErrorCode::ok);
}

}  // namespace
}  // namespace steward::detail::test
