// Dispatcher: sends the tasks of a pool to its workers and hands out what comes back. TaskBooks
// says which tasks there are and where each of them is.
//
// Tasks leave through one ring in shared memory and results come back through another. Results are
// read by one thread at a time, which leads: one that waits for some, so that it need not be woken
// for them, or else the pool's own. A worker that dies is a message in the same ring, put there by
// whoever watches the workers, behind all results of that worker. So at that message it is certain
// which task it had and did not finish: the one whose ticket stands in its slot of the worker
// table, if that task is still in the books.
//
// Every sending of a task has a ticket of its own. What concerns a ticket that is no longer in the
// books is past: a result that came after its job was cancelled, a death after the result.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <sys/types.h>
#include <unistd.h>

#include <steward/core/clock.hpp>
#include <steward/core/future_state.hpp>
#include <steward/pool/worker_table.hpp>
#include <steward/pool/job.hpp>
#include <steward/pool/messages.hpp>
#include <steward/pool/rings.hpp>
#include <steward/pool/task_books.hpp>
#include <steward/pool/workforce.hpp>

namespace steward::detail::pool {

// Thread safety: any thread may call any function. Owns the rings, the processes and a thread: in a
// child of a plain fork() they are the parent's, assist() and cancel() throw BadCall, and the last
// user leaves the object as it is.
class Dispatcher final : public std::enable_shared_from_this<Dispatcher>,
                         private Workforce::Owner {
 public:
  using JobPtr = std::shared_ptr<Job>;

  struct Plan {
    WorkerPlan workers;
    int retries = 0;  // a task outlives so many workers
    Job::Progress on_progress;
  };

  // Throws what kept the workers from coming up.
  explicit Dispatcher(Plan plan);
  Dispatcher(Plan plan, PoolRings rings);  // through these rings, as make_rings() makes them
  // A Dispatcher that is destroyed with its last user in the process that made it. In a copy of
  // that process by fork() nothing is destroyed.
  static std::shared_ptr<Dispatcher> make(Plan plan);
  ~Dispatcher();  // shut_down()
  Dispatcher(const Dispatcher&) = delete;
  Dispatcher& operator=(const Dispatcher&) = delete;

  // Throws BadCall in a process that has not made it, in the name of the Pool's method (nullptr: of
  // none).
  void require_process(const char* method = nullptr) const;

  std::size_t workers() const { return plan_.workers.count; }
  bool tells_progress() const { return plan_.on_progress != nullptr; }
  std::vector<pid_t> pids() const { return workforce_.pids(); }

  // Throws Closed, in the name of the method, or what the pool is broken by.
  JobPtr open(const char* method, std::string call, std::unique_ptr<Collector> collector,
              Job::Tells tells);
  // How many bytes the arguments of one task of this job may have.
  std::size_t task_bytes_max(const Job& job) const;
  // Sends it to the workers, soon, or if the job wants no more just now (Job::wants_more), once
  // enough has been taken. Throws std::bad_alloc; then there is no such task.
  void add(const JobPtr& job, TaskUnit unit);
  // No task follows; the job has `total` calls. `next`: whether the caller is about to wait for the
  // results; then the pool's thread is not woken for them.
  enum class Next { somebody_waits, nobody_waits };
  void complete(const JobPtr& job, std::size_t total, Next next);
  // Results have been taken: sends what was held back for that.
  void send_held_back(Job& job);
  // Its calls that have no result yet fail with a BadCall with this text. The time grows with the
  // number of the job's tasks.
  void cancel(Job& job, const char* why);

  // As Executor::assist, wake and run_later.
  void assist(const std::function<bool()>& done, core::Deadline deadline);
  void wake() noexcept;
  void run_later(core::LaterList next) noexcept;

  // No more jobs; the workers leave when there are no tasks.
  void close();
  bool closed() const;
  // Until the last worker has left; nothing is held back any more. REQUIRES: closed()
  void join();
  // Whatever has no result fails with Closed; the workers are ended.
  void terminate(const char* why) noexcept;
  // terminate(), and the end of all threads here; nothing in another process than its creator's. In
  // a callback of its own, which runs on the pool's thread, that thread ends with the callback, and
  // keeps this object until then.
  void shut_down(const char* why) noexcept;

 private:
  using Lock = std::unique_lock<std::mutex>;
  using Queue = shm::SharedQueue;
  class Unlocked;
  class Helping;
  class OnPoolsThread;
  class Leading;

  static void destroy(Dispatcher* dispatcher);

  // ---- Called by the Workforce's thread ----
  void worker_ended(const std::string& name, pid_t pid, int exit_code, Ticket at) override;
  void no_more_workers(std::exception_ptr why) override;

  // ---- Under mutex_ ----
  void check_open(const char* method) const;
  // What cannot be sent is lost: to be followed by tell_lost(), before this thread waits or leaves.
  void send_waiting();
  bool send_first();
  bool may_send(const Job& job) const { return awaited_ || job.wants_more(workers()); }
  void let_go(Job& job);
  void leave_when_done() noexcept;
  void close_tasks() noexcept;
  void lead(Lock& lock, core::Deadline deadline);
  void run_next(Lock& lock);
  void run_until_stopped(Lock& lock);
  void fail(const std::exception_ptr& why) noexcept;
  void tell_lost(Lock& lock) noexcept;
  // Something may come back from the workers, or somebody is to be told of a loss.
  bool busy() const { return unsettled_ > 0 || books_.sent() > 0; }
  bool on_pools_thread() const { return std::this_thread::get_id() == pools_thread_; }

  // ---- Without ----
  void receive(core::Deadline deadline) noexcept;
  void handle(ResultKind kind, std::string_view message);
  void keep_part(Ticket ticket, std::string_view results);
  void lost_worker(MessageReader message);
  void tell_workers_end(ResultKind kind, std::string_view body);
  void deliver(const PoolTask& task, std::string_view results) noexcept;
  void lose(const PoolTask& task, const std::exception_ptr& why) noexcept;
  void settled(const JobPtr& job, bool last) noexcept;
  void count_off(Job& job);
  void finish(const JobPtr& job) noexcept;
  bool tells(const Job& job) const;
  void tell_progress(const JobPtr& job) noexcept;
  void fail_all(const std::exception_ptr& why) noexcept;
  void look_again() noexcept;
  void run();

  const pid_t creator_ = ::getpid();
  const Plan plan_;
  WorkerTable table_;
  const std::unique_ptr<Queue> tasks_;
  const std::unique_ptr<Queue> results_;
  const std::size_t window_;  // at most so many tasks are with the workers

  mutable std::mutex mutex_;
  std::condition_variable changed_;     // for those who wait for results
  std::condition_variable background_;  // for the pool's thread
  bool led_ = false;  // some thread reads the results, for all
  bool pools_thread_leads_ = false;
  std::size_t assisting_ = 0;  // threads in assist()
  TaskBooks books_;
  std::size_t unsettled_ = 0;  // tasks whose results somebody waits for
  Ticket tickets_ = 0;
  JobNumber jobs_ = 0;
  core::LaterList later_;
  bool closed_ = false;
  bool awaited_ = false;  // somebody waits for all that there is: nothing is held back
  bool tasks_closed_ = false;
  bool workers_are_deaf_ = false;  // the ring of tasks is damaged: workers may not learn that they
                                   // are to leave, so join() kills them
  bool stopping_ = false;
  bool stopped_ = false;
  std::exception_ptr broken_;
  std::thread::id pools_thread_;

  Workforce workforce_;  // tells of its ends as soon as it is started, and uses all of the above
  std::thread thread_;
  std::shared_ptr<Dispatcher> until_thread_ends_;  // itself
};

// Nobody wants the results any more.
void give_up(Dispatcher& dispatcher, Job& job) noexcept;

// The executor of the futures of one job: connects a future with the dispatcher and its job.
class JobExecutor final : public core::Executor {
 public:
  explicit JobExecutor(std::shared_ptr<Dispatcher> dispatcher)
      : dispatcher_(std::move(dispatcher)) {}
  void stands_for(const std::shared_ptr<Job>& job) { job_ = job; }

  void assist(const std::function<bool()>& done, core::Deadline deadline) override {
    dispatcher_->assist(done, deadline);
  }
  void wake() noexcept override { dispatcher_->wake(); }
  void run_later(core::LaterList next) noexcept override {
    dispatcher_->run_later(std::move(next));
  }
  void cancel() override;
  void require_process() const override { dispatcher_->require_process(); }

 private:
  std::shared_ptr<Dispatcher> dispatcher_;
  std::weak_ptr<Job> job_;
};

}  // namespace steward::detail::pool
