// What several threads may ask a ClientState for at once, and one of them does for all: connecting,
// and claiming.
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include <steward/client/state.hpp>
#include <steward/client/waiting.hpp>
#include <steward/core/errors.hpp>
#include <steward/core/interrupt.hpp>

namespace steward::detail::client {
namespace {

// Notes that the calling thread makes a session, or claims a reference. Code of the program's that
// runs meanwhile (an interrupt check, ConnectOptions::allow) may come here for the same, or for
// what another thread makes whose own check waits for this thread. So a thread waits for nobody's
// session while it makes one, and for nobody's claim while it makes either: it makes one for
// itself. (Who claims may wait for a session, since who makes one waits for no claim.)
//   Such code is run by what it asks for in turn: where that never ends, the stack would.
class Making {
 public:
  enum class What : std::uint8_t { claim, session };

  // Throws BadCall if the code that was run does nothing but ask for this very reference again, or
  // for one more each time.
  Making(What what, const Claimable* reference)
      : what_(what),
        reference_(reference),
        outer_(innermost),
        depth_(outer_ == nullptr ? 1 : outer_->depth_ + 1) {
    if (reference != nullptr && (of(*reference) > 1 || depth_ > kDepthMax)) {
      throw BadCall(core::describe(reference->token()) +
                    ": its first use asks the program, which uses " +
                    (depth_ > kDepthMax ? "another such handle" : "it") + " for the answer");
    }
    innermost = this;
  }
  Making(const Making&) = delete;
  Making& operator=(const Making&) = delete;
  ~Making() { innermost = outer_; }

  static bool any() { return innermost != nullptr; }
  static bool any(What what) {
    const Making* each = innermost;
    while (each != nullptr && each->what_ != what) each = each->outer_;
    return each != nullptr;
  }

 private:
  static constexpr std::size_t kDepthMax = 16;

  static std::size_t of(const Claimable& reference) {
    std::size_t times = 0;
    for (const Making* each = innermost; each != nullptr; each = each->outer_) {
      if (each->reference_ == &reference) ++times;
    }
    return times;
  }

