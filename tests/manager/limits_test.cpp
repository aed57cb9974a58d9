// Limits as users of a Manager meet them: given in its options, at them and one past them.
#include <chrono>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <steward/manager/serve.hpp>
#include <steward/process/launch.hpp>
#include <steward/steward.hpp>
#include <steward/tests/crash/eventually.hpp>
#include <steward/tests/general_road.hpp>

namespace steward {
namespace {

using namespace std::chrono_literals;

template <class Exception, class F>
std::string thrown(F&& what) {
  try {
    what();
  } catch (const Exception& exception) {
    return exception.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return {};
}

void wait_for_parked_call(const Manager& manager) {
  ASSERT_TRUE(detail::test::eventually(
      [&] { return manager.debug_info().find("1 parked calls") != std::string::npos; }));
}

Manager with(const detail::core::Limits& limits) {
  return Manager(ManagerOptions{.limits = limits});
}

TEST(ManagerLimits, Objects) {
  const Manager manager = with({.objects = 2});
  const List<int> first = manager.list<int>();
  const List<int> second = manager.list<int>();
  EXPECT_EQ(thrown<Overloaded>([&] { manager.list<int>(); }),
            "manager.create: 2 objects exist, the limit");
  EXPECT_EQ(second.size(), 0U);
}

TEST(ManagerLimits, MemoryOfAllObjects) {
  const Manager manager = with({.memory = 2 * 1024 + 3 * 64});
  const List<int> list = manager.list<int>({1, 2});
  const Dict<int, int> dict = manager.dict<int, int>();
  list.append(3);
  EXPECT_EQ(thrown<Overloaded>([&] { list.append(4); }),
            "list#1.append: the objects take 2240 of 2240 bytes, and this would add 64");
  EXPECT_THROW(dict.set(1, 1), Overloaded);
  EXPECT_THROW(manager.lock(), Overloaded);
  list[0] += 10;
  EXPECT_EQ(list.copy(), (std::vector<int>{11, 2, 3}));
  EXPECT_EQ(list.pop(), 3);
  EXPECT_EQ(list.pop(), 2);
  dict.set(1, 1);
}

TEST(ManagerLimits, Messages) {
  const Manager manager = with({.message_bytes = 20'000});
  const List<std::string> list = manager.list<std::string>();
  list.append(std::string(19'900, 'x'));
  const std::string text = thrown<Overloaded>([&] { list.append(std::string(20'000, 'x')); });
  EXPECT_NE(text.find("takes at most 20000"), text.npos) << text;
  EXPECT_EQ(list.size(), 1U);
  list.append("y");
  list.append(std::string(10'000, 'x'));
  const std::string reply = thrown<Overloaded>([&] { list.copy(); });
  EXPECT_TRUE(reply.starts_with("list#1.copy: the result has ")) << reply;
  EXPECT_TRUE(reply.ends_with(" bytes, a message at most 20000")) << reply;
  EXPECT_EQ(list.at(1), "y");
}

TEST(ManagerLimits, Names) {
  const Manager manager = with({.name_bytes = 4});
  const List<int> named_list = manager.list<int>(named("four"));
  EXPECT_EQ(thrown<BadCall>([&] { manager.list<int>(named("fives")); }),
            "manager.create: an object's name has 1 to 4 bytes, not 5");
}

TEST(ManagerLimits, HandlesThatTravel) {
  const Manager manager = with({.claim_leases = 2});
  const List<int> list = manager.list<int>({5});
  const std::string first = list.handle().str();
  const std::string second = list.handle().str();
  const std::string text = thrown<Overloaded>([&] { list.handle().str(); });
  EXPECT_NE(text.find("2 handles of this client travel unclaimed"), text.npos) << text;
  EXPECT_EQ(open<List<int>>(first).at(0), 5);
  EXPECT_FALSE(list.handle().str().empty()) << "one was claimed";
}

TEST(ManagerLimits, CallsThatWait) {
  const detail::test::GeneralRoad through_the_manager;
  const Manager manager = with({.parked_calls = 1});
  const Queue<int> queue = manager.queue<int>();
  std::thread waiting([&] { EXPECT_EQ(queue.get(), 1); });
  wait_for_parked_call(manager);
  EXPECT_THROW(queue.get(), Overloaded);
  queue.put(1);
  waiting.join();
  EXPECT_FALSE(queue.try_get());
}

// What another thread does meanwhile is not kept for ever.
TEST(ManagerLimits, KeptRepliesWhileACallWaits) {
  const detail::test::GeneralRoad through_the_manager;
  const Manager manager = with({.reply_store_bytes = 50'000});
  const Queue<int> queue = manager.queue<int>();
  const List<int> list = manager.list<int>();
  std::thread waiting([&] { EXPECT_EQ(queue.get(), 1); });
  wait_for_parked_call(manager);
  for (int i = 0; i < 3000; ++i) list.append(i);
  EXPECT_EQ(list.size(), 3000U);
  queue.put(1);
  waiting.join();
}

void serve_one_object(detail::process::ChildContext& context, std::string_view) {
  detail::manager::serve({}, {.limits = {.objects = 1}},
              [&](const std::string& address) { context.confirm(address); });
}

TEST(ManagerLimits, ReachAServerThatSomebodyElseRuns) {
  const detail::process::Child server =
      detail::process::launch({.entry = serve_one_object, .arguments = {}, .name = "server"});
  Manager manager = Manager::connect(server.confirmation());
  const List<int> list = manager.list<int>();
  EXPECT_THROW(manager.list<int>(), Overloaded);
  manager.shutdown();
  server.wait();
}

TEST(ManagerLimits, NonsenseIsRefusedBeforeAnythingStarts) {
  EXPECT_EQ(thrown<BadCall>([] { with({.sessions = 0}); }),
            "limits.sessions: a manager must allow at least one session");
  EXPECT_THROW(with({.message_bytes = 0}), BadCall);
  EXPECT_THROW(with({.claim_lease = -1s}), BadCall);
  EXPECT_THROW(Manager::serve(ManagerOptions{.limits = {.calls_in_flight = 0}}), BadCall);
}

}  // namespace
}  // namespace steward
