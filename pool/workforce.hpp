// Workforce: the processes of a pool. Starts them, learns of their ends, and puts others in their
// places, when RestartPolicy says.
#pragma once

#include <cstddef>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <poll.h>
#include <sys/types.h>

#include <steward/pool/worker_table.hpp>
#include <steward/process/child.hpp>
#include <steward/process/environment.hpp>
#include <steward/pool/restart_policy.hpp>
#include <steward/process/start_method.hpp>
#include <steward/pool/task.hpp>
#include <steward/shm/unique_fd.hpp>

namespace steward::detail::pool {

// What all workers of a pool are started with.
struct WorkerPlan {
  std::size_t count = 1;
  std::size_t tasks_max = 0;  // after so many a worker ends, and another comes; 0: never
  Task initializer;
  std::optional<StartMethod> method;
  RestartPolicy restarts{};
};

// Owns the processes and a thread that watches them. Thread safety: any thread.
class Workforce {
 public:
  // Is told what happens, on that thread. Must outlive the Workforce.
  class Owner {
   public:
    // `at`: what its slot of the worker table said when it ended, a ticket or one of WorkerTable's
    // constants.
    virtual void worker_ended(const std::string& name, pid_t pid, int exit_code, Ticket at) = 0;
    // No worker can be put in its place, nor in that of any other.
    virtual void no_more_workers(std::exception_ptr why) = 0;

   protected:
    ~Owner() = default;
  };

  // The files are for the workers: see worker.hpp. All workers, also those that come later, get the
  // environment of this moment. No worker runs before start(), and the owner is not called. Throws
  // SystemError.
  Workforce(WorkerPlan plan, WorkerTable& table, std::vector<int> files, Owner& owner);
  Workforce(const Workforce&) = delete;
  Workforce& operator=(const Workforce&) = delete;
  ~Workforce();  // kills and joins

  // Once. Throws what kept a worker from coming up; then all have ended.
  void start();

  std::vector<pid_t> pids() const;

  // From now on workers that end are not replaced.
  void retire();
  // Ends the workers, whatever they are at: SIGTERM, then SIGKILL. One that does not end by that is
  // let go: it may not be sent signals any more, since the program has dropped its privileges, say.
  // It ends with the program.
  void kill() noexcept;
  // Waits until all have ended. REQUIRES: retire() or kill() was called.
  void join();

 private:
  struct Slot {
    std::string name;
    std::shared_ptr<const process::Child> child;  // nullptr: nobody
    std::optional<core::Time> due;       // then somebody is to be started here
  };

  // ---- Of the watching thread, but for the first start and where that has failed ----
  // Which thread starts a worker: one of the program's, which makes the pool, or the watching one.
  enum class By { program, watcher };
  void start(std::size_t slot, By by);
  void start_first(std::size_t slot);
  void watch() noexcept;
  void watch_until_over();
  void await_ends();
  void look_after(std::size_t slot, core::Time patience);
  void replace(std::size_t slot, Ticket at, int exit_code);
  bool start_later(std::size_t slot, EarlyEnd why);
  void start_at(std::size_t slot, core::Time due);
  void start_due();
  void start_again(std::size_t slot);
  void give_up(std::exception_ptr why);
  std::exception_ptr too_many(int exit_code) const;
  bool somebody_is_ready() const;

  std::shared_ptr<const process::Child> child_at(std::size_t slot) const;
  void await_all(core::Time deadline) const noexcept;
  void let_go(std::size_t slot);
  bool over() const;
  bool retired() const;
  core::Time patience() const;

  const WorkerPlan plan_;
  const process::Environment environment_ = process::current_environment();
  WorkerTable& table_;
  const std::vector<int> files_;
  Owner& owner_;
  shm::UniqueFd notifier_;  // an eventfd: the watching thread is to look at the rest again
  shm::UniqueFd end_;   // an eventfd: readable once kill() was called
  RestartPolicy restarts_;       // of the watching thread
  std::vector<pollfd> entries_;  // likewise: those of the slots, then the notifier

  mutable std::mutex mutex_;
  std::vector<Slot> slots_;
  bool retired_ = false;
  std::optional<core::Time> killed_;  // until then their ends are awaited

  std::mutex joining_;
  std::thread watcher_;
};

}  // namespace steward::detail::pool
