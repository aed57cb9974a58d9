// What a server tells of itself: counted outside the core, by the loop.
#include <unistd.h>

#include <string>

#include <steward/tests/server/loop/loop_test.hpp>

namespace steward::detail::test {
namespace {

using core::kManagerObject;

Value at(const Value& map, std::string_view key) {
  for (const auto& [name, value] : map.map()) {
    if (name == Value(key)) return value;
  }
  return {};
}
Value at(const Value& map, std::string_view key, std::string_view inner) {
  const Value outer = at(map, key);
  return outer.is_nil() ? outer : at(outer, inner);
}

class StatisticsTest : public LoopTest {};

TEST_F(StatisticsTest, CountWhatHasHappened) {
  core::Limits limits;
  limits.objects = 7;
  start(limits);
  BareClient ann = client();
  BareClient bob = client();
  const auto list = ann.create("list", "numbers");
  const auto queue = ann.create("queue");
  ann.call(list, "append", 1);
  ann.call(list, "append", 2);
  ann.call(list, "pop", 9);
  ann.call(list, "nonsense");
  const core::Seq parked = bob.post(queue, "get", arguments());
  const core::Seq late = bob.post(queue, "get", arguments(), 0);
  EXPECT_EQ(bob.answer(late).code, core::ErrorCode::timed_out);
  skipped = 5s;

  const Value stat = ann.get(kManagerObject, "stat");
  EXPECT_EQ(at(stat, "pid"), Value(::getpid()));
  EXPECT_GE(at(stat, "uptime").real(), 5.0);
  EXPECT_LT(at(stat, "uptime").real(), 100.0);
  EXPECT_GT(at(stat, "cpu").real(), 0.0);
  EXPECT_GT(at(stat, "memory").natural(), 1U << 20U);
  EXPECT_EQ(at(stat, "sessions"), Value(2));
  EXPECT_EQ(at(stat, "parked_calls"), Value(1));
  EXPECT_EQ(at(stat, "names"), Value(1));
  EXPECT_EQ(at(stat, "objects", "list"), Value(1));
  EXPECT_EQ(at(stat, "objects", "dict"), Value(0));
  EXPECT_EQ(at(stat, "limits", "objects"), Value(7));
  EXPECT_EQ(at(stat, "limits", "unsent_time"), Value(60.0));
  EXPECT_EQ(at(stat, "limits").map().size(), 15U) << "all of core::Limits";

  const auto counted = [&](std::string_view method) {
    const Value entry = at(stat, "calls", method);
    return entry.is_nil() ? std::string("never") : entry.json();
  };
  EXPECT_EQ(counted("list.append"), R"({"calls": 2, "errors": 0, "timeouts": 0})");
  EXPECT_EQ(counted("list.pop"), R"({"calls": 1, "errors": 1, "timeouts": 0})");
  EXPECT_EQ(counted("list.size"), "never");
  EXPECT_EQ(counted("unknown.unknown"), R"({"calls": 1, "errors": 1, "timeouts": 0})");
  EXPECT_EQ(counted("queue.get"), R"({"calls": 1, "errors": 0, "timeouts": 1})");
  EXPECT_EQ(counted("manager.create"), R"({"calls": 2, "errors": 0, "timeouts": 0})");
  EXPECT_EQ(counted("manager.stat"), R"({"calls": 1, "errors": 0, "timeouts": 0})");

  ann.call(queue, "put", 1);
  bob.answer(parked);
  EXPECT_EQ(at(ann.get(kManagerObject, "stat"), "calls", "queue.get").json(),
            R"({"calls": 2, "errors": 0, "timeouts": 1})");
}

TEST_F(StatisticsTest, CountBytesAndFrames) {
  start();
  BareClient client = this->client();
  const auto list = client.create("list");
  const Value before = client.get(kManagerObject, "stat");
  const std::string item(10'000, 'x');
  client.call(list, "append", item);
  client.call(list, "at", 0);
  const Value after = client.get(kManagerObject, "stat");
  for (const std::string_view way : {"received", "sent"}) {
    const std::uint64_t bytes =
        at(after, way, "bytes").natural() - at(before, way, "bytes").natural();
    EXPECT_GT(bytes, item.size()) << way;
    EXPECT_LT(bytes, item.size() + 3000) << way;
    EXPECT_EQ(at(after, way, "frames").natural() - at(before, way, "frames").natural(), 3U) << way;
  }
}

TEST_F(StatisticsTest, CountIncidents) {
  start();
  BareClient client = this->client();
  BareClient rogue = this->client();
  rogue.send("no envelope");
  rogue.receive_kind(core::Envelope::unknown_session);
  const Value stat = client.get(kManagerObject, "stat");
  EXPECT_EQ(at(stat, "incidents", "malformed"), Value(1));
  EXPECT_EQ(at(stat, "incidents", "slow"), Value(0));
  EXPECT_EQ(at(stat, "incidents", "expired"), Value(0));
  EXPECT_EQ(at(stat, "sessions"), Value(1));
}

}  // namespace
}  // namespace steward::detail::test
