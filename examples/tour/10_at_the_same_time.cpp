// Processes run side by side: waiting 3, 2 and 1 units takes 3 units, not 6.
// Python: for p in processes: p.start() ... for p in processes: p.join()
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <thread>
#include <vector>

#include <steward/steward.hpp>

using namespace steward;
using Seconds = std::chrono::duration<double>;

void wait_for(double seconds) { std::this_thread::sleep_for(Seconds(seconds)); }

// An argument scales the unit, which is a second.
int main(int argc, char** argv) {
  const double unit = argc > 1 ? std::atof(argv[1]) : 1;
  std::vector<Process> processes;
  for (int units : {3, 2, 1}) processes.emplace_back(wait_for, units * unit);

  const auto start = std::chrono::steady_clock::now();
  for (Process& p : processes) p.start();
  for (Process& p : processes) p.join();
  const Seconds total = std::chrono::steady_clock::now() - start;

  std::cout << "total time: " << total.count() / unit << " units\n";
  std::cout << "finished main\n";
}
