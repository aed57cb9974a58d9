// Which calls change what an object can show, and which only touch it.
#include <gtest/gtest.h>

#include <steward/tests/server/classes/fake_call.hpp>

namespace steward::detail::server::testing {
namespace {

struct Step {
  std::string method;
  Value::List arguments;
  bool changes;
};

struct Scene {
  std::string type;
  Value::List init;
  std::vector<Step> steps;
};

void play(const Scene& scene) {
  SCOPED_TRACE(scene.type);
  Hosted object(scene.type, scene.init);
  for (const Step& step : scene.steps) {
    SCOPED_TRACE(step.method);
    const std::uint64_t before = object.changes();
    const Answer answer = object.call(object.client, step.method, step.arguments);
    const std::uint64_t after = object.changes();
    EXPECT_EQ(after > before, step.changes) << answer.error;
    object.confirm(answer);
    EXPECT_EQ(object.changes(), after);
  }
}

TEST(Changes, OfAList) {
  play({"list",
        {list_of(3, 1, 2)},
        {{"append", {4}, true},
         {"extend", {list_of()}, false},
         {"extend", {list_of(5)}, true},
         {"insert", {0, 9}, true},
         {"at", {0}, false},
         {"set", {0, 8}, true},
         {"set", {99, 8}, false},
         {"add", {0, 1}, true},
         {"add", {0, "text"}, false},
         {"sort", {}, true},
         {"reverse", {}, true},
         {"remove", {77}, false},
         {"remove", {8}, false},
         {"remove", {9}, true},
         {"pop", {99}, false},
         {"pop", {}, true},
         {"set_slice", {0, 0, list_of()}, false},
         {"set_slice", {0, 0, list_of(1)}, true},
         {"erase_slice", {1, 1}, false},
         {"erase_slice", {1, 3}, true},
         {"copy", {}, false},
         {"clear", {}, true},
         {"clear", {}, false},
         {"sort", {}, false},
         {"pop", {}, false}}});
}

TEST(Changes, OfADict) {
  play({"dict",
        {},
        {{"set", {"a", 1}, true},
         {"get", {"a"}, false},
         {"setdefault", {"a", 2}, false},
         {"setdefault", {"b", 2}, true},
         {"add", {"a", 1}, true},
         {"compare_exchange", {"a", 7, 8}, false},
         {"compare_exchange", {"a", 2, 8}, true},
         {"swap_if", {"a", list_of(), 8}, false},
         {"swap_if", {"c", list_of(), 8}, true},
         {"update", {list_of()}, false},
         {"update", {list_of(list_of("d", 1))}, true},
         {"try_pop", {"none"}, false},
         {"pop", {"none"}, false},
         {"pop", {"d"}, true},
         {"erase", {"none"}, false},
         {"erase", {"c"}, true},
         {"popitem", {}, true},
         {"clear", {}, true},
         {"clear", {}, false},
         {"popitem", {}, false}}});
}

TEST(Changes, OfALock) {
  play({"lock",
        {},
        {{"ready", {}, false},
         {"reset", {}, false},
         {"lock", {}, true},
         {"try_lock", {}, false},
         {"ready", {}, false},
         {"unlock", {}, true},
         {"unlock", {}, false},
         {"wait_ready", {}, false}}});
}

TEST(Changes, OfAnRLock) {
  play({"rlock", {}, {{"lock", {}, true}, {"lock", {}, false}, {"unlock", {}, false},
                      {"unlock", {}, true}}});
}

TEST(Changes, OfAQueue) {
  play({"queue",
        {2},
        {{"try_get", {}, false},
         {"put", {1}, true},
         {"put_many", {list_of()}, false},
         {"try_put", {2}, true},
         {"try_put", {3}, false},
         {"put", {3}, false},  // it waits
         {"size", {}, false},
         {"get", {}, true},
         {"task_done", {}, false},
         {"reserve", {}, true},
         {"nack", {1}, true},
         {"nack", {1}, false},
         {"close", {}, true},
         {"close", {}, false},
         {"put", {4}, false}}});
}

TEST(Changes, OfAQueueWhatComesBackIsOne) {
  Hosted queue("queue");
  queue.ask("put", 1);
  const Answer got = queue.call(queue.client, "get");
  const std::uint64_t before = queue.changes();
  queue.cancel(got);
  EXPECT_GT(queue.changes(), before);
}

TEST(Changes, WaitingAndGivingUpAreNone) {
  Hosted queue("queue");
  const std::uint64_t before = queue.changes();
  const Answer waits = queue.call(queue.client, "get");
  EXPECT_TRUE(waits.waits());
  queue.cancel(waits);
  EXPECT_EQ(queue.changes(), before);
}

}  // namespace
}  // namespace steward::detail::server::testing
