// The one process-wide object of this room: who this process is, which fork server it uses, and
// which processes it has started. Made on first use and leaked at exit; a forked child gets a new
// one.
//
// Thread safety: any thread may call any function.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_set>
#include <vector>

#include <steward/process/child.hpp>
#include <steward/process/fork_server.hpp>
#include <steward/process/info.hpp>

namespace steward::process {

// The numbers of the open files that PassedFds of this process stand for.
using HeldFiles = std::unordered_set<std::atomic<int>*>;

class State {
 public:
  // Of this process.
  static State& get();
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  Identity identity();
  // The numbers of the next Process that is made here: "3" in the main process, "1:3" in its first
  // child.
  std::string next_numbers();

  // nullptr as long as there is none.
  std::shared_ptr<const Link> link();
  // Starts the fork server if there is none. Throws BadCall if that needs a program with one thread
  // and this one has more.
  std::shared_ptr<const Link> ensure_link(bool whatever_threads);

  // What a process is told at its birth.
  void become(Identity identity, std::shared_ptr<Link> link);

  // The processes that run here as `Process`es: for active_children() and for the end.
  struct Started {
    ProcessInfo info;
    std::shared_ptr<const Child> child;
  };
  void add(Started started);
  void remove(const Child* child);
  std::vector<ProcessInfo> active_children();

  // Runs `use(HeldFiles&)` under the lock that fork takes: no copy of this process has a file that
  // it does not know.
  template <class F>
  void with_held(F&& use) {
    const std::lock_guard hold(mutex_);
    use(held_);
  }
  // In a forked copy that was not given the files: closes them.
  void lose_held_files();

  // At the end of this process: terminates the daemons among its processes, awaits the others.
  void settle();

 private:
  State() = default;
  static void before_fork();
  static void after_fork_in_parent();
  static void after_fork_in_child();

  std::mutex starting_;  // held while the fork server is started; taken before mutex_
  std::mutex mutex_;     // held across every fork, so that the child finds the rest whole
  Identity identity_;
  std::shared_ptr<Link> link_;
  std::vector<Started> started_;
  HeldFiles held_;
  int processes_made_ = 0;

  State* parent_ = nullptr;  // of a forked child: never touched, but no leak either

  static std::atomic<State*> current;
};

}  // namespace steward::process
