// What the core says for those who count, and what it tells of names; and that asking for
// statistics changes nothing in it.
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <steward/tests/server/core_driver.hpp>
#include <steward/tests/server/slot_class.hpp>

namespace steward::detail::test {
namespace {

using core::ErrorCode;
using core::kManagerObject;
using Ended = server::Outputs::Ended;

class CoreStatistics : public testing::Test {
 protected:
  // The calls that this input has ended, as "slot.put ok".
  std::vector<std::string> ended_by(const server::Input& input) {
    server::Outputs outputs;
    const auto* request = std::get_if<server::input::Request>(&input);
    if (request == nullptr || !driver.core.answer(*request, driver.now, outputs)) {
      driver.core.apply(input, driver.now, outputs);
    }
    asked = outputs.asked.size();
    replies = outputs.replies.size();
    std::vector<std::string> all;
    for (const Ended& call : outputs.ended) {
      all.push_back(name(call) + (call.code == ErrorCode::ok ? " ok" : " error") +
                    (call.code == ErrorCode::timed_out ? " late" : ""));
    }
    return all;
  }
  std::vector<std::string> ended_by_call(core::ObjectId object, std::string_view method,
                                         const std::string& args,
                                         std::optional<std::uint64_t> wait_ms = {},
                                         bool post = false) {
    frame = driver.frame(ann, ann.next_seq++, object, method, args, wait_ms, post);
    return ended_by(server::input::Request{ann.session, frame});
  }

  std::string name(const Ended& call) const {
    if (!call.method) return "?";
    std::size_t number = static_cast<std::size_t>(*call.method);
    for (const auto& type : registry.classes()) {
      if (number < type->methods.size()) {
        return std::string(type->name) + "." + std::string(type->methods[number].name);
      }
      number -= type->methods.size();
    }
    return "manager." + std::string(server::Core::manager_methods().at(number));
  }

