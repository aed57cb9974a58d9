#include <steward/pool/task_books.hpp>

#include <utility>

namespace steward::detail::pool {

namespace {

void count_in(const PoolTask& task) noexcept {
  Job::UnderWay& under_way = task.job->under_way;
  ++under_way.tasks;
  under_way.calls += task.unit.count;
}

}  // namespace

void TaskBooks::add(std::shared_ptr<Job> job, TaskUnit unit, Place place) {
  PoolTasks added(1);
  PoolTask& task = added.front();
  task.in_job = job->in_books.insert(job->in_books.end(), added.begin());
  task.bytes = unit.arguments.size();
  task.job = std::move(job);
  task.unit = std::move(unit);
  if (place == Place::waiting) {
    count_in(task);
    waiting_.splice(waiting_.end(), added);
    return;
  }
  task.held_back = true;
  if (!task.job->holds_back()) task.job->first_held_back = task.in_job;
  task.job->note_held_back(true);
  held_back_.splice(held_back_.end(), added);
}

void TaskBooks::let_go(Job& job) noexcept {
  const PoolTasks::iterator task = *job.first_held_back;
  job.note_held_back(++job.first_held_back != job.in_books.end());
  task->held_back = false;
  count_in(*task);
  waiting_.splice(waiting_.end(), held_back_, task);
}

void TaskBooks::let_all_go() noexcept {
  while (!held_back_.empty()) let_go(*held_back_.front().job);
}

// It is on its way out of the books.
void TaskBooks::leave_job(PoolTask& task) noexcept {
  Job& job = *task.job;
  if (!task.held_back) {
    --job.under_way.tasks;
    job.under_way.calls -= task.unit.count;
  } else if (job.first_held_back == task.in_job) {
    ++job.first_held_back;
  }
  job.in_books.erase(task.in_job);
  if (task.held_back) job.note_held_back(job.first_held_back != job.in_books.end());
}

PoolTask* TaskBooks::find(Ticket ticket) noexcept {
  const auto found = sent_.find(ticket);
  if (found == sent_.end() || !found->second.task) return nullptr;
  return &**found->second.task;
}

// The workers do not have it any more. Who had it is still where it was.
std::optional<PoolTasks::iterator> TaskBooks::settle(Ticket ticket) noexcept {
  const auto found = sent_.find(ticket);
  if (found == sent_.end()) return std::nullopt;
  const Sent was = found->second;
  sent_.erase(found);
  sent_bytes_ -= was.bytes;
  if (was.task) (*was.task)->ticket = 0;
  return was.task;
}

PoolTasks TaskBooks::take(Ticket ticket) noexcept {
  PoolTasks taken;
  if (const auto task = settle(ticket)) {
    leave_job(**task);
    taken.splice(taken.end(), with_workers_, *task);
  }
  return taken;
}

void TaskBooks::send_again(Ticket ticket) noexcept {
  if (const auto task = settle(ticket)) waiting_.splice(waiting_.begin(), with_workers_, *task);
}

void TaskBooks::lose(Ticket ticket, const std::exception_ptr& why) noexcept {
  if (const auto task = settle(ticket)) lose(with_workers_, *task, why);
}

void TaskBooks::forget_sent() noexcept {
  sent_.clear();
  sent_bytes_ = 0;
}

void TaskBooks::lose_all(Job& job, const std::exception_ptr& why) noexcept {
  while (!job.in_books.empty()) lose_wherever(job.in_books.front(), why);
}

void TaskBooks::lose_all(const std::exception_ptr& why) noexcept {
  while (!with_workers_.empty()) lose_wherever(with_workers_.begin(), why);
  while (!waiting_.empty()) lose_first(why);
  while (!held_back_.empty()) lose_wherever(held_back_.begin(), why);
}

void TaskBooks::lose_wherever(PoolTasks::iterator task, const std::exception_ptr& why) noexcept {
  if (task->held_back) return lose(held_back_, task, why);
  if (task->ticket == 0) return lose(waiting_, task, why);
  sent_.find(task->ticket)->second.task.reset();
  lose(with_workers_, task, why);
}

void TaskBooks::lose(PoolTasks& from, PoolTasks::iterator task,
                     const std::exception_ptr& why) noexcept {
  leave_job(*task);
  task->why = why;
  lost_.splice(lost_.end(), from, task);
}

PoolTasks TaskBooks::take_lost() noexcept {
  PoolTasks taken;
  if (!lost_.empty()) taken.splice(taken.end(), lost_, lost_.begin());
  return taken;
}

}  // namespace steward::detail::pool