  static thread_local const Making* innermost;
  const What what_;
  const Claimable* const reference_;
  const Making* const outer_;
  const std::size_t depth_;
};
thread_local const Making* Making::innermost = nullptr;

}  // namespace

// --- attempts

// Until it is over or the deadline has passed.
void ClientState::await(std::unique_lock<std::mutex>& lock, const Attempt& attempt,
                        core::Deadline deadline) {
  while (!attempt.over && !has_passed(deadline)) {
    if (const core::Deadline until = core::next_look(deadline)) {
      attempt_over_.wait_until(lock, *until);
    } else {
      attempt_over_.wait(lock);
    }
    if (!core::may_be_interrupted() || attempt.over) continue;
    lock.unlock();
    core::heed_interrupt_check("connecting");
    lock.lock();
  }
}

// An attempt that the caller makes. Null: somebody else's is over, so that it is to look again.
// Throws the other's failure where the caller would have no better luck, Disconnected (`late`) at
// the deadline.
template <class Key, class Late>
std::shared_ptr<ClientState::Attempt> ClientState::join(std::unique_lock<std::mutex>& lock,
                                                        Attempts<Key>& attempts, const Key& key,
                                                        core::Deadline deadline,
                                                        const Late& late) {
  if (const auto under_way = attempts.find(key); under_way != attempts.end()) {
    const std::shared_ptr<Attempt> other = under_way->second;
    await(lock, *other, deadline);
    if (!other->over) throw Disconnected(late());
    const bool has_more_time = !deadline || (other->deadline && *other->deadline < *deadline);
    const bool shared = !other->interrupted && !(other->out_of_time && has_more_time);
    if (other->failure && shared) std::rethrow_exception(other->failure);
    return nullptr;
  }
  const auto mine = std::make_shared<Attempt>();
  mine->deadline = deadline;
  attempts.emplace(key, mine);
  return mine;
}

// Under the lock. Does nothing in the child of a fork, which an interrupt check may make: nobody
// waits there, and a condition that was copied with its waiters is not to be notified.
template <class Key>
void ClientState::end(Attempts<Key>& attempts, const Key& key, Attempt& mine,
                      std::exception_ptr failure, bool interrupted) {
  if (this != &current()) return;
  mine.failure = std::move(failure);
  mine.out_of_time = has_passed(mine.deadline);
  mine.interrupted = interrupted;
  mine.over = true;
  attempts.erase(key);
  attempt_over_.notify_all();
}

// Both null: the caller makes a session for itself. An attempt: for all. Else `known` is the
// session, one that was made just now if `is_new`.
std::shared_ptr<ClientState::Attempt> ClientState::attempt(const std::string& address,
                                                           core::Deadline deadline,
                                                           SessionDriverPtr& known, bool& is_new) {
  std::unique_lock lock(mutex_);
  for (;;) {
    const auto found = by_address_.find(address);
    if (found != by_address_.end() && found->second->usable()) {
      known = found->second;
      ++known->uses_;
      return nullptr;
    }
    if (Making::any(Making::What::session)) return nullptr;
    const auto mine = join(lock, attempts_, address, deadline, [&] {
      return "no manager answers at " + address.substr(0, address.find('\n')) + " in time";
    });
    if (mine != nullptr) return mine;
    is_new = true;
  }
}

ClientState::SessionDriverPtr ClientState::connect(
    const std::string& address, core::Deadline deadline,
    const std::function<SessionDriverPtr()>& dial,
    const std::function<bool(SessionDriver&)>& look) {
  for (;;) {
    SessionDriverPtr found;
    bool is_new = false;
    const std::shared_ptr<Attempt> mine = attempt(address, deadline, found, is_new);
    if (found == nullptr) return make(address, mine.get(), dial);
    const SessionDriverPtr session = lent(std::move(found));
    if (is_new || !look || look(*session)) return session;
    forget(*session);
  }
}

// `mine`: null, if nobody else waits for it.
ClientState::SessionDriverPtr ClientState::make(const std::string& address, Attempt* mine,
                                                const std::function<SessionDriverPtr()>& dial) {
  SessionDriverPtr session;
  std::exception_ptr failure;
  bool interrupted = false;
  try {
    const Making making(Making::What::session, nullptr);
    session = settle(address, dial());
  } catch (const Interrupted&) {
    failure = std::current_exception();
    interrupted = true;
  } catch (...) {
    failure = std::current_exception();
  }
  if (mine != nullptr) {
    const std::lock_guard lock(mutex_);
    end(attempts_, address, *mine, failure, interrupted);
  }
  if (failure) std::rethrow_exception(failure);
  return lent(std::move(session));
}

// --- claims

core::ReferencePtr ClientState::claimed(const Claimable& reference) {
  const std::lock_guard lock(mutex_);
  return reference.claimed_;
}

core::ReferencePtr ClientState::claimed(const Claimable& reference, core::Deadline deadline,
                                        const std::function<core::ReferencePtr()>& claim) {
  std::shared_ptr<Attempt> mine;  // null: for this thread alone
  {
    std::unique_lock lock(mutex_);
    while (mine == nullptr) {
      if (reference.claimed_ != nullptr) return reference.claimed_;
      if (Making::any()) break;
      mine = join(lock, claims_, &reference, deadline, [&] {
        return "the manager of " + core::describe(reference.token()) +
               " has not answered in time";
      });
    }
  }
  core::ReferencePtr claimed;
  std::exception_ptr failure;
  bool interrupted = false;
  try {
    const Making making(Making::What::claim, &reference);
    claimed = claim();
  } catch (const Interrupted&) {
    failure = std::current_exception();
    interrupted = true;
  } catch (...) {
    failure = std::current_exception();
  }
  core::ReferencePtr kept = claimed;
  {
    const std::lock_guard lock(mutex_);
    // Code in the middle of this claim, or of another thread's connecting, may have come first.
    if (reference.claimed_ != nullptr) {
      kept = reference.claimed_;
      if (!interrupted) failure = nullptr;
    }
    reference.claimed_ = kept;
    if (mine != nullptr) end(claims_, &reference, *mine, failure, interrupted);
  }
  if (failure) std::rethrow_exception(failure);
  return kept;
}

}  // namespace steward::detail::client
