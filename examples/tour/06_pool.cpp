// A pool of two processes maps a function over four jobs: two of them wait at the same time.
// Python: with Pool(2) as pool: pool.map(work, jobs)
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <string>
#include <thread>
#include <utility>

#include <steward/steward.hpp>

using namespace steward;
using Job = std::pair<std::string, int>;

// A function object travels with its members.
struct Work {
  double scale;

  void operator()(const Job& job) const {
    const auto& [name, seconds] = job;
    std::cout << "Process name is " + name + " waiting time is " + std::to_string(seconds) +
                     " seconds\n";
    std::this_thread::sleep_for(std::chrono::duration<double>(seconds * scale));
    std::cout << "Process " + name + " Executed.\n";
  }
  MSGPACK_DEFINE(scale)
};

// An argument scales the seconds.
int main(int argc, char** argv) {
  const double scale = argc > 1 ? std::atof(argv[1]) : 1;
  Pool pool(2);
  pool.map(Work{scale}, {{"V", 5}, {"X", 2}, {"Y", 1}, {"Z", 3}});
}