  using Names = std::vector<std::string>;
  const server::Registry registry = slot_registry();
  CoreDriver driver{registry};
  CoreDriver::Client ann = driver.open();
  core::ObjectId slot = driver.create(ann, "slot", arguments(), "here");
  std::string frame;  // the last one
  std::size_t asked = 0;
  std::size_t replies = 0;
};

TEST_F(CoreStatistics, NameEachCallOnce) {
  EXPECT_EQ(ended_by_call(slot, "peek", arguments()), Names{"slot.peek ok"});
  EXPECT_EQ(ended_by_call(slot, "put", arguments(1)), Names{"slot.put ok"});
  EXPECT_EQ(ended_by(server::input::Request{ann.session, frame}), Names{}) << "a retry";
  EXPECT_EQ(replies, 1U);
  EXPECT_EQ(ended_by_call(slot, "put", arguments(1), {}, true), Names{"slot.put ok"}) << "a post";
  EXPECT_EQ(ended_by_call(kManagerObject, "number_of_objects", arguments()),
            Names{"manager.number_of_objects ok"});
}

TEST_F(CoreStatistics, NameErrors) {
  EXPECT_EQ(ended_by_call(slot, "fail", arguments()), Names{"slot.fail error"});
  EXPECT_EQ(ended_by_call(slot, "put", arguments()), Names{"slot.put error"});
  EXPECT_EQ(ended_by_call(slot, "peek", arguments(1)), Names{"slot.peek error"});
  EXPECT_EQ(ended_by_call(kManagerObject, "remove", arguments()), Names{"manager.remove error"});
  EXPECT_EQ(ended_by_call(slot, "nonsense", arguments()), Names{"? error"});
  EXPECT_EQ(ended_by_call(core::ObjectId{99}, "put", arguments()), Names{"? error"});
  EXPECT_EQ(ended_by_call(kManagerObject, "nonsense", arguments()), Names{"? error"});
}

TEST_F(CoreStatistics, NameAParkedCallWhenItEnds) {
  EXPECT_EQ(ended_by_call(slot, "take", arguments()), Names{});
  EXPECT_EQ(ended_by_call(slot, "put", arguments(1)), (Names{"slot.take ok", "slot.put ok"}));
  EXPECT_EQ(ended_by_call(slot, "take", arguments(), 10), Names{});
  driver.now += std::chrono::milliseconds(10);
  EXPECT_EQ(ended_by(server::input::Tick{}), Names{"slot.take error late"});
  EXPECT_EQ(ended_by_call(slot, "take", arguments()), Names{});
  EXPECT_EQ(ended_by(server::input::SessionEnded{ann.session, server::Ending::died}), Names{})
      << "nobody waits for it any more";
}

TEST_F(CoreStatistics, PassOnWhoAsksAndChangeNothing) {
  const std::string before = driver.core.save();
  EXPECT_EQ(ended_by_call(kManagerObject, "stat", arguments()), Names{"manager.stat ok"});
  EXPECT_EQ(asked, 1U);
  EXPECT_EQ(replies, 0U) << "the server answers";
  EXPECT_EQ(driver.core.save(), before);
  EXPECT_EQ(ended_by(server::input::Request{ann.session, frame}), Names{"manager.stat ok"})
      << "nothing was kept: who asks again is told again";
  EXPECT_EQ(asked, 1U);

  EXPECT_EQ(ended_by_call(kManagerObject, "stat", arguments(1)), Names{"manager.stat error"});
  EXPECT_EQ(asked, 0U);
  EXPECT_EQ(ended_by_call(kManagerObject, "stat", arguments(), {}, true),
            Names{"manager.stat ok"});
  EXPECT_EQ(asked, 0U) << "nobody waits";
}

// A frame that also changes something goes another way through the core.
TEST_F(CoreStatistics, PassOnWhoAsksAmongChanges) {
  std::string put;
  std::string stat;
  const std::string one = arguments(1);
  const std::string none = arguments();
  core::append_call(stat, {ann.next_seq++, 1, {}, kManagerObject, "stat", none, false});
  core::append_call(put, {ann.next_seq++, 1, {}, slot, "put", one, false});
  const std::string both = core::encode_calls(1, {stat, put});
  EXPECT_EQ(ended_by(server::input::Request{ann.session, both}),
            (Names{"manager.stat ok", "slot.put ok"}));
  EXPECT_EQ(asked, 1U);
  EXPECT_EQ(replies, 1U);
}

TEST_F(CoreStatistics, CountObjectsByClass) {
  EXPECT_EQ(driver.core.number_of_objects(0), 1U);
  EXPECT_EQ(driver.core.number_of_names(), 1U);
  CoreDriver::Client bob = driver.open();
  driver.create(bob, "slot", arguments());
  EXPECT_EQ(driver.core.number_of_objects(0), 2U);
  driver.end(bob);
  EXPECT_EQ(driver.core.number_of_objects(0), 1U);
}

TEST_F(CoreStatistics, NamesAreFoundAndListed) {
  const auto second = driver.create(ann, "slot", arguments(), "a second");
  Answer answer = driver.call(ann, kManagerObject, "find", arguments("here"));
  ASSERT_EQ(answer.result.list().size(), 1U);
  EXPECT_EQ(answer.result.list()[0].reference()->token().object, slot);
  EXPECT_EQ(driver.call(ann, kManagerObject, "find", arguments("there")).result,
            Value(Value::List{}));
  EXPECT_EQ(driver.call(ann, kManagerObject, "find", arguments()).code, ErrorCode::bad_call);

  answer = driver.call(ann, kManagerObject, "names", arguments());
  ASSERT_EQ(answer.result.list().size(), 2U);
  EXPECT_EQ(answer.result.list()[0].list()[0], Value("a second"));
  EXPECT_EQ(answer.result.list()[0].list()[1].reference()->token().object, second);
  EXPECT_EQ(answer.result.list()[1].list()[0], Value("here"));
}

// A handle that was found is a reference of its session, like any other.
TEST_F(CoreStatistics, WhatWasFoundOutlivesItsName) {
  CoreDriver::Client bob = driver.open();
  driver.call(bob, kManagerObject, "find", arguments("here"));
  driver.call(ann, kManagerObject, "remove", arguments("here"));
  driver.end(ann);
  EXPECT_EQ(driver.core.number_of_objects(), 1U);
  driver.end(bob);
  EXPECT_EQ(driver.core.number_of_objects(), 0U);
}

}  // namespace
}  // namespace steward::detail::test
