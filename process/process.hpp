// Process: runs a function of this program in another process.
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <sys/types.h>

#include <steward/core/clock.hpp>
#include <steward/process/callable.hpp>
#include <steward/process/info.hpp>
#include <steward/process/start_method.hpp>

namespace steward {

namespace detail::process {
class Child;
}

struct ProcessOptions {
  std::string name{};   // empty: "Process-1", "Process-2", ...; in Process-1 "Process-1:1", ...
  bool daemon =
      false;  // may have no processes of its own, and is terminated when its starter exits
  std::optional<StartMethod> start_method{};  // empty: that of set_start_method()
};

// A function call in a process of its own: Process child(work, numbers, 5); child.start();
//
// The target is a function, a captureless lambda or a packable function object, the arguments are
// proxies, ends of pipes and whatever else can be packed. They are converted to the target's
// parameters at once, copied to the process at start(), and kept here until it has them. What the
// target returns is dropped; an exception that leaves it is written to standard error and makes the
// exit code 1.
//
// With StartMethod::fork among the options the target may be any function object. The process has
// its captures as they were at start(), descriptors included. Proxies among them get references of
// their own when they are first used there; until the process ends, the target is kept here for
// them, unless it can only be moved.
//
// Instead of a target there may be a subclass that overrides run(). It is forked, so that its
// members go along; for one that can be started by every method see ProcessOf.
//
// Globals have in the process the values that they had when the program's first Manager, Process or
// Pool was made (the fork server is a copy of the program as it was then), and, if they are
// spawned, those of a fresh program. What has changed since must be passed as an argument; or set
// it before that first one, or use StartMethod::fork, which copies the program as it stands.
//
// The process has at start() this one's environment, working directory, standard descriptors, user,
// groups, capabilities, umask, resource limits, niceness and CPU affinity; default signals (but
// SIGHUP stays ignored if it is here: nohup) and no other descriptors (forked: also those of this
// process, but none of a pipe whose end it was not given). start() is refused, but for
// StartMethod::fork, if this process has entered another namespace than it was in at its first
// Manager, Process or Pool, or if it is not root and has capabilities that are not ambient, or
// real, effective and saved ids that differ. Ctrl-C ends it: see docs/signals.md. std::exit() in it
// runs the handlers and destructors registered there, not those of the program it was forked from;
// of C streams only standard output and error are flushed. Spawned it ends as any program does. It
// is killed if this process dies.
//
// A resource: only moves. The destructor waits for the process to end (a daemon is terminated
// first); at exit the same is done for what no destructor reached. While an exception unwinds past
// it, it waits 5 s at most; then it terminates the process, kills it after 1 s more, and says so on
// standard error: a process may wait for what is no longer to come. The destructor never throws: a
// process that cannot be ended goes on until this program ends, and that is said there, too. In a
// process that did not create the object its destructor does nothing and every other function
// throws BadCall.
//
// Thread safety: join, is_alive, exitcode, terminate and kill may be called by several threads at
// once; start, close, move and destruction need the object for themselves.
class Process {
 public:
  // Starts the fork server, or the spawn server, if this is the program's first that needs it.
  // Throws BadCall if the process could not be started: see StartMethod.
  template <class F, class... Args>
    requires(!std::derived_from<std::decay_t<F>, Process> &&
             !std::same_as<std::decay_t<F>, ProcessOptions>)
  explicit Process(F&& target, Args&&... args)
      : Process(detail::process::make_work(std::forward<F>(target), std::forward<Args>(args)...),
                ProcessOptions{}, Made{}) {}

  // Also throws BadCall for a lambda with captures, or anything else that cannot be packed, without
  // StartMethod::fork.
  template <class F, class... Args>
  Process(ProcessOptions options, F&& target, Args&&... args)
      : Process(
            detail::process::make_fork_work(std::forward<F>(target), std::forward<Args>(args)...),
            std::move(options), Made{}) {}

  Process(Process&& other) noexcept;
  // The process that stood here ends as in the destructor.
  Process& operator=(Process&& other) noexcept;
  virtual ~Process();

  // What the process runs: the target. Called in this process, it runs the target in this
  // process. In a subclass's run() name(), daemon() and pid() are those of the process.
  virtual void run();

  // Returns when the process has unpacked its arguments. Throws what kept it from that: BadCall
  // (a second start, a daemon's child, an argument), WorkerDied (also if its process server has
  // been stopped for 5 s), SystemError (fork failed; or there is not the right to give the
  // process what this one has by now, its user for one: see above). Then the target does not run.
  void start();

  // Returns when the process has ended. Throws BadCall before start(), after close(), and in a
  // process that did not create the object; Interrupted once a stop is requested, before or
  // during the wait, which leaves the process as it is.
  void join(std::stop_token stop = {});
  // False if the process still runs after that time.
  template <class Rep, class Period>
  bool join(std::chrono::duration<Rep, Period> timeout, std::stop_token stop = {}) {
    return join_until(detail::core::deadline_after(timeout), stop);
  }

  // False before start(), too. Throws BadCall after close() and in another process.
  bool is_alive() const;
  // SIGTERM; does nothing if the process has ended. Throws as join(), and SystemError if this
  // process may not signal it and its process server cannot be asked (StartMethod::fork).
  void terminate();
  void kill();  // SIGKILL; the same
  // nullopt before start() and the end, negative for a signal, 1 after an exception. 255 also if
  // its process server (the fork server, say) was killed or stands still: then it is not known.
  std::optional<int> exitcode() const;

  const std::string& name() const;
  bool daemon() const;
  pid_t pid() const;  // BadCall before start()
  // A descriptor, readable once the process has ended. BadCall before start().
  int sentinel() const;

  // Lets go of a process that has ended: nothing but destruction is allowed after it. BadCall if it
  // still runs.
  void close();

 protected:
  // For a subclass that overrides run().
  explicit Process(ProcessOptions options = {});

  // Called in the new process, where a copy of this object was made to call run() on.
  void become_current();

 private:
  struct Made {};
  struct Impl;
  class ForkedSelf;

  Process(std::unique_ptr<detail::process::Work> work, ProcessOptions options, Made);
  virtual std::unique_ptr<detail::process::Work> work_of_self();
  std::unique_ptr<detail::process::Work> work_of_subclass();
  void start(detail::process::Work& work);
  bool join_until(detail::core::Deadline deadline, const std::stop_token& stop);
  void ended(const detail::process::Child& child);
  // Each throws BadCall in the name of the function.
  const Impl& there(const char* function) const;
  [[noreturn]] void refuse(const char* function, const std::string& why) const;
  Impl& own(const char* function) const;
  const detail::process::Child& started(const char* function) const;
  void finish() noexcept;

  std::unique_ptr<Impl> impl_;
  // How many exceptions were under way when this object came to its place: more in the destructor
  // mean that it is unwound. As wide as what follows it may be aligned: ProcessOf compares sizes,
  // and members of a subclass must not hide in padding.
  std::ptrdiff_t exceptions_ = std::uncaught_exceptions();
};

// The process that calls. In the main process the name is "MainProcess".
ProcessInfo current_process();

// The process that started this one (getppid() names its process server, the fork server for one);
// empty in the main process.
std::optional<ProcessInfo> parent_process();

// The processes that this one has started and that still run.
std::vector<ProcessInfo> active_children();

// CPUs that this process may run on, as `nproc` counts them.
unsigned cpu_count();

}  // namespace steward
