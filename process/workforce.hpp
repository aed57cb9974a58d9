// Workforce: the processes of a pool. Starts them, learns of their ends, and puts others in their
// places.
#pragma once

#include <cstddef>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <sys/types.h>

#include <steward/process/board.hpp>
#include <steward/process/child.hpp>
#include <steward/process/start_method.hpp>
#include <steward/process/task.hpp>
#include <steward/shm/unique_fd.hpp>

namespace steward::process {

// What all workers of a pool are started with.
struct WorkerPlan {
  std::size_t count = 1;
  std::size_t tasks_max = 0;  // after so many a worker ends, and another comes; 0: never
  Task initializer;
  std::optional<StartMethod> method;
};

// Owns the processes and a thread that watches them. Thread safety: any thread.
class Workforce {
 public:
  // Hears, on that thread, what happens. Outlives this.
  class Owner {
   public:
    // What this worker was at when it ended: a ticket, or as Board says.
    virtual void worker_ended(const std::string& name, pid_t pid, int exit_code, Ticket at) = 0;
    // No worker can be put in its place, nor in that of any other.
    virtual void no_more_workers(std::exception_ptr why) = 0;

   protected:
    ~Owner() = default;
  };

  // The files are for the workers: see worker.hpp. Throws what kept a worker from coming up.
  Workforce(WorkerPlan plan, Board& board, std::vector<int> files, Owner& owner);
  Workforce(const Workforce&) = delete;
  Workforce& operator=(const Workforce&) = delete;
  ~Workforce();  // kills and joins

  std::vector<pid_t> pids() const;

  // From now on nobody is put in the place of a worker that ends.
  void retire();
  // Ends the workers, whatever they are at: SIGTERM, then SIGKILL.
  void kill();
  // Waits until all have ended. REQUIRES: retire() or kill() was called.
  void join();

 private:
  struct Seat {
    std::string name;
    std::shared_ptr<const Child> child;  // nullptr: nobody
  };

  void start(std::size_t seat);
  void watch();
  void look_after(std::size_t seat);
  bool over() const;
  void ring() const;

  const WorkerPlan plan_;
  Board& board_;
  const std::vector<int> files_;
  Owner& owner_;
  shm::UniqueFd bell_;  // an eventfd: the watching thread is to look at the rest again
  int early_deaths_ = 0;  // one after the other; of the watching thread

  mutable std::mutex mutex_;
  std::vector<Seat> seats_;
  bool retired_ = false;

  std::mutex joining_;
  std::thread watcher_;
};

}  // namespace steward::process
