// A lock keeps four processes from overwriting each other's changes.
// Python: with lock: counters["x"] = counters["x"] + 1
#include <iostream>
#include <mutex>
#include <string>
#include <vector>

#include <steward/steward.hpp>

using namespace steward;

void count(Dict<std::string, int> counters, Lock lock) {
  for (int i = 0; i < 500; ++i) {
    std::scoped_lock hold(lock);
    counters.set("x", counters.at("x") + 1);
  }
}

int main() {
  Manager manager;
  auto counters = manager.dict<std::string, int>({{"x", 0}});
  auto lock = manager.lock();

  std::vector<Process> processes;
  for (int i = 0; i < 4; ++i) processes.emplace_back(count, counters, lock);
  for (Process& p : processes) p.start();
  for (Process& p : processes) p.join();
  std::cout << counters.at("x") << '\n';
}
