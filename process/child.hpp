// Child: a process that this one had started, seen from here.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include <sys/types.h>

#include <steward/core/clock.hpp>
#include <steward/core/errors.hpp>
#include <steward/shm/unique_fd.hpp>

namespace steward::detail::shm {
class StoppablePoll;
}

namespace steward::detail::process {

struct Link;

// "exit code 1", "signal 9 (Killed)"
std::string describe_ending(int exit_code);

// A started process by its pidfd, and the exit status that its process server reports. A resource:
// movable, not copyable; dropping it leaves the process alone. Only the process that got it from
// launch() may use it.
//
// Thread safety: any thread may call any function at any time, but for moving and destruction.
class Child {
 public:
  // What the exit status of a process is taken for if its process server ended before it could
  // tell, or has not told within kServerTime: as in Python.
  static constexpr int kUnknownExitCode = 255;
  // How long a process server may take to tell how a process ended, to send a signal, or to take a
  // request while it is stopped.
  static constexpr std::chrono::seconds kServerTime{5};

  Child();  // stands for no process
  Child(Child&&) noexcept;
  Child& operator=(Child&&) noexcept;
  ~Child();
  explicit operator bool() const { return impl_ != nullptr; }

  pid_t pid() const;
  // Readable once the process has ended. Lives as long as this object.
  int pidfd() const;
  // What the child gave to ChildContext::confirm.
  const std::string& confirmation() const;

  // False once the deadline has passed, also if the process server has not told the exit code by
  // then. True: the process has ended, its pidfd is readable and its exit code is known.
  bool wait(core::Deadline deadline = std::nullopt) const;
  // Likewise, but what ends the poll ends it, too, and costs nothing but the time.
  bool wait(core::Deadline deadline, shm::StoppablePoll& poll) const;
  // Waits until it has ended; false: the deadline passed before. Its exit code may not be known
  // yet.
  bool gone(core::Deadline deadline) const;
  bool running() const;
  // nullopt while the process runs, negative for a signal.
  std::optional<int> exit_code() const;
  // False if the process has ended already. If this process may not signal it, its process server
  // is asked to do so, and does not say whether it did. Throws SystemError if there is no process
  // server to ask.
  bool signal(int number) const;
  // SIGTERM, and SIGKILL if that has not helped within `patience`; returns when the process is
  // gone. Throws SystemError if it cannot be ended.
  void end(std::chrono::milliseconds patience) const;

 private:
  friend Child await_start(std::shared_ptr<const Link> link, shm::UniqueFd channel,
                           const std::string& name, int give_up);
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// A process ended before it was up.
class EndedBeforeUp final : public WorkerDied {
 public:
  EndedBeforeUp(const std::string& name, int exit_code);
  int exit_code() const { return exit_code_; }  // as Child::exit_code()

 private:
  int exit_code_;
};

// The process server let go of a request, or does not take any: it has no descriptors left or is
// stopped, which may pass, or is about to end.
class RequestNotTaken final : public WorkerDied {
 public:
  using WorkerDied::WorkerDied;
};

// For destructors and the end of a program: ends the process, or says on standard error why that
// cannot be done. False: it goes on until its process server ends, which is after this process at
// the latest.
bool end_or_tell(const Child& child, const std::string& name,
                 std::chrono::milliseconds patience) noexcept;

// Reads the status channel of a process that was asked for until it is up. Throws what kept it from
// coming up: its own error, EndedBeforeUp, RequestNotTaken, WorkerDied (there is no process server
// any more), SystemError (fork failed), or Closed: `give_up` became readable (-1 never is).
// Whatever it throws, also for want of memory or of a descriptor, the process ends before its work
// begins.
Child await_start(std::shared_ptr<const Link> link, shm::UniqueFd channel, const std::string& name,
                  int give_up);

}  // namespace steward::detail::process
