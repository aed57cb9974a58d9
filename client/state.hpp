// ClientState: the one process-wide object of this room. Knows the sessions of this process, who
// uses them, and what becomes of them when it forks or exits.
//
// What it gives to a caller is a use of a session: the pointer counts, copies of it count as one,
// until the last one is gone. References are the other users. Whoever else holds a session (its own
// threads, a reference in the middle of its death) does not keep it open.
//
// Thread safety: everything may be called from any thread. One lock, never held across a wait for
// the network; sessions' own mutexes may be taken under it, never it under one of those.
// Ownership: leaked, as are the sessions in it: at exit other threads and late destructors may
// still come here. A forked child gets a new ClientState, and leaves its parent's alone.
#pragma once

#include <pthread.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include <steward/client/client_reference.hpp>
#include <steward/client/session/driver.hpp>
#include <steward/client/transport/dialer.hpp>

namespace steward::detail::client {

class ClientState {
 public:
  using SessionDriverPtr = std::shared_ptr<SessionDriver>;

  static ClientState& current();

  // The session with the manager at this address. One that is known is given if `look` still finds
  // the manager (empty: it is not asked); else `dial` makes one, by the deadline. Several threads
  // that ask at once share one attempt, and its failure, unless it was interrupted or they have
  // more time than it had. Throws Disconnected at the deadline, Interrupted, and what `look` and
  // `dial` throw. They may run code of the program's that comes here again.
  SessionDriverPtr connect(const std::string& address, core::Deadline deadline,
                           const std::function<SessionDriverPtr()>& dial,
                           const std::function<bool(SessionDriver&)>& look = {});
  // Lets handles of its manager find a session that was not made by connect().
  void introduce(SessionDriverPtr session);
  // The session with a manager that says to be this one and proves it so. nullptr: there is none,
  // or its manager is dead.
  SessionDriverPtr find(const core::Incarnation& incarnation, const Proof& proof);
  // Likewise with any key. Throws AuthenticationError if holders of several keys say to be it.
  SessionDriverPtr find_with_key(const core::Incarnation& incarnation);
  // In a forked child, the session that stands for one of its parent's: with the same manager,
  // proved in the same way. Made if need be.
  SessionPtr successor_of(const SessionDriver& session, core::Deadline deadline = {});
  // Whether ConnectOptions::allow of every session of this process does, also of those that have
  // ended and are still held; in a forked child also of its parent's.
  bool everybody_allows(const std::string& address);
  // This session is not found any more.
  void forget(const SessionDriver& session) noexcept;
  // A user of it is gone. If that was the last one: a few such sessions stay, for those who come
  // back soon; the oldest of more ends.
  void note_idle(const SessionDriverPtr& session) noexcept;
  // As forget(), if nobody uses it beside those whose number is given. False: somebody does.
  bool forget_unused(const SessionDriver& session, std::size_t beside);

  // The reference through which this process uses one that it merely copied or decoded. nullptr:
  // it has not used it yet.
  core::ReferencePtr claimed(const Claimable& reference);
  // Likewise; if there is none yet, the one that `claim` gives. One thread at a time; others share
  // what comes of it as in connect(). Throws Disconnected at the deadline, Interrupted, what
  // `claim` throws, and BadCall if that runs code which comes here for the same reference, or for
  // one more, each time that it is asked.
  core::ReferencePtr claimed(const Claimable& reference, core::Deadline deadline,
                             const std::function<core::ReferencePtr()>& claim);

  // Claims it on a thread that ends by itself, one for each manager. Without memory or threads the
  // reference is claimed at its first use.
  void claim_soon(core::ReferencePtr reference) noexcept;

  // All sessions that exist, also those that the functions above do not find: a fork must lock each
  // of them.
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

  core::ThreadNumber next_thread_number() { return ++last_thread_; }
  // The calling thread holds locks: when it ends, its sessions hear of it. At exit, and in a forked
  // child of that thread, nobody does: the end of a process is known without.
  void watch_this_thread() noexcept;

  // Ends all sessions, in order, and waits for their managers' answers, `wait` in all.
  void end_all(core::Duration wait);
  // Tells all managers that this process ends soon, and in order, and waits until they know it,
  // `wait` in all. Sessions go on: other threads, and destructors of statics, may still use them.
  void announce_end(core::Duration wait) noexcept;
  bool at_exit() const { return at_exit_.load(std::memory_order_relaxed); }

 private:
  // What one thread does for all that ask for the same meanwhile.
  struct Attempt {
    core::Deadline deadline;
    bool over = false;
    std::exception_ptr failure;
    bool out_of_time = false;  // it failed when its deadline had passed
    bool interrupted = false;  // by a signal to the thread that made it
  };
  template <class Key>
  using Attempts = std::unordered_map<Key, std::shared_ptr<Attempt>>;
  explicit ClientState(ClientState* parent);
  static void thread_ended(void* watched_by) noexcept;
  static std::atomic<ClientState*>& slot();
  static ClientState* first();
  static void before_fork();
  static void after_fork_in_parent();
  static void after_fork_in_child();
  void register_exit_handler();
  SessionDriverPtr make(const std::string& address, Attempt* mine,
                        const std::function<SessionDriverPtr()>& dial);
  SessionDriverPtr settle(const std::string& address, SessionDriverPtr made);
  void claim_all(const core::Incarnation& manager);
  void await(std::unique_lock<std::mutex>& lock, const Attempt& attempt,
             core::Deadline deadline);
  template <class Key, class Late>
  std::shared_ptr<Attempt> join(std::unique_lock<std::mutex>& lock, Attempts<Key>& attempts,
                                const Key& key, core::Deadline deadline, const Late& late);
  template <class Key>
  void end(Attempts<Key>& attempts, const Key& key, Attempt& mine, std::exception_ptr failure,
           bool interrupted);
  std::shared_ptr<Attempt> attempt(const std::string& address, core::Deadline deadline,
                                   SessionDriverPtr& known, bool& is_new);
  static SessionDriverPtr lent(SessionDriverPtr session);
  void give_back(const SessionDriverPtr& session) noexcept;
  SessionDriverPtr take_out(const SessionDriver& session) noexcept;
  SessionDriverPtr* known(const core::Incarnation& incarnation, const Proof& proof);

  [[maybe_unused]] ClientState* const
      parent_;  // of a forked child: only so that leak checkers still see it; never touched
  // The thread-specific value is the ClientState of the process in which the thread was watched.
  // Not a thread_local object: exit() destroys those of its thread, while the process is about to
  // end in order.
  const std::optional<pthread_key_t> thread_end_;
  std::atomic<core::ThreadNumber> last_thread_ = 0;
  std::atomic<bool> at_exit_ = false;

  // Guarded by mutex_.
  std::mutex mutex_;
  std::condition_variable attempt_over_;
  Attempts<std::string> attempts_;
  Attempts<const Claimable*> claims_;
  std::unordered_map<std::string, SessionDriverPtr> by_address_;
  // As their managers say: one for each proof.
  std::unordered_multimap<core::Incarnation, SessionDriverPtr> by_incarnation_;
  std::deque<SessionDriverPtr> idle_;  // the oldest first
  std::vector<SessionDriver*> enrolled_;
  Dialer dialer_;
  std::vector<SessionDriver::Abandoned> abandoned_;  // by forked children; in their copies
  std::vector<TermsPtr> inherited_terms_;            // of the sessions of a forked child's parent
  std::map<core::Incarnation, std::deque<core::ReferencePtr>> to_claim_;  // where a thread does so
  bool exit_handler_ = false;
};

}  // namespace steward::detail::client
