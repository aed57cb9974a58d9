// State: the one process-wide object of this room. Knows the sessions of this process, and what
// becomes of them when it forks or exits.
//
// Thread safety: everything may be called from any thread. One lock, never held across a wait for
// the network; sessions' own mutexes may be taken under it, never it under one of those.
// Ownership: leaked, as are the sessions in it: at exit other threads and late destructors may
// still come here. A forked child gets a new State, and leaves its parent's alone.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include <steward/client/client_reference.hpp>
#include <steward/client/interrupt.hpp>
#include <steward/client/session/driver.hpp>
#include <steward/client/transport/dialer.hpp>

namespace steward::detail::client {

using InterruptCheck = bool (*)();  // see set_interrupt_check()

class State {
 public:
  using SessionDriverPtr = std::shared_ptr<SessionDriver>;

  static State& current();

  // The usable session with the manager at this address; made by `dial` by the deadline if there is
  // none. Several threads that ask at once share one attempt, and its failure if they have no more
  // time than it had and it was not interrupted. Throws Disconnected at the deadline, Interrupted.
  SessionDriverPtr connect(const std::string& address, core::Deadline deadline,
                           const std::function<SessionDriverPtr()>& dial);
  // Lets handles of its manager find a session that was not made by connect().
  void introduce(SessionDriverPtr session);
  // nullptr: there is none, or its manager is dead.
  SessionDriverPtr find(const core::Incarnation& incarnation);
  // The session with this manager, made if need be.
  SessionPtr session_for(const core::Incarnation& incarnation,
                         const std::vector<std::string>& addresses, const ConnectOptions& options,
                         core::Deadline deadline = {});
  // It is not given to anybody any more.
  void forget(const SessionDriver& session) noexcept;
  // No reference of it is left. A few such sessions stay, for those who come back soon; if nobody
  // uses the oldest of more, it ends.
  void note_idle(const SessionDriverPtr& session) noexcept;
  // Likewise, if nobody but the caller uses it: no reference, no other Manager. False: somebody
  // does.
  bool forget_unused(const SessionPtr& session);

  // The reference through which this process uses one that it merely copied or decoded.
  core::ReferencePtr claimed(const Claimable& reference);
  // Two threads may claim at once: returns the one that counts.
  core::ReferencePtr note_claim(const Claimable& reference, core::ReferencePtr claimed);

  // All that exist, found by the above or not: what a fork must take care of.
  void enroll(SessionDriver& session);
  void strike(SessionDriver& session);

  // Runs it under the lock that fork takes.
  template <class F>
  auto at_rest_in_forks(F&& run) {
    const std::lock_guard lock(mutex_);
    return run();
  }
  // See Dialer.
  std::unique_ptr<Transport> dial(const Goal& goal) {
    return at_rest_in_forks([&] { return dialer_.dial(goal); });
  }

  // See set_interrupt_check(); null: there is none.
  InterruptCheck interrupt_check() const {
    return interrupt_check_.load(std::memory_order_relaxed);
  }
  void set_interrupt_check(InterruptCheck check) { interrupt_check_ = check; }

  core::ThreadNumber next_thread_number() { return ++last_thread_; }

  // Says goodbye to all managers and waits for their answers, `wait` in all. For the end of the
  // process: what other threads wait for has no end any more.
  void end_all(core::Duration wait);
  bool at_exit() const { return at_exit_.load(std::memory_order_relaxed); }

 private:
  struct Attempt {
    core::Deadline deadline;
    bool over = false;
    bool interrupted = false;  // it failed for reasons of its own
    SessionDriverPtr session;
    std::exception_ptr failure;
  };
  explicit State(State* parent);
  static std::atomic<State*>& slot();
  static State* first();
  static void before_fork();
  static void after_fork_in_parent();
  static void after_fork_in_child();
  void register_exit_handler();
  SessionDriverPtr settle(const std::string& address, SessionDriverPtr made);
  void await(std::unique_lock<std::mutex>& lock, const Attempt& attempt,
             core::Deadline deadline);
  std::shared_ptr<Attempt> attempt(const std::string& address, core::Deadline deadline,
                                   SessionDriverPtr& known);

  [[maybe_unused]] State* const parent_;  // of a forked child: kept in sight, never touched
  std::atomic<core::ThreadNumber> last_thread_ = 0;
  std::atomic<bool> at_exit_ = false;
  std::atomic<InterruptCheck> interrupt_check_ = nullptr;

  // Guarded by mutex_.
  std::mutex mutex_;
  std::condition_variable attempt_over_;
  std::unordered_map<std::string, std::shared_ptr<Attempt>> attempts_;
  std::unordered_map<std::string, SessionDriverPtr> by_address_;
  std::unordered_map<core::Incarnation, SessionDriverPtr> by_incarnation_;
  std::deque<SessionDriverPtr> idle_;  // the oldest first
  std::vector<SessionDriver*> enrolled_;
  Dialer dialer_;
  std::vector<SessionDriver::Abandoned> abandoned_;  // by forked children; in their copies
  bool exit_handler_ = false;
};

}  // namespace steward::detail::client
