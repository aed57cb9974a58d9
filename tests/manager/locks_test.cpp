// Several locks at once, taken by many processes in all orders.
#include <mutex>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <steward/steward.hpp>

namespace steward::detail::test {
namespace {

constexpr int kProcesses = 8;
constexpr int kRounds = 50;

void add_one(const Dict<std::string, int>& sums) {
  sums.set("n", sums.at("n") + 1);  // two steps, which the locks make one
}

void take_two(Lock a, RLock b, Dict<std::string, int> sums, bool turned) {
  for (int round = 0; round < kRounds; ++round) {
    if (turned) {
      const std::scoped_lock hold(b, a);
      add_one(sums);
    } else {
      const std::scoped_lock hold(a, b);
      add_one(sums);
    }
  }
}

// Of two managers.
void take_three(Lock a, RLock b, Lock c, Dict<std::string, int> sums, bool turned) {
  for (int round = 0; round < kRounds; ++round) {
    if (turned) {
      const std::scoped_lock hold(c, a, b);
      add_one(sums);
    } else {
      const std::scoped_lock hold(b, c, a);
      add_one(sums);
    }
  }
}

template <class F, class... A>
void run_in_processes(F body, const Dict<std::string, int>& sums, const A&... locks) {
  std::vector<Process> processes;
  for (int p = 0; p < kProcesses; ++p) processes.emplace_back(body, locks..., sums, p % 2 == 1);
  for (Process& process : processes) process.start();
  for (Process& process : processes) {
    process.join();
    EXPECT_EQ(process.exitcode(), 0);
  }
  EXPECT_EQ(sums.at("n"), kProcesses * kRounds);
}

TEST(Locks, ProcessesThatTakeTwoInOppositeOrdersAllGetOn) {
  Manager manager;
  run_in_processes(take_two, manager.dict<std::string, int>({{"n", 0}}), manager.lock(),
                   manager.rlock());
}

TEST(Locks, ProcessesThatTakeThreeOfTwoManagersInAnyOrderAllGetOn) {
  Manager manager;
  Manager second;
  run_in_processes(take_three, manager.dict<std::string, int>({{"n", 0}}), manager.lock(),
                   second.rlock(), manager.lock());
}

}  // namespace
}  // namespace steward::detail::test
