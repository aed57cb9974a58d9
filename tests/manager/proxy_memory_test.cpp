// Memory that ends while a proxy calls: an Error is what the program gets, and nothing is held that
// nobody knows of.
#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include <steward/steward.hpp>
#include <steward/tests/shm/failing_new.hpp>

namespace steward::detail::test {
namespace {

// Runs it once for each allocation that may fail. What leaves must be an Error.
template <class F>
void at_each_failure(F&& call) {
  at_each_allocation([&](std::size_t n) {
    bool failed = false;
    try {
      const FailingNew failing(n);
      call();
      failed = failing.has_failed();
    } catch (const Error&) {
      failed = true;
    } catch (const std::exception& other) {
      ADD_FAILURE() << "allocation " << n << ": " << other.what();
      failed = true;
    }
    return failed && n < 1000;
  });
}

TEST(ProxyMemory, WhateverAProxyThrowsIsAnError) {
  Manager manager;
  const std::string text(100, 'x');
  auto list = manager.list<std::string>();
  auto dict = manager.dict<std::string, std::vector<std::string>>();
  auto queue = manager.queue<std::string>();
  auto lists = manager.list<List<int>>();
  const auto inner = manager.list<int>();
  list.append(text);
  dict.set("k", {text, text});
  lists.append(inner);
  at_each_failure([&] { list.at(0); });
  at_each_failure([&] { list.append(text); });
  at_each_failure([&] { dict.at("k"); });
  at_each_failure([&] { lists.at(0); });
  at_each_failure([&] { queue.put(text); });
  while (queue.size() < 200) queue.put(text);
  at_each_failure([&] { queue.get(); });
  at_each_failure([&] { list.handle().str(); });
}

TEST(ProxyMemory, ALockThatCannotBeTakenForWantOfMemoryIsFree) {
  Manager manager;
  if (!FailingNew::works()) GTEST_SKIP() << "a sanitizer's operator new does not fail";
  std::size_t thrown = 0;
  at_each_allocation([&](std::size_t n) {
    const Lock lock = manager.lock();
    bool failed = false;
    try {
      const FailingNew failing(n);
      lock.lock();
      failed = failing.has_failed();
    } catch (const Overloaded&) {
      ++thrown;
      EXPECT_FALSE(lock.locked()) << "allocation " << n;
      return true;
    } catch (const OutcomeUnknown&) {
      failed = true;  // as it says, it may be locked
    }
    lock.unlock();
    EXPECT_FALSE(lock.locked()) << "allocation " << n;
    return failed;
  });
  EXPECT_GT(thrown, 0U);
}

TEST(ProxyMemory, WaitsForMoreLocksThanMayWaitAreRefused) {
  Manager manager(ManagerOptions{.limits = {.calls_in_flight = 32}});
  std::vector<Lock> locks;
  for (int i = 0; i < 32; ++i) locks.push_back(manager.lock());
  // Their owner lives until the end: that of a thread is the end of its holds.
  std::promise<void> locked, over;
  const std::jthread owner([&] {
    for (const Lock& lock : locks) lock.lock();
    locked.set_value();
    over.get_future().wait();
  });
  locked.get_future().wait();
  EXPECT_THROW(wait(locks, std::chrono::milliseconds(1)), Overloaded);
  locks.resize(30);
  auto list = manager.list<int>();
  auto waiting =
      std::async(std::launch::async, [&] { return wait(locks, std::chrono::seconds(1)); });
  list.append(1);
  EXPECT_TRUE(waiting.get().empty());
  EXPECT_EQ(list.size(), 1U);
  over.set_value();
}

}  // namespace
}  // namespace steward::detail::test
