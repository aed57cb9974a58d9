// What comes back through the ring of results: results, and the ends of workers.
#include <exception>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include <steward/core/errors.hpp>
#include <steward/core/future.hpp>
#include <steward/process/child.hpp>
#include <steward/process/dispatcher.hpp>
#include <steward/process/status.hpp>
#include <steward/shm/bytes.hpp>

namespace steward::process {
namespace {

std::exception_ptr failure_in(std::string_view packed) {
  try {
    throw_failure(packed);
  } catch (...) {
    return std::current_exception();
  }
}

std::exception_ptr death_of(std::string_view worker, const WorkerEnd& end, const TaskUnit& at) {
  const std::size_t last = at.first + at.count - 1;
  return std::make_exception_ptr(WorkerDied(
      fmt::format("{} (pid {}) ended with {} while it ran {}", worker, end.pid,
                  describe_ending(static_cast<int>(end.exit_code)),
                  at.first == last ? fmt::format("task {}", at.first)
                                   : fmt::format("tasks {} to {}", at.first, last))));
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
  std::optional<Unit> unit;
  try {
    const std::lock_guard hold(mutex_);
    unit = settle_ticket(ticket);
    if (!unit || !unit->job) return;
    if (kind == ResultKind::not_begun) return pending_.push_front(std::move(*unit));
    if (kind == ResultKind::done && !unit->results.empty()) unit->results += in.rest();
  } catch (const std::exception&) {
    return lose(*unit, std::current_exception());
  }
  if (kind == ResultKind::failed) return lose(*unit, failure_in(in.rest()));
  deliver(*unit, unit->results.empty() ? in.rest() : std::string_view(unit->results));
}

// Until the last part is here the task may still be lost, and be run again.
void Dispatcher::keep_part(Ticket ticket, std::string_view results) {
  std::optional<Unit> too_large;
  std::exception_ptr why;
  {
    const std::lock_guard hold(mutex_);
    const auto found = sent_.find(ticket);
    if (found == sent_.end() || !found->second.job) return;
    try {
      found->second.results += results;
      return;
    } catch (const std::exception&) {
      why = std::current_exception();
      too_large = settle_ticket(ticket);
    }
  }
  lose(*too_large, why);
}

void Dispatcher::deliver(const Unit& unit, std::string_view results) {
  settle([&] { settled(unit.job, unit.job->deliver(unit.unit, results)); });
}

void Dispatcher::lose(const Unit& unit, const std::exception_ptr& why) {
  settle([&] { settled(unit.job, unit.job->lose(unit.unit, why)); });
  const std::lock_guard hold(mutex_);
  changed_.notify_all();
}

// A task has come to its end, even if there is no memory to tell so.
template <class Tell>
void Dispatcher::settle(Tell tell) {
  const auto count_off = [this] {
    const std::lock_guard hold(mutex_);
    --unsettled_;
    leave_when_done();
  };
  try {
    tell();
  } catch (...) {
    count_off();
    throw;
  }
  count_off();
}

void Dispatcher::lose(const std::vector<Losses>& losses) {
  for (const Losses& each : losses) {
    for (const Unit& unit : each.units) lose(unit, each.why);
  }
}

void Dispatcher::settled(const JobPtr& job, bool last) {
  if (!last) return tell_progress(job);
  const auto finish = [this, job] {
    job->finish();
    const std::lock_guard hold(mutex_);
    changed_.notify_all();
  };
  if (!tells(*job)) return finish();
  try {
    run_later([this, job, finish] {
      const std::size_t total = job->progress().total.value_or(0);
      if (total > 0) core::run_callback([&] { plan_.on_progress(total, total); });
      finish();
    });
  } catch (const std::bad_alloc&) {
    finish();  // without the news
  }
}

// Of what was cancelled there is no progress.
bool Dispatcher::tells(const Job& job) const {
  return plan_.on_progress && job.tells == Job::Tells::progress && !job.cancelled();
}

// The latest news only: calls that the pool's thread has not come round to are left out.
void Dispatcher::tell_progress(const JobPtr& job) {
  if (!tells(*job) || !job->tell_progress()) return;
  try {
    run_later([this, job] {
      job->told_progress();
      const Job::Settled now = job->progress();
      if (!now.total || now.calls == *now.total) return;  // the last is told by whoever finishes
      core::run_callback([&] { plan_.on_progress(now.calls, *now.total); });
    });
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
    if (at == Board::kIdle || at == Board::kReady || at == Board::kStarting) return;
    std::string body;
    append_bytes(body, WorkerEnd{at, pid, exit_code});
    body += name;
    tell_workers_end(ResultKind::worker_ended, body);
  } catch (...) {
    // No memory to tell that its task is lost. Before there are tasks nothing is.
    if (workforce_) break_by(std::current_exception());
  }
}

void Dispatcher::no_more_workers(std::exception_ptr why) {
  try {
    std::string failure;
    try {
      std::rethrow_exception(why);
    } catch (...) {
      failure = pack_failure(current_failure());
    }
    tell_workers_end(ResultKind::no_worker, failure);
  } catch (...) {
    break_by(why);
  }
}

// Behind everything that workers which have ended put themselves.
void Dispatcher::tell_workers_end(ResultKind kind, std::string_view body) {
  std::string message;
  append_bytes(message, ResultHeader{});
  message += body;
  results_->put(shm::bytes_of(message), static_cast<std::uint32_t>(kind), std::nullopt);
}

void Dispatcher::lost_worker(MessageReader message) {
  const auto end = message.number<WorkerEnd>();
  const bool begun = (end.at & Board::kNotBegun) == 0;
  std::optional<Unit> unit;
  std::exception_ptr why;
  try {
    const std::lock_guard hold(mutex_);
    unit = settle_ticket(end.at & ~Board::kNotBegun);
    if (!unit || !unit->job) return;
    unit->results.clear();
    if (!begun || unit->unit.deaths++ < plan_.retries) {
      return pending_.push_front(std::move(*unit));
    }
    why = death_of(message.rest(), end, unit->unit);
  } catch (const std::exception&) {
    why = std::current_exception();
  }
  lose(*unit, why);
}

}  // namespace steward::process
