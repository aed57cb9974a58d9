// [first steps]
#include <iostream>
#include <mutex>
#include <string>
#include <vector>

#include <steward/steward.hpp>

using namespace steward;

// Runs in four processes at once, on the same dict, queue and list.
void work(Dict<std::string, int> counts, Queue<std::string> names, List<std::string> greetings,
          Lock lock) {
  for (const std::string& name : names) {  // until the queue is closed and empty
    counts["greeted"] += 1;                // one atomic step: nothing is lost
    std::scoped_lock hold(lock);           // a lock that survives a kill -9 of its holder
    greetings.append("Hello " + name + ", you are number " + std::to_string(greetings.size() + 1));
  }
}

int main() {
  Manager manager;
  auto counts = manager.dict<std::string, int>();
  auto names = manager.queue<std::string>();
  auto greetings = manager.list<std::string>();
  auto lock = manager.lock();
  names.put_many({"Ada", "Bob", "Eve"});
  names.close();

  std::vector<Process> workers;
  for (int i = 0; i < 4; ++i) workers.emplace_back(work, counts, names, greetings, lock);
  for (Process& worker : workers) worker.start();
  for (Process& worker : workers) worker.join();

  std::cout << counts << '\n';  // {"greeted": 3}
  for (const std::string& greeting : greetings) std::cout << greeting << '\n';
}
// [end]
