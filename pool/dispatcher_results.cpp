// What comes back through the ring of results: results, and the ends of workers.
#include <chrono>
#include <exception>
#include <mutex>
#include <new>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include <steward/core/errors.hpp>
#include <steward/core/future.hpp>
#include <steward/process/child.hpp>
#include <steward/pool/dispatcher.hpp>
#include <steward/process/status.hpp>
#include <steward/shm/bytes.hpp>
#include <steward/shm/shared_queue.hpp>

namespace steward::detail::pool {
namespace {

constexpr std::chrono::milliseconds kLookWhetherBroken{50};

std::exception_ptr failure_in(std::string_view packed) {
  try {
    process::throw_exception(packed);
  } catch (...) {
    return std::current_exception();
  }
}

// Or that there is no memory for it.
std::exception_ptr death_of(std::string_view worker, const WorkerEnd& end,
                            const TaskUnit& at) noexcept {
  const std::size_t last = at.first + at.count - 1;
  try {
    throw WorkerDied(
        fmt::format("{} (pid {}) ended with {} while it ran {}", worker, end.pid,
                    process::describe_ending(static_cast<int>(end.exit_code)),
                    at.first == last ? fmt::format("task {}", at.first)
                                     : fmt::format("tasks {} to {}", at.first, last)));
  } catch (...) {
    return std::current_exception();
  }
}

}  // namespace

// ---- Results ----

void Dispatcher::handle(ResultKind kind, std::string_view message) {
  MessageReader in(message);
  const auto ticket = in.number<ResultHeader>().ticket;
  switch (kind) {
    case ResultKind::look_again: return;
    case ResultKind::worker_ended: return lost_worker(in);
    case ResultKind::no_worker: return fail_all(failure_in(in.rest()));
    case ResultKind::part: return keep_part(ticket, in.rest());
    case ResultKind::done:
    case ResultKind::failed:
    case ResultKind::not_begun: break;
  }
  PoolTasks taken;
  {
    const std::lock_guard hold(mutex_);
    if (kind == ResultKind::not_begun) return books_.send_again(ticket);
    taken = books_.take(ticket);
  }
  if (taken.empty()) return;
  PoolTask& task = taken.front();
  if (kind == ResultKind::failed) return lose(task, failure_in(in.rest()));
  if (task.results.empty()) return deliver(task, in.rest());
  try {
    task.results += in.rest();
  } catch (const std::exception&) {
    return lose(task, std::current_exception());
  }
  deliver(task, task.results);
}

// Until the last part is here the task may still be lost, and be run again.
void Dispatcher::keep_part(Ticket ticket, std::string_view results) {
  const std::lock_guard hold(mutex_);
  PoolTask* const task = books_.find(ticket);
  if (task == nullptr) return;
  try {
    task->results += results;
  } catch (const std::exception&) {
    books_.lose(ticket, std::current_exception());
  }
}

void Dispatcher::deliver(const PoolTask& task, std::string_view results) noexcept {
  settled(task.job, task.job->deliver(task.unit, results));
  count_off(*task.job);
}

void Dispatcher::lose(const PoolTask& task, const std::exception_ptr& why) noexcept {
  settled(task.job, task.job->lose(task.unit, why));
  count_off(*task.job);
}

// A task has come to its end.
void Dispatcher::count_off(Job& job) {
  const std::lock_guard hold(mutex_);
  --unsettled_;
  let_go(job);
  leave_when_done();
}

void Dispatcher::settled(const JobPtr& job, bool last) noexcept {
  if (!last) return tell_progress(job);
  if (!tells(*job)) return finish(job);
  try {
    run_later({core::Later{0, [this, job] {
      const std::size_t total = job->progress().total.value_or(0);
      if (total > 0) core::run_callback([&] { plan_.on_progress(total, total); });
      finish(job);
    }}});
  } catch (const std::bad_alloc&) {
    finish(job);  // without the news
  }
}

// A job of which nobody can be told that it has come to its end breaks the pool.
void Dispatcher::finish(const JobPtr& job) noexcept {
  std::exception_ptr why;
  try {
    job->finish();
  } catch (...) {
    why = std::current_exception();
  }
  const std::lock_guard hold(mutex_);
  if (why) fail(why);
  changed_.notify_all();
}

// Of what was cancelled there is no progress.
bool Dispatcher::tells(const Job& job) const {
  return plan_.on_progress && job.tells == Job::Tells::progress && !job.cancelled();
}

// The latest news only: calls that the pool's thread has not come round to are left out.
void Dispatcher::tell_progress(const JobPtr& job) noexcept {
  if (!tells(*job) || !job->tell_progress()) return;
  try {
    run_later({core::Later{0, [this, job] {
      job->told_progress();
      const Job::Settled now = job->progress();
      if (!now.total || now.calls == *now.total) return;  // the last is told by whoever finishes
      core::run_callback([&] { plan_.on_progress(now.calls, *now.total); });
    }}});
  } catch (const std::bad_alloc&) {
    job->told_progress();
  }
}

// ---- Workers ----

void Dispatcher::worker_ended(const std::string& name, pid_t pid, int exit_code, Ticket at) {
  try {
    tasks_->recover_dead();
    results_->recover_dead();
    // Without a task it is nobody's loss. Nor does anybody read in an idle pool: such ends would
    // fill the ring.
    if (at == WorkerTable::kIdle || at == WorkerTable::kReady || at == WorkerTable::kStarting)
      return;
    std::string body;
    append_bytes(body, WorkerEnd{at, pid, exit_code});
    body += name;
    tell_workers_end(ResultKind::worker_ended, body);
  } catch (...) {
    fail_all(std::current_exception());  // no memory to tell that its task is lost
  }
}

void Dispatcher::no_more_workers(std::exception_ptr why) {
  try {
    std::string failure;
    try {
      std::rethrow_exception(why);
    } catch (...) {
      failure = process::pack_exception(process::record_exception());
    }
    tell_workers_end(ResultKind::no_worker, failure);
  } catch (...) {
    fail_all(why);
  }
}

// Behind everything that workers which have ended put themselves. Of a broken pool all tasks are
// lost already, and perhaps nobody reads what its ring is full of.
void Dispatcher::tell_workers_end(ResultKind kind, std::string_view body) {
  std::string message;
  append_bytes(message, ResultHeader{});
  message += body;
  const auto broken = [this] {
    const std::lock_guard hold(mutex_);
    return broken_ != nullptr;
  };
  while (!broken()) {
    const Queue::Outcome outcome =
        results_->put(shm::bytes_of(message), static_cast<std::uint32_t>(kind),
                      core::deadline_after(kLookWhetherBroken));
    if (outcome != Queue::Outcome::timeout) return;
  }
}

void Dispatcher::lost_worker(MessageReader message) {
  const auto end = message.number<WorkerEnd>();
  const bool begun = (end.at & WorkerTable::kNotBegun) == 0;
  const Ticket ticket = end.at & ~WorkerTable::kNotBegun;
  const std::lock_guard hold(mutex_);
  PoolTask* const task = books_.find(ticket);
  if (task == nullptr) return static_cast<void>(books_.take(ticket));  // nobody wants it
  task->results.clear();
  if (!begun || task->unit.deaths++ < plan_.retries) return books_.send_again(ticket);
  books_.lose(ticket, death_of(message.rest(), end, task->unit));
}

}  // namespace steward::detail::pool
