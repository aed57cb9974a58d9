// Three processes take tasks from one queue until it is empty and report in another.
// Python: while True: try: task = to_do.get_nowait() except queue.Empty: break
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include <steward/steward.hpp>

using namespace steward;
using namespace std::chrono_literals;

void work(Queue<std::string> to_do, Queue<std::string> done, double scale) {
  while (auto task = to_do.try_get()) {
    std::cout << *task + '\n';
    done.put(*task + " is done by " + current_process().name());
    std::this_thread::sleep_for(0.5s * scale);
  }
}

// An argument scales the half second that each task takes.
int main(int argc, char** argv) {
  const double scale = argc > 1 ? std::atof(argv[1]) : 1;
  Manager manager;
  auto to_do = manager.queue<std::string>();
  auto done = manager.queue<std::string>();
  for (int i = 0; i < 8; ++i) to_do.put("Task no " + std::to_string(i));

  std::vector<Process> processes;
  for (int i = 0; i < 3; ++i) processes.emplace_back(work, to_do, done, scale);
  for (Process& p : processes) p.start();
  for (Process& p : processes) p.join();

  while (!done.empty()) std::cout << done.get() << '\n';
}
