// TaskBooks: which tasks a pool has, and where each is: it waits, or the workers have it, or it is
// held back while its job has enough that nobody takes, or it is lost and somebody is still to be
// told. Only a new task and a new ticket need memory; what is in
// the books moves on whatever fails, so that no task is forgotten.
#pragma once

#include <cstddef>
#include <exception>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

#include <steward/pool/job.hpp>

namespace steward::detail::pool {

struct PoolTask {
  std::shared_ptr<Job> job;
  TaskUnit unit;
  std::size_t bytes = 0;    // of its arguments
  std::string results{};    // those that came in parts; the last is not here yet
  Ticket ticket = 0;        // 0: it waits, or is held back
  bool held_back = false;
  std::exception_ptr why{};  // it is lost
  std::list<PoolTasks::iterator>::iterator in_job{};
};

// Thread safety: one thread at a time, also for all functions of the jobs' in_books.
class TaskBooks {
 public:
  // Throws std::bad_alloc; then there is no such task.
  enum class Place { waiting, held_back };
  void add(std::shared_ptr<Job> job, TaskUnit unit, Place place = Place::waiting);

  // ---- Tasks that are held back ----

  // The first of the job waits from now on, behind all others. REQUIRES: job.holds_back()
  void let_go(Job& job) noexcept;
  void let_all_go() noexcept;

  // ---- Tasks that wait, in their order ----

  bool somebody_waits() const { return !waiting_.empty(); }
  PoolTask& first() { return waiting_.front(); }
  void lose_first(const std::exception_ptr& why) noexcept { lose(waiting_, waiting_.begin(), why); }
  // `put()` gives the first to the workers, under this ticket. Where it returns false or throws it
  // did not, and the task waits on.
  template <class Put>
  bool send_first(Ticket ticket, Put&& put);

  // ---- Tasks that the workers have. An unknown ticket belongs to a task that is settled. ----

  std::size_t sent() const { return sent_.size(); }
  std::size_t sent_bytes() const { return sent_bytes_; }
  // nullptr: nobody knows the ticket, or nobody wants the task any more.
  PoolTask* find(Ticket ticket) noexcept;
  // Takes the task of this ticket out of the books. The list has one task, or none if find()
  // returns nullptr.
  PoolTasks take(Ticket ticket) noexcept;
  void send_again(Ticket ticket) noexcept;  // before all others
  void lose(Ticket ticket, const std::exception_ptr& why) noexcept;
  // The workers will not answer any more: forgets what they have. REQUIRES: lose_all(why) was
  // called.
  void forget_sent() noexcept;

  // ---- Lost tasks. What the workers have stays counted until they answer. ----

  void lose_all(
      Job& job,
      const std::exception_ptr& why) noexcept;  // the time grows with the number of the job's tasks
  void lose_all(const std::exception_ptr& why) noexcept;
  bool somebody_is_lost() const { return !lost_.empty(); }
  const PoolTasks& lost() const { return lost_; }
  // Out of the books: the first, or none.
  PoolTasks take_lost() noexcept;

 private:
  struct Sent {
    std::optional<PoolTasks::iterator> task;  // empty: nobody wants it any more
    std::size_t bytes = 0;
  };

  std::optional<PoolTasks::iterator> settle(Ticket ticket) noexcept;
  void lose(PoolTasks& from, PoolTasks::iterator task, const std::exception_ptr& why) noexcept;
  void lose_wherever(PoolTasks::iterator task, const std::exception_ptr& why) noexcept;
  void leave_job(PoolTask& task) noexcept;

  PoolTasks waiting_;
  PoolTasks held_back_;  // of all jobs; the order of one is in its in_books
  PoolTasks with_workers_;
  PoolTasks lost_;
  std::unordered_map<Ticket, Sent> sent_;
  std::size_t sent_bytes_ = 0;
};

template <class Put>
bool TaskBooks::send_first(Ticket ticket, Put&& put) {
  const auto entry = sent_.try_emplace(ticket).first;  // nothing may fail once it is put
  bool done = false;
  try {
    done = put();
  } catch (...) {
    sent_.erase(entry);
    throw;
  }
  if (!done) {
    sent_.erase(entry);
    return false;
  }
  const auto task = waiting_.begin();
  task->ticket = ticket;
  sent_bytes_ += task->bytes;
  entry->second = {task, task->bytes};
  with_workers_.splice(with_workers_.end(), waiting_, task);
  return true;
}

}  // namespace steward::detail::pool
