// Four things that everyday programs need beside the first steps: to see how far a pool is, work
// that outlives its worker, a change that depends on what is there, and waiting for several things.
#include <chrono>
#include <iostream>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include <steward/steward.hpp>

using namespace steward;
using namespace std::chrono_literals;

int divisors_of(int n) {
  int count = 0;
  for (int d = 1; d <= n; ++d) count += n % d == 0 ? 1 : 0;
  return count;
}

// [worker]
void collect(Queue<int> jobs, Dict<std::string, std::vector<int>> found) {
  for (;;) {
    auto job = jobs.reserve(30s);  // the job goes to another worker if this one dies or is too late
    found.update_with(job.value() % 2 == 0 ? "even" : "odd", [&](std::vector<int> numbers) {
      numbers.push_back(job.value());  // reads, changes and writes; nothing of others is lost
      return numbers;
    });
    job.ack();  // done: now the job is gone
  }
}
// [end]

int main() {
  Manager manager;
  auto jobs = manager.queue<int>();
  auto found = manager.dict<std::string, std::vector<int>>();

  // [everyday]
  std::vector<int> numbers(1000);
  std::iota(numbers.begin(), numbers.end(), 1);
  Pool pool({.processes = 2, .on_progress = progress_bar("divisors")});  // a bar, on terminals
  std::vector<int> divisors = pool.map(divisors_of, numbers);

  Process worker({.daemon = true}, collect, jobs, found);  // a daemon ends with this program
  worker.start();
  jobs.put_many({1, 2, 3});
  jobs.join();                                       // until every job is acknowledged
  for (std::size_t i : wait({worker, jobs}, 50ms)) {  // the indexes of those that are ready
    std::cout << (i == 0 ? "the worker has ended\n" : "a job is left\n");
  }
  std::cout << found << '\n';  // {"odd": [1, 3], "even": [2]}
  // [end]
  std::cout << divisors[11] << " divisors of 12\n";
}
