// WorkerTable: what the workers of a pool and the pool tell each other beside the messages, in
// shared memory: which task each worker is at, and which jobs nobody wants any more.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include <steward/shm/segment.hpp>

namespace steward::detail::pool {

// Numbers the messages with tasks, never 0; each is used once.
using Ticket = std::uint64_t;
// Numbers the calls of map, apply and so on; never 0.
using JobNumber = std::uint64_t;

// Thread safety: any thread of any process. A slot is written by the worker that it belongs to, and
// by the pool while it belongs to no worker. Ownership: the mapping; the memory goes with its last
// holder.
class WorkerTable {
 public:
  static constexpr std::size_t kSlotsMax = 1024;

  static constexpr Ticket kIdle = 0;  // has done a task, and waits for the next
  static constexpr Ticket kStarting = ~Ticket{0};   // not there yet, or in the initializer
  static constexpr Ticket kReady = kStarting - 1;  // waits for its first task
  // A bit beside a ticket: the worker does not run this task, it only reports that it came back
  // from a worker that died before it began.
  static constexpr Ticket kNotBegun = Ticket{1} << 63U;

  // Throws shm::NoMemory.
  static WorkerTable create();
  // Throws shm::NoMemory; BadCall if the file is something else.
  static WorkerTable open(shm::UniqueFd fd);

  int fd() const { return segment_.fd(); }

  // What the worker at this slot is at: a ticket or one of the above. A worker that dies leaves it.
  std::atomic<Ticket>& slot(std::size_t number) { return words_->slots[number]; }

  // Nobody waits for the job. Lossy: of jobs that share a word the last is remembered.
  void cancel(JobNumber job) { cancelled(job).store(job, std::memory_order_relaxed); }
  bool is_cancelled(JobNumber job) const {
    return cancelled(job).load(std::memory_order_relaxed) == job;
  }

 private:
  static constexpr std::size_t kJobs = 1024;
  struct Words {
    std::atomic<Ticket> slots[kSlotsMax];
    std::atomic<JobNumber> cancelled[kJobs];
  };

  explicit WorkerTable(shm::Segment segment);
  std::atomic<JobNumber>& cancelled(JobNumber job) const { return words_->cancelled[job % kJobs]; }

  shm::Segment segment_;
  Words* words_;
};

}  // namespace steward::detail::pool
