// Job: one call of map, apply and so on: its tasks, and where their results go.
#pragma once

#include <atomic>
#include <cstddef>
#include <exception>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <steward/pool/worker_table.hpp>
#include <steward/pool/messages.hpp>

namespace steward::detail::pool {

// Where results go. Thread safety: any thread; each item comes once, or is lost after a take() that
// threw. Where finish() throws, for want of memory, lose() of no calls says why, and finish() comes
// again.
class Collector {
 public:
  virtual ~Collector() = default;
  // The results of `count` calls, the first of which has this place, as RunCalls wrote them; what
  // cannot be read has failed.
  virtual void take(std::size_t first, std::size_t count, MessageReader results) = 0;
  // These calls have no result, for this reason: it may be that there is no memory.
  virtual void lose(std::size_t first, std::size_t count,
                    const std::exception_ptr& why) noexcept = 0;
  // Every call has come to its end, of so many in all.
  virtual void finish(std::size_t total) = 0;
};

// Some calls that one worker makes in a row; what a worker that dies takes along.
struct TaskUnit {
  std::size_t first = 0;
  std::size_t count = 0;
  std::string arguments;
  std::shared_ptr<const void> kept;  // what the arguments refer to
  int deaths = 0;                    // of workers that were at it
};

struct PoolTask;
using PoolTasks = std::list<PoolTask>;

// Thread safety: any thread, but for in_books. Shared by the pool's books and by whoever waits for
// the results.
class Job {
 public:
  using Progress = std::function<void(std::size_t done, std::size_t total)>;

  // Whether on_progress is told of it.
  enum class Tells { nothing, progress };

  Job(JobNumber number, std::string call, std::unique_ptr<Collector> collector, Tells tells)
      : number(number), call(std::move(call)), tells(tells), collector_(std::move(collector)) {}

  const JobNumber number;
  const std::string call;  // the address of a RunCalls, and what it is told to call
  const Tells tells;

  // Those of its tasks that wait or that the workers have: TaskBooks keeps it.
  std::list<PoolTasks::iterator> in_books;

  // ---- Each of these settles calls. True: those were the last of a job that is complete. ----

  bool deliver(const TaskUnit& unit, std::string_view results) noexcept;
  bool lose(const TaskUnit& unit, const std::exception_ptr& why) noexcept;
  // There will be no more calls than the `total` that there are.
  bool complete(std::size_t total);

  // To be called once, when one of the above was true. Throws if there is no memory even for the
  // reason.
  void finish();

  // Whether nobody wants its results any more; the first to say so gets true.
  bool cancel() { return !cancelled_.exchange(true); }
  bool cancelled() const { return cancelled_; }

  struct Settled {
    std::size_t calls = 0;
    std::optional<std::size_t> total;  // none before it is complete
  };
  Settled progress() const;
  // Whether somebody is to be told of progress who has not been since.
  bool tell_progress() { return !telling_.exchange(true); }
  void told_progress() { telling_ = false; }

 private:
  bool settled(std::size_t count);

  const std::unique_ptr<Collector> collector_;
  std::atomic<bool> cancelled_{false};
  std::atomic<bool> telling_{false};
  mutable std::mutex mutex_;
  std::size_t settled_ = 0;
  std::size_t total_ = 0;
  bool complete_ = false;
};

}  // namespace steward::detail::pool
