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

// What a job has that nobody has taken yet, where its results are taken one by one.
struct Stock {
  std::size_t calls = 0;
  std::size_t bytes = 0;                 // of their results, as they came
  std::optional<std::size_t> mean_bytes;  // of all calls so far; none: nothing has come
};
// With more than this no further task of the job is begun; it goes on at half of it.
inline constexpr std::size_t kStockCalls = 1024;
inline constexpr std::size_t kStockBytes = std::size_t{64} << 20U;

// Collector: takes the results of one job. Thread safety: any thread. Each call comes once, by
// take() or by lose(); after a take() that threw its calls come by lose(). If finish() throws, for
// want of memory, lose() is called for no calls, with the reason, and finish() once more.
class Collector {
 public:
  virtual ~Collector() = default;
  // Before a call with the highest place so far: there are so many. Throws std::bad_alloc; then
  // that call does not come.
  virtual void expect(std::size_t) {}
  // The results of `count` calls, the first of which has this place, as RunCalls wrote them; what
  // cannot be read has failed.
  virtual void take(std::size_t first, std::size_t count, MessageReader results) = 0;
  // These calls have no result, for this reason (which may be a std::bad_alloc).
  virtual void lose(std::size_t first, std::size_t count,
                    const std::exception_ptr& why) noexcept = 0;
  // Every call has come to its end, of so many in all.
  virtual void finish(std::size_t total) = 0;
  // nullopt: all results are wanted at once.
  virtual std::optional<Stock> stock() const { return std::nullopt; }
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

// Thread safety: any thread, but for what TaskBooks keeps. Shared by the pool's books and by
// whoever waits for the results.
class Job {
 public:
  using Progress = std::function<void(std::size_t done, std::size_t total)>;

  // Whether on_progress is called for this job.
  enum class Tells { nothing, progress };

  Job(JobNumber number, std::string call, std::unique_ptr<Collector> collector, Tells tells)
      : number(number), call(std::move(call)), tells(tells), collector_(std::move(collector)) {}

  const JobNumber number;
  const std::string call;  // the address of a RunCalls, and what it is told to call
  const Tells tells;

  // ---- What TaskBooks keeps ----

  // Its tasks, in their order, but for those that have come to their end.
  std::list<PoolTasks::iterator> in_books;
  // Those that are held back are the last of them, from this one on.
  std::list<PoolTasks::iterator>::iterator first_held_back = in_books.end();
  // And those that wait or that the workers have.
  struct UnderWay {
    std::size_t tasks = 0;
    std::size_t calls = 0;
  };
  UnderWay under_way;

  // Whether one more task may be under way, with so many workers: what nobody takes must not pile
  // up.
  bool wants_more(std::size_t workers) const;
  // A look from outside, of the moment.
  bool holds_back() const { return holds_back_; }
  void note_held_back(bool any) { holds_back_ = any; }

  // Before a task of these calls is added. Throws std::bad_alloc; then it must not be.
  void expect(const TaskUnit& unit) { collector_->expect(unit.first + unit.count); }

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
  // Notes that there is progress to tell. True: nobody is about to tell it, the caller must.
  bool tell_progress() { return !telling_.exchange(true); }
  void told_progress() { telling_ = false; }

 private:
  bool settled(std::size_t count);

  const std::unique_ptr<Collector> collector_;
  std::atomic<bool> cancelled_{false};
  std::atomic<bool> telling_{false};
  std::atomic<bool> holds_back_{false};
  mutable std::mutex mutex_;
  std::size_t settled_ = 0;
  std::size_t total_ = 0;
  bool complete_ = false;
};

}  // namespace steward::detail::pool
