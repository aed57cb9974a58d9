// The groups of measurements, and how their rounds go: every row gets a slice of time in each
// round, one after the other, so that whatever else the machine does meets all of them.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <vector>

#include <steward/bench/calibration.hpp>
#include <steward/bench/report.hpp>
#include <steward/bench/scratch.hpp>

namespace steward::bench {

struct Options {
  std::size_t rounds = 15;
  std::chrono::milliseconds slice{150};  // of a row in a round
  std::size_t clients = 16;              // that call at once, in the group cpu
  std::size_t connections = 1000;        // idle ones
  std::size_t window = 64;               // calls under way, in the group pipelined
  std::chrono::milliseconds idle{10'000};  // that everybody waits, in the group queue_idle
};

// What all groups work with.
struct Bench {
  const Scratch& scratch;
  Calibration& calibration;
  Report& report;
  Options options;
};

// A row and how to get a sample of it: told a number of calls.
struct Task {
  Row& row;
  std::function<Run(std::size_t count)> run;
  std::size_t count = 0;  // that fit into a slice
};

// Finds the counts, then goes the rounds, the yardsticks included.
void measure(Bench& bench, std::vector<Task> tasks);
// One sample of each yardstick.
void calibrate(Bench& bench);

// One call at a time, ours and every peer's.
void measure_calls(Bench& bench);
// Many calls under way.
void measure_pipelined(Bench& bench);
// Many clients at once, and what a call costs the server.
void measure_cpu(Bench& bench);
// What clients cost that only are there.
void measure_connections(Bench& bench);
// Messages a second through queues of all kinds, between two processes.
void measure_queue(Bench& bench);
// A message to another process and one back.
void measure_queue_trip(Bench& bench);
// Messages a second between more processes than there are CPUs.
void measure_queue_many(Bench& bench);
// What it costs to wait for a message.
void measure_queue_idle(Bench& bench);
// Calls in worker processes, and what it costs to start those.
void measure_pool(Bench& bench);

}  // namespace steward::bench
