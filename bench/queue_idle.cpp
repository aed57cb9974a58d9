// What it costs to wait: CPU time of consumers that nobody gives anything, and of their manager.
#include <poll.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>

#include <steward/bench/groups.hpp>
#include <steward/bench/machine.hpp>
#include <steward/bench/queue_streams.hpp>

namespace steward::bench {
namespace {

using namespace std::chrono_literals;
using Mark = Comparison::Mark;

constexpr std::size_t kBytes = 64;
constexpr std::size_t kConsumers = 4;
constexpr double kPercentMax = 0.5;
constexpr const char* kName = "idle";

void use_steward(std::string socket, std::string address) {
  const Manager manager = Manager::connect(address);
  const auto end = std::make_shared<QueueEnd<kBytes>>(manager, kName);
  Answers answers(socket);
  answer_puts(answers, kName, end);
  answer_gets(answers, kName, end, Order::Consumers::several);
  answers.serve(bench_queue<kBytes>(manager, kName).transport());
}

// The CPU time that waiting costs, in seconds.
struct Spent {
  double consumers = 0;
  double manager = 0;
};

Spent spent(const Stream& stream, const Manager& manager) {
  Spent all{0, cpu_seconds(manager.pid())};
  for (const auto& consumer : stream.consumers()) all.consumers += cpu_seconds(consumer->pid());
  return all;
}

void wait(std::chrono::milliseconds time) { ::poll(nullptr, 0, static_cast<int>(time.count())); }

}  // namespace

void measure_queue_idle(Bench& bench) {
  const Manager manager;
  Stream stream;
  for (std::size_t i = 0; i <= kConsumers; ++i) {
    stream.add(i < kConsumers ? Side::get : Side::put,
               std::make_unique<Peer>(bench.scratch, "steward", use_steward, manager.address()));
  }
  Peer& producer = *stream.producers().front();
  const auto add = [&](const char* what) -> Row& {
    return bench.report.row(
        {"queue, idle", what, "steward", producer.text(), Unit::percent});
  };
  Row& consumers = add("4 consumers in get()");
  Row& managers = add("their manager");
  Row& all = add("all of them");

  constexpr std::size_t kRoundsMax = 3;  // each is long
  for (std::size_t round = 0; round < std::min(bench.options.rounds, kRoundsMax); ++round) {
    calibrate(bench);
    for (const auto& consumer : stream.consumers()) consumer->begin("get_idle", 1);
    wait(100ms);  // until each of them has gone to sleep
    const auto start = std::chrono::steady_clock::now();
    const Spent before = spent(stream, manager);
    wait(bench.options.idle);
    const Spent after = spent(stream, manager);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    producer.run("put_idle", kConsumers);
    for (const auto& consumer : stream.consumers()) consumer->finish();
    consumers.samples.push_back(100 * (after.consumers - before.consumers) / took.count());
    managers.samples.push_back(100 * (after.manager - before.manager) / took.count());
    all.samples.push_back(consumers.samples.back() + managers.samples.back());
  }
  bench.report.compare(
      {"CPU of 4 consumers in get() and their manager, %", all.samples, Mark::at_most,
       kPercentMax});
}

}  // namespace steward::bench
