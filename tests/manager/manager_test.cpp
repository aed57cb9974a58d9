// What a Manager offers: factories, names, numbers; connecting to one; options.
#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <map>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <steward/manager/manager.hpp>

namespace steward::detail::test {
namespace {

using namespace std::chrono_literals;

static_assert(!std::is_copy_constructible_v<Manager> && !std::is_copy_assignable_v<Manager>);
static_assert(std::is_nothrow_move_constructible_v<Manager>);
static_assert(std::is_nothrow_move_assignable_v<Manager>);
static_assert(!std::is_default_constructible_v<manager::Name>);

TEST(Manager, MakesListsFromBracesAndRanges) {
  const Manager manager;
  EXPECT_EQ(manager.list<int>({1, 2}).copy(), (std::vector{1, 2}));
  EXPECT_EQ(manager.list<int>({}).size(), 0U);
  EXPECT_EQ(manager.list<int>().size(), 0U);
  EXPECT_EQ(manager.list<std::string>({"x"}).copy(), std::vector<std::string>{"x"});
  const std::vector<int> numbers{1, 2, 3};
  EXPECT_EQ(manager.list<long>(numbers).at(2), 3);
  const List<int> first = manager.list<int>(numbers);
  EXPECT_EQ(manager.list<int>(first).copy(), numbers);
  EXPECT_EQ(manager.list({1, "a", nullptr}).at(1).string(), "a");
  EXPECT_EQ(manager.list(numbers).at(0).as<int>(), 1);
}

TEST(Manager, MakesDictsQueuesAndLocks) {
  const Manager manager;
  EXPECT_EQ((manager.dict<std::string, int>({{"a", 1}, {"b", 2}}).at("b")), 2);
  EXPECT_EQ((manager.dict<std::string, std::string>({{"a", "b"}}).size()), 1U);
  const std::map<std::string, int> ages{{"ada", 36}};
  EXPECT_EQ((manager.dict<std::string, int>(ages).copy()), ages);
  EXPECT_EQ(manager.dict().size(), 0U);

  const Queue<int> queue = manager.queue<int>(1);
  EXPECT_EQ(queue.maxsize(), 1U);
  EXPECT_TRUE(queue.try_put(1));
  EXPECT_FALSE(queue.try_put(2));
  EXPECT_EQ(manager.queue().maxsize(), 0U);

  EXPECT_TRUE(manager.lock().try_lock());
  const RLock rlock = manager.rlock({.on_owner_death = OwnerDeath::poison});
  rlock.lock();
  EXPECT_TRUE(rlock.try_lock());
}

TEST(Manager, OpensNamedObjectsOrMakesThem) {
  Manager manager;
  manager.list<int>(named("numbers"), {1, 2});
  EXPECT_EQ(manager.number_of_objects(), 1U) << "it lives by its name";
  EXPECT_EQ(manager.list<int>(named("numbers"), {7, 8, 9}).copy(), (std::vector{1, 2}));
  EXPECT_EQ(manager.list<int>(named("numbers")), manager.list<int>(named("numbers")));
  EXPECT_THROW((manager.dict<int, int>(named("numbers"))), BadCall);
  EXPECT_THROW(manager.lock(named("numbers")), BadCall);

  manager.dict<int, int>(named("d"), {{1, 2}});
  manager.queue<int>(named("q"), 3);
  manager.lock(named("l"));
  manager.rlock(named("r"));
  EXPECT_EQ((manager.dict<int, int>(named("d")).at(1)), 2);
  EXPECT_EQ(manager.queue<int>(named("q"), 5).maxsize(), 3U) << "the first options win";
  EXPECT_EQ(manager.number_of_objects(), 5U);

  EXPECT_TRUE(manager.remove("numbers"));
  EXPECT_FALSE(manager.remove("numbers"));
  const List<int> fresh = manager.list<int>(named("numbers"));
  EXPECT_EQ(fresh.size(), 0U);
  EXPECT_TRUE(manager.remove("numbers"));
  EXPECT_EQ(fresh.size(), 0U) << "it lives on by its proxy";
}

TEST(Manager, BoundsNames) {
  Manager manager;
  manager.list<int>(named(std::string(255, 'n')));
  EXPECT_THROW(manager.list<int>(named(std::string(256, 'n'))), BadCall);
  EXPECT_THROW(manager.list<int>(named("")), BadCall);
}

TEST(Manager, ErrorsNameTheManagersMethod) {
  const Manager manager;
  try {
    manager.list<int>(named(""));
    FAIL();
  } catch (const BadCall& error) {
    EXPECT_TRUE(std::string_view(error.what()).starts_with("manager.create: ")) << error.what();
  }
}

TEST(Manager, ElementsMayBeProxies) {
  const Manager manager;
  List<List<int>> rows = manager.list<List<int>>({manager.list<int>({1}), manager.list<int>({2})});
  EXPECT_EQ(rows.at(1).at(0), 2);
  EXPECT_EQ(manager.number_of_objects(), 3U);
  rows = {};
  EXPECT_EQ(manager.number_of_objects(), 0U);
}

TEST(Manager, TellsWhatThereIs) {
  Manager manager;
  const List<int> list = manager.list<int>(named("scores"));
  const std::string info = manager.debug_info();
  EXPECT_NE(info.find("1 objects of 1024 bytes, 1 sessions, 0 parked calls"), std::string::npos)
      << info;
  EXPECT_NE(info.find("list#1"), std::string::npos) << info;
  EXPECT_NE(info.find("'scores'"), std::string::npos) << info;
}

TEST(Manager, IsReachedByItsAddress) {
  Manager manager;
  EXPECT_TRUE(manager.address().starts_with("ipc://"));
  EXPECT_GT(manager.pid(), 0);
  const Queue<int> queue = manager.queue<int>(named("q"));
  List<int> outlives;
  {
    const Manager connected = Manager::connect(manager.address());
    EXPECT_EQ(connected.address(), manager.address());
    EXPECT_EQ(connected.pid(), manager.pid());
    connected.queue<int>(named("q")).put(3);
    outlives = connected.list<int>({4});
  }
  EXPECT_EQ(queue.get(), 3);
  EXPECT_EQ(outlives.at(0), 4) << "proxies outlive a connected Manager";
  EXPECT_THROW(Manager::connect("ipc:///nowhere/manager.sock"), Disconnected);
  EXPECT_THROW(Manager::connect("carrier pigeon"), BadCall);
}

TEST(Manager, Moves) {
  Manager first;
  const List<int> list = first.list<int>({1});
  const std::string address = first.address();
  Manager second = std::move(first);
  EXPECT_EQ(second.address(), address);
  EXPECT_EQ(list.size(), 1U);
  EXPECT_THROW(first.list<int>(), BadCall);
  EXPECT_THROW(first.address(), BadCall);

  Manager third;
  third = std::move(second);
  EXPECT_EQ(third.address(), address);
  EXPECT_EQ(list.size(), 1U);
  third = Manager();
  EXPECT_THROW(list.size(), Disconnected) << "its manager was replaced";
}

TEST(Manager, IsForAllThreads) {
  const Manager manager;
  const List<int> list = manager.list<int>();
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      for (int k = 0; k < 20; ++k) manager.list<int>({i, k}).append(list.count(0) > 0 ? 1 : 0);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(manager.number_of_objects(), 1U);
}

using ManagerDeathTest = testing::Test;

// In a process of its own: the limit cannot be raised again.
TEST(ManagerDeathTest, TellsWhyItsServerDidNotComeUp) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto start_without_descriptors = [] {
    const rlimit few{64, 64};
    ::setrlimit(RLIMIT_NOFILE, &few);
    try {
      const Manager manager;
    } catch (const Overloaded& error) {
      std::fputs(error.what(), stderr);
      std::exit(7);
    }
  };
  EXPECT_EXIT(start_without_descriptors(), testing::ExitedWithCode(7),
              "needs 128 descriptors, this process may open 64");
}

}  // namespace
}  // namespace steward::detail::test
