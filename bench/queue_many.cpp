// Four producers and four consumers of one queue: more than there are CPUs, so that each call may
// have to wait for one who does not run.
#include <memory>
#include <string>
#include <vector>

#include <steward/bench/groups.hpp>
#include <steward/bench/others.hpp>
#include <steward/bench/queue_streams.hpp>

namespace steward::bench {
namespace {

using Mark = Comparison::Mark;

constexpr std::size_t kBytes = 64;
constexpr std::size_t kEach = 4;  // producers, and as many consumers
constexpr double kTimesBoost = 3;
constexpr const char* kName = "many";

template <class E>
void answer(std::string socket, std::shared_ptr<E> end, bool puts, std::size_t number,
            const std::string& text = {}) {
  Answers answers(socket);
  if (puts) {
    answer_puts(answers, kName, std::move(end), number);
  } else {
    answer_gets(answers, kName, std::move(end), Order::Consumers::several);
  }
  answers.serve(text);
}

void use_steward(std::string socket, std::string address, bool puts, std::size_t number) {
  const Manager manager = Manager::connect(address);
  answer(socket, std::make_shared<QueueEnd<kBytes>>(manager, kName), puts, number,
         bench_queue<kBytes>(manager, kName).transport());
}

void use_boost(std::string socket, std::string where, bool puts, std::size_t number) {
  const Side side = puts ? Side::put : Side::get;
  using End = ChannelEnd<BoostQueue, kBytes>;
  answer(socket, std::make_shared<End>(where, kName, side), puts, number);
}

template <class F>
Stream crowd(const Scratch& scratch, const std::string& name, F main, const std::string& where) {
  Stream stream;
  for (std::size_t i = 0; i < kEach; ++i) {
    for (const Side side : {Side::get, Side::put}) {
      stream.add(side, std::make_unique<Peer>(scratch, name, main, where, side == Side::put, i));
    }
  }
  return stream;
}

}  // namespace

void measure_queue_many(Bench& bench) {
  const Manager manager;
  const Scratch& scratch = bench.scratch;
  Stream ours = crowd(scratch, "steward", use_steward, manager.address());
  Stream boosts = [&] {
    const std::string where = place_of<BoostQueue>(scratch);
    const Names<BoostQueue> guard(where, {kName});
    return crowd(scratch, "boost", use_boost, where);
  }();
  const std::unique_ptr<Peer> python = python_queues(scratch);
  if (!python) bench.report.note("there is no python3: the row of CPython is missing");

  std::vector<Task> tasks;
  const auto add = [&](const char* peer, const std::string& over, auto run) -> Row& {
    Row& row = bench.report.row({"queue, 4 producers 4 consumers", "64 B", peer, over,
                                 Unit::messages_per_second, kBytes});
    tasks.push_back({row, run});
    return row;
  };
  const auto over_stream = [](Stream& stream) {
    return [&stream](std::size_t count) { return stream.run(kName, count); };
  };
  const Row& our_row = add("steward", ours.consumers().front()->text(), over_stream(ours));
  const Row& boost_row = add("boost", "shm", over_stream(boosts));
  const Row* python_row = nullptr;
  if (python) {
    python_row = &add("cpython", "pipe", [&](std::size_t count) {
      return python->run("queue_many", (count + kEach - 1) / kEach * kEach);
    });
  }
  measure(bench, std::move(tasks));

  bench.report.compare({"64 B, 4 producers 4 consumers, times Boost message_queue",
                        speed_ratio(our_row, boost_row), Mark::at_least, kTimesBoost});
  if (python_row != nullptr) {
    bench.report.compare({"64 B, 4 producers 4 consumers, times multiprocessing.Queue",
                          speed_ratio(our_row, *python_row)});
  }
}

}  // namespace steward::bench
