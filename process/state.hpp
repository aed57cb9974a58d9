// The one process-wide object of this room: who this process is, which process servers it uses, and
// which processes it has started. Made on first use and leaked at exit; a forked child gets a new
// one.
//
// Thread safety: any thread may call any function.
#pragma once

#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include <steward/process/child.hpp>
#include <steward/process/environment.hpp>
#include <steward/process/info.hpp>
#include <steward/process/process_server.hpp>
#include <steward/process/start_method.hpp>

namespace steward::detail::process {

// Other threads of the program, when it is copied.
enum class Threads { none, any };

// Throws BadCall if processes cannot be spawned from here.
void check_spawn();

// The numbers of the open files that PassedFds of this process stand for, what becomes of each in a
// copy of this process that plain fork() made, and whether such a copy may have it.
enum class InCopies { stays, closed };
struct HeldFile {
  InCopies in_copies = InCopies::stays;
  bool shared = false;
};
using HeldFiles = std::unordered_map<std::atomic<int>*, HeldFile>;

// While it lives, the copies of this process that this thread forks do not share its files: each
// calls ProcessState::lose_held_files() or executes another program. Use on one thread.
class CopiesLoseFiles {
 public:
  CopiesLoseFiles();
  CopiesLoseFiles(const CopiesLoseFiles&) = delete;
  CopiesLoseFiles& operator=(const CopiesLoseFiles&) = delete;
  ~CopiesLoseFiles();
};

class ProcessState {
 public:
  // Of this process.
  static ProcessState& get();
  ProcessState(const ProcessState&) = delete;
  ProcessState& operator=(const ProcessState&) = delete;

  Identity identity();
  // The numbers of the next Process that is made here: "3" in the main process, "1:3" in its first
  // child.
  std::string next_numbers();

  // How many Process objects were made here. A new process that makes its own Process object (see
  // NumbersKept) sets this back, so that the next one gets its number.
  int processes_made();
  void set_processes_made(int count);

  // nullptr as long as there is none.
  std::shared_ptr<const Link> fork_server();
  // Starts the fork server if there is none. Throws BadCall if there are other threads, or were
  // when it was started, and none are allowed.
  std::shared_ptr<const Link> ensure_fork_server(Threads allowed);
  // Starts the spawn server if there is none, or it has died, in this environment (nullptr: that of
  // this process now). Throws BadCall without child_entry().
  std::shared_ptr<const Link> ensure_spawn_server(const Environment* environment);
  // Whether processes are spawned if no method was chosen: when the first one was to be made,
  // there were other threads, or the fork server had been started beside some, and child_entry()
  // had been called.
  bool spawns_for_want_of_better();

  // Notes that child_entry() was called, in a program with this argv[0].
  void enter(std::string program);
  std::optional<std::string> program();

  std::optional<StartMethod> default_method();
  void set_default_method(std::optional<StartMethod> method);

  // What a process is told at its birth; `link` to the process server that made it, if that makes
  // more.
  void become(Identity identity, std::optional<StartMethod> default_method,
              std::shared_ptr<Link> link);

  // The processes that run here as `Process`es: for active_children() and for the end.
  struct Started {
    ProcessInfo info;
    std::shared_ptr<const Child> child;
  };
  using StartedList = std::list<Started>;
  // `one` was made before its process, so that nothing is left to fail.
  void add(StartedList one) noexcept;
  void remove(const Child* child);
  std::vector<ProcessInfo> active_children();

  // Runs `use(HeldFiles&)` under the lock that fork takes: no copy of this process has a file that
  // it does not know.
  template <class F>
  void with_held(F&& use) {
    const std::lock_guard hold(mutex_);
    use(held_);
  }
  // False in a copy of this process that was made without fork handlers, by a system call: whatever
  // it has is its parent's.
  bool is_this_process() const noexcept { return process_ == ::getpid(); }
  // Under that lock, too: nothing that is forked meanwhile has a copy that it does not know.
  void close_held(std::atomic<int>& number) noexcept;
  // Called in a forked copy: closes the files that it was not given.
  void lose_held_files();

  // At the end of this process: terminates the daemons among its processes, awaits the others.
  // What cannot be done is said on standard error. Then, where that is the end of all, as in a
  // forked process, what at_end() was given.
  void settle() noexcept;

  // What exit() does last in this process: behind its handlers, the destructors of static objects
  // and the end of its processes. There is one. A forked child asks for it itself: what is still
  // to be done at the fork is its parent's.
  using AtEnd = void (*)() noexcept;
  void at_end(AtEnd what) noexcept { at_end_ = what; }
  // Does that, if there is something to be done.
  static void end() noexcept;

 private:
  ProcessState() = default;
  static void before_fork();
  static void after_fork_in_parent();
  static void after_fork_in_child();
  void settle_processes() noexcept;

  const pid_t process_ = ::getpid();

  std::mutex starting_;  // held while a process server is started; taken before mutex_
  std::mutex mutex_;     // held across every fork, so that the child finds the rest whole
  Identity identity_;
  std::optional<std::string> program_;
  std::optional<StartMethod> default_method_;
  std::shared_ptr<Link> fork_server_;
  int beside_fork_server_ = 0;  // threads when that was made; guarded by starting_
  std::shared_ptr<Link> spawn_server_;
  bool spawns_ = false;
  StartedList started_;
  friend CopiesLoseFiles;
  HeldFiles held_;
  std::vector<std::thread::id> lose_files_;  // those whose copies do
  std::atomic<AtEnd> at_end_ = nullptr;
  int processes_made_ = 0;

  ProcessState* parent_ =
      nullptr;  // of a forked child: never touched; kept so that leak checkers see it

  static std::atomic<ProcessState*> current;
};

}  // namespace steward::detail::process
