// A work queue whose workers may crash: one is killed in the middle of a job, and nothing is lost.
//
//   work_queue [--jobs N] [--kills N] [--processes N]
//
// A worker reserves a job, writes what it has found into the ledger and acknowledges the job. Until
// then the job is in the queue's care: it goes to the next worker if this one dies. A job may be
// done twice that way, but writes the same line: so every job is in the ledger, once.
#include <cstdint>
#include <iomanip>
#include <iostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <steward/examples/support.hpp>
#include <steward/steward.hpp>

using namespace steward;
using namespace examples;
using namespace std::chrono_literals;

namespace {

constexpr std::string_view kUsage =
    "work_queue [--jobs N] [--kills N] [--processes N]   shows that no job is lost\n"
    "  --jobs N        12 if not given\n"
    "  --kills N       so many jobs lose their first worker in the middle; 1 if not given\n"
    "  --processes N   workers; 3 if not given\n";

struct Job {
  int number = 0;
  bool deadly = false;  // its first worker is killed in the middle of it
  MSGPACK_DEFINE(number, deadly)
};

struct Entry {
  std::string worker;
  int primes = 0;
  bool again = false;
  MSGPACK_DEFINE(worker, primes, again)
};

// What all workers share.
struct Shop {
  Queue<Job> jobs;
  Dict<int, Entry> ledger;
  Queue<std::pair<std::string, int>> in_the_middle;  // worker and job, of the deadly ones
  Queue<int> never;                                  // nobody ever puts anything
  MSGPACK_DEFINE(jobs, ledger, in_the_middle, never)
};

// How many primes there are among the thousand numbers of a job.
int primes_of(int job) {
  int count = 0;
  for (int n = 1000 * job; n < 1000 * (job + 1); ++n) {
    bool prime = n >= 2;
    for (int divisor = 2; prime && divisor * divisor <= n; ++divisor) prime = n % divisor != 0;
    if (prime) ++count;
  }
  return count;
}

// [worker]
void work(Shop shop) {
  for (;;) {
    auto job = shop.jobs.reserve(30s);  // then a worker that hangs counts as dead, too
    const int number = job.value().number;
    const std::string worker = current_process().name();
    if (job.value().deadly && !job.redelivered()) {
      shop.in_the_middle.put({worker, number});
      shop.never.get();  // until the kill comes
    }
    shop.ledger.set(number, {worker, primes_of(number), job.redelivered()});
    job.ack();
  }
}
// [end]

// Daemons: they serve until this program ends.
Process start_worker(const Shop& shop) {
  Process worker({.daemon = true}, work, shop);
  worker.start();
  return worker;
}

void kill(std::vector<Process>& workers, const std::string& name, int job) {
  for (Process& worker : workers) {
    if (worker.name() != name) continue;
    worker.kill();
    worker.join();
    std::cout << name << " was killed in the middle of job " << job << " (exit code "
              << *worker.exitcode() << ")\n";
  }
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments(argc, argv, kUsage);
  const int jobs = arguments.number("--jobs", 12, 1, 10'000);
  const int kills = arguments.number("--kills", 1, 0, jobs);
  const auto processes = arguments.number<std::size_t>("--processes", 3, 1, 256);
  arguments.end();

  Manager manager;
  const Shop shop{manager.queue<Job>(), manager.dict<int, Entry>(),
                  manager.queue<std::pair<std::string, int>>(), manager.queue<int>()};
  // Spread evenly.
  for (int i = 0; i < jobs; ++i) {
    shop.jobs.put({i, (i + 1) * kills / jobs > i * kills / jobs});
  }
  std::vector<Process> workers;
  for (std::size_t i = 0; i < processes; ++i) workers.push_back(start_worker(shop));
  for (int i = 0; i < kills; ++i) {
    const auto [worker, job] = shop.in_the_middle.get();
    kill(workers, worker, job);
    workers.push_back(start_worker(shop));
  }
  shop.jobs.join();  // until all are acknowledged

  int right = 0;
  int again = 0;
  std::cout << "job  primes  worker\n";
  for (int i = 0; i < jobs; ++i) {
    const Entry entry = shop.ledger.at(i);
    std::cout << std::setw(3) << i << std::setw(8) << entry.primes << "  " << entry.worker
              << (entry.again ? "  (had another worker before)" : "") << '\n';
    if (entry.primes == primes_of(i)) ++right;
    if (entry.again) ++again;
  }
  std::cout << jobs << " jobs, " << shop.ledger.size() << " in the ledger, " << again
            << " begun a second time\n";
  return verdict(right == jobs && again == kills && shop.jobs.empty(),
                 "each job is in the ledger, with the right number: nothing is lost.");
}
