// Pools and managed objects together: proxies as arguments, among results, and in initializers.
#include <atomic>
#include <mutex>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <steward/steward.hpp>

namespace steward {
namespace {

void append_twice(List<int> list, int x) {
  list.append(x);
  list.append(x);
}
int sum_of(const List<int>& list) {
  int sum = 0;
  for (int x : list) sum += x;
  return sum;
}
struct Job {
  Dict<std::string, int> counts;
  std::string key;
  MSGPACK_DEFINE(counts, key)
};
void count(const Job& job) { job.counts[job.key] += 1; }

List<int> itself(List<int> list) { return list; }

Dict<std::string, int> counts_here;
Lock lock_here;
void keep(Dict<std::string, int> counts, Lock lock) {
  counts_here = std::move(counts);
  lock_here = std::move(lock);
}
int count_here(int times) {
  const std::scoped_lock hold(lock_here);
  const int before = counts_here.get("n", 0);
  counts_here.set("n", before + times);
  return before;
}

TEST(PoolAndManager, TasksUseProxies) {
  Manager manager;
  Pool pool(2);
  const auto list = manager.list<int>();
  std::vector<std::pair<List<int>, int>> calls;
  for (int i = 0; i < 50; ++i) calls.emplace_back(list, i);
  pool.starmap(append_twice, calls);
  EXPECT_EQ(list.size(), 100U);
  EXPECT_EQ(sum_of(list), 2 * 49 * 50 / 2);
  EXPECT_EQ(pool.apply(sum_of, list), 2 * 49 * 50 / 2);
}

TEST(PoolAndManager, ATaskKeepsTheObjectsOfItsArguments) {
  Manager manager;
  Pool pool(1);
  const auto gate = manager.queue<int>();
  auto waits = pool.apply_async([](Queue<int> queue) { return queue.get(); }, gate);
  // Nobody here has the list any more, and its task waits behind the other.
  auto sum = pool.apply_async(sum_of, manager.list<int>({1, 2, 3}));
  gate.put(7);
  EXPECT_EQ(waits.get(), 7);
  EXPECT_EQ(sum.get(), 6);
}

TEST(PoolAndManager, ProxiesTravelInsideOfStructs) {
  Manager manager;
  Pool pool(2);
  const auto counts = manager.dict<std::string, int>();
  std::vector<Job> jobs;
  for (int i = 0; i < 40; ++i) jobs.push_back({counts, i % 2 == 0 ? "even" : "odd"});
  pool.map(count, jobs, 3);
  EXPECT_EQ(counts.at("even"), 20);
  EXPECT_EQ(counts.at("odd"), 20);
}

TEST(PoolAndManager, ResultsMayBeProxies) {
  Manager manager;
  Pool pool(1);
  List<int> back;
  {
    const auto list = manager.list<int>({4, 5});
    back = pool.apply(itself, list);
    EXPECT_EQ(back, list);
  }
  EXPECT_EQ(back.copy(), (std::vector<int>{4, 5}));
}

TEST(PoolAndManager, InitializersTakeProxies) {
  Manager manager;
  const auto counts = manager.dict<std::string, int>();
  Pool pool({.processes = 3, .initializer = Task(keep, counts, manager.lock())});
  pool.map(count_here, std::vector<int>(200, 1), 1);
  EXPECT_EQ(counts.at("n"), 200);
}

TEST(PoolAndManager, AnObjectGoesWhenItsTasksAreDone) {
  Manager manager;
  Pool pool(2);
  const std::size_t before = manager.number_of_objects();
  EXPECT_EQ(pool.apply(sum_of, manager.list<int>({1})), 1);
  pool.close();
  pool.join();
  EXPECT_EQ(manager.number_of_objects(), before);
}

TEST(PoolAndManager, APoolIsMadeBesideConnectionsAndTheirThreads) {
  Manager manager({.address = "tcp://127.0.0.1:0"});
  const Manager remote = Manager::connect(manager.address());
  const auto list = remote.list<int>({1, 2});
  Pool pool(2);
  EXPECT_EQ(pool.apply(sum_of, list), 3);
  Process child([](List<int> numbers) { numbers.append(3); }, list);
  child.start();
  child.join();
  EXPECT_EQ(pool.apply(sum_of, list), 6);
}

}  // namespace
}  // namespace steward
